//! Several instances under continuing load, and rounds of faults drawn from a seed: processes killed, frozen for
//! longer than their session, stopped and started, with their own state, with none or with another's old one;
//! brokers killed. After every round each released figure equals the oracle's, and each release and each
//! dead letter has come once.
//!
//! `make soak ROUNDS=50 SEED=2`; a seed determines the faults and the records, not the moments.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

mod faults;
mod report;
mod site;

use std::str::FromStr;

use tests::{Broker, installation_or_skip};

use site::Site;

/// Rounds of `make test`; they take a minute and a half.
const ROUNDS: usize = 3;
const FAULTS: usize = 5;
const SEED: u64 = 1;

fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .ok()
            .unwrap_or_else(|| panic!("{name}: {text}")),
        _ => otherwise,
    }
}

#[test]
fn whatever_happens_to_instances_and_broker_every_figure_is_exact_and_every_release_comes_once() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let rounds = setting("APPMI_ROUNDS", ROUNDS);
    let seed = setting("APPMI_SEED", SEED);
    let mut site = Site::new(Broker::start(kafka, &[]), seed, rounds);
    for round in 1..=rounds {
        site.round(round, FAULTS);
    }
    let report = site.end();
    report::say(&format!("seed {seed}, {rounds} rounds: {report}"));
    assert!(
        report.kills_inside() * 3 >= report.kills(),
        "too few kills fell into a transaction: {report}"
    );
}
