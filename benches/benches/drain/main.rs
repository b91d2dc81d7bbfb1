//! How fast a backlog of logins is counted: `appmi run` on a real Apache Kafka, and beside it, in turn, a
//! bare librdkafka consumer that reads the same records with the same settings and does nothing with them.
//!
//! ```text
//! make kafka
//! cargo build -p appmi
//! cargo bench -p benches --profile dev --bench drain [-- MILLIONS [ALTERNATIONS [INTERVAL]]]
//! ```
//!
//! The records are national logins (see `benches::logins`) in 12 partitions, first without headers and then
//! with a `content-type` on each; 20 million, and 1 alternation, unless said otherwise. Settings are the defaults,
//! but checkpoints come every five seconds instead of every thirty, so that a run of seconds holds several: with 120
//! million, a run at `30s` does too. The broker runs on the same machine and shares its processors.

#![expect(clippy::print_stdout, reason = "a report")]

mod appmi;
mod bare;

use std::env;

use benches::logins::national;
use benches::{Figures, backlog, figures, settings};
use tests::Broker;
use workload::Rates;

/// Checkpoints that a run must hold.
const CHECKPOINTS_MIN: u64 = 2;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, rest @ ..] = arguments.as_slice()
        && command == bare::COMMAND
    {
        return bare::drain(rest);
    }
    // `cargo test --benches` runs this too, and has no minutes for it.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let mut numbers = arguments.iter().filter_map(|text| text.parse().ok());
    let records = numbers.next().unwrap_or(20_usize).max(1) * 1_000_000;
    let alternations = numbers.next().unwrap_or(1).max(1);
    let interval = arguments.iter().find(|text| text.ends_with('s'));
    let interval = interval.map_or("5s", String::as_str);
    let Some(installation) = tests::installation_or_skip() else {
        return;
    };
    let broker = Broker::start(installation, &[]);
    for content_type in [None, Some(wire::headers::PROTOBUF)] {
        let mut deployment = backlog::deployment(&broker, &[settings::PARTITIONS, 1, 1]);
        deployment
            .configuration
            .set_text("checkpoint.interval", interval);
        let items = national(Rates::none()).take(records);
        let records = backlog::load(&deployment, items, content_type);
        println!(
            "\n{records} logins, {}",
            content_type.map_or("no headers", |_| "each with a content-type")
        );
        println!("{}", figures::TITLES);
        let (mut bare, mut appmi) = (Vec::new(), Vec::new());
        for number in 0..alternations {
            bare.push(bare::measure(
                &broker,
                &deployment.topics.inputs[0],
                records,
            ));
            println!("{}", bare[number].row("bare"));
            appmi.push(appmi::measure(&mut deployment, number, records));
            println!("{}", appmi[number].row("appmi"));
            if appmi[number].checkpoints < CHECKPOINTS_MIN {
                println!(
                    "fewer than {CHECKPOINTS_MIN} checkpoints fell into this run: give it more records"
                );
            }
        }
        let (bare, appmi) = (Figures::median(&bare), Figures::median(&appmi));
        println!("{}", bare.row("bare, median"));
        println!("{}", appmi.row("appmi, median"));
        println!("{}", appmi.ratio(&bare));
    }
}
