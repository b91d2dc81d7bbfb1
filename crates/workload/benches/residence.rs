//! How far counting people in each board where they logged in lies from counting them in the board of
//! their last session, on the generator's movers: `cargo bench -p workload --profile dev --bench residence`.

#![expect(clippy::print_stdout, reason = "a report")]
#![expect(
    clippy::cast_precision_loss,
    reason = "counts of people are far below 2^53"
)]

use model::Month;
use workload::oracle;
use workload::{Options, Oracle, Profile, Workload};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options {
        months: 15,
        ..Options::default()
    };
    let mut rules = oracle::Options::new(
        options.first_month,
        options.practices.text(),
        &options.kinds,
    );
    rules.keeps_sessions = true;
    let mut oracle = Oracle::new(&rules)?;
    for item in Workload::new(Profile::published(), &options) {
        oracle.observe(&item);
    }
    println!(
        "seed {}, 1/{}, {} in a million move a month",
        options.seed, options.one_in, options.rates.movers
    );
    for (month, window) in [("2025-05", 1), ("2026-02", 12), ("2026-05", 12)] {
        report(&oracle, month.parse()?, window);
    }
    Ok(())
}

fn report(oracle: &Oracle, month: Month, window: i32) {
    let rows = oracle.residence(month, window);
    let (mut any, mut last, mut largest) = (0, 0, ("", 0.0));
    for row in rows
        .iter()
        .filter(|row| row.code != "Unknown" && row.by_last_session > 0)
    {
        any += row.by_any_session;
        last += row.by_last_session;
        let difference = row.by_any_session as f64 / row.by_last_session as f64 - 1.0;
        if difference > largest.1 {
            largest = (row.code.as_str(), difference);
        }
    }
    println!(
        "{month}, {window} months: boards {:+.2} %, most of all {} {:+.2} %",
        (any as f64 / last as f64 - 1.0) * 100.0,
        largest.0,
        largest.1 * 100.0
    );
    for row in rows.iter().filter(|row| row.code == "Unknown") {
        println!(
            "  Unknown: {} by any session, {} by the last",
            row.by_any_session, row.by_last_session
        );
    }
}
