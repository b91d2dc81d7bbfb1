//! A national month from the first event to the last, on a real Apache Kafka: how long `appmi run` takes for it and
//! with how much memory, how much it writes to the partials topic, and how long a restart takes with its state
//! and without.
//!
//! ```text
//! make kafka
//! cargo build -p appmi
//! cargo bench -p benches --profile dev --bench month [-- ONE_IN]
//! ```
//!
//! March 2025 of the generator with all that is out of the ordinary in it: logins and prescription orders in 12
//! partitions each, registrations in 4. All settings are the defaults. `ONE_IN` makes it a part of the month: 1
//! unless said otherwise. The broker runs on the same machine and shares its processors.

#![expect(clippy::print_stdout, reason = "a report")]

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use benches::figures::{self, float, mebibytes};
use benches::{backlog, measured, settings};
use tests::Broker;
use tests::system::Deployment;
use workload::{Options, Partitions, Profile, Workload};

/// How long a restart may take.
const START_WITHIN: Duration = Duration::from_mins(5);

const PARTITIONS: Partitions = Partitions {
    logins: settings::PARTITIONS,
    prescription_orders: settings::PARTITIONS,
    registrations: 4,
};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // `cargo test --benches` runs this too, and has no minutes for it.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let one_in = arguments.iter().find_map(|text| text.parse().ok());
    let Some(installation) = tests::installation_or_skip() else {
        return;
    };
    let broker = Broker::start(installation, &[]);
    let Partitions {
        logins,
        prescription_orders,
        registrations,
    } = PARTITIONS;
    let deployment = backlog::deployment(&broker, &[logins, prescription_orders, registrations]);
    let began = Instant::now();
    let records = backlog::load(&deployment, march(one_in.unwrap_or(1)), None);
    println!(
        "\n{records} events of March 2025, loaded in {:.0} s",
        began.elapsed().as_secs_f64()
    );

    let run = measured::count(&deployment, records);
    println!("{}", figures::TITLES);
    println!("{}", run.figures.row("appmi"));
    println!(
        "drained in {:.1} s, stopped in {:.1} s with a last checkpoint",
        run.figures.wall.as_secs_f64(),
        run.stop.as_secs_f64()
    );
    println!(
        "checkpoints before the last: {:.1} MiB, {:.2} bytes an event",
        mebibytes(run.checkpoint_bytes),
        float(run.checkpoint_bytes) / float(records)
    );
    restart(&deployment, "with its state");
    deployment.lose_state();
    restart(&deployment, "from an empty directory");
}

fn march(one_in: u64) -> Workload {
    let options = Options {
        one_in,
        first_month: settings::first_month(),
        months: 1,
        partitions: PARTITIONS,
        ..Options::default()
    };
    Workload::new(Profile::published(), &options)
}

/// Starts an instance, waits until it counts all partitions, and stops it.
fn restart(deployment: &Deployment, how: &str) {
    let partitions = PARTITIONS.logins + PARTITIONS.prescription_orders + PARTITIONS.registrations;
    let began = Instant::now();
    let mut instance = deployment.run();
    let mut ready = None;
    loop {
        assert!(instance.ended().is_none(), "{}", instance.log());
        assert!(began.elapsed() < START_WITHIN, "{}", instance.log());
        if ready.is_none() && instance.get("/readyz").0 == 200 {
            ready = Some(began.elapsed());
        }
        let owned = instance.metrics().sum("appmi_partitions_owned", &[]);
        if owned >= f64::from(partitions) {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let counting = began.elapsed();
    let ready = ready.expect("it is ready before it counts");
    let peak = measured::stop(&mut instance);
    println!(
        "restart {how}: ready after {:.2} s, counting all {partitions} partitions after {:.2} s, peak {:.0} MiB",
        ready.as_secs_f64(),
        counting.as_secs_f64(),
        mebibytes(peak)
    );
}
