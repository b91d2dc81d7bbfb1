//! `appmi run`, from nothing to every login counted and committed.

use std::thread;
use std::time::{Duration, Instant};

use kafka::Counts;
use tests::system::{Deployment, Instance};

use crate::figures::{self, Figures};

/// How often it is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long it may take for a record, on a slow machine.
const RECORD_WITHIN: Duration = Duration::from_micros(100);

/// How long it may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Where a running instance is.
struct Progress {
    counted: u64,
    at: Instant,
    cpu: Duration,
}

/// Counts the logins of the deployment anew: topics of its own, group and state are fresh each time.
pub(crate) fn measure(deployment: &mut Deployment, number: usize, records: usize) -> Figures {
    renew(deployment, number);
    let records = u64::try_from(records).expect("a length fits 64 bits");
    let (cpu, start) = (figures::cpu_of_children(), Instant::now());
    let mut instance = deployment.run();
    let first = wait_for(&mut instance, 1, records);
    let last = wait_for(&mut instance, records, records);
    let peak = figures::peak(instance.id());
    instance.ask_to_stop();
    let code = instance.code(STOP_WITHIN);
    // Asked to stop it commits what it has counted, and says so with its exit code.
    assert_eq!(code, Some(0), "{}", instance.log());
    Figures {
        records: last.counted - first.counted,
        wall: last.at - first.at,
        cpu: last.cpu - first.cpu,
        whole_wall: start.elapsed(),
        whole_cpu: figures::cpu_of_children() - cpu,
        peak,
    }
}

fn renew(deployment: &mut Deployment, number: usize) {
    let group = deployment.cluster.group_id().to_owned();
    let fresh = |name: &str| format!("{group}-{number}.{name}");
    let topics = &mut deployment.topics;
    topics.partials = fresh("partials");
    topics.month_close = fresh("month-close");
    topics.dead_letters = fresh("dead-letters");
    let state = deployment.file(&fresh("state"));
    let topics = &deployment.topics;
    let configuration = &mut deployment.configuration;
    configuration.set_text("topics.partials", &topics.partials);
    configuration.set_text("topics.month_close", &topics.month_close);
    configuration.set_text("topics.dead_letters", &topics.dead_letters);
    configuration.set_text("kafka.group_id", &fresh("group"));
    configuration.set_text(
        "state.dir",
        state.to_str().expect("temporary folders have plain names"),
    );
    let counts = Counts {
        inputs: None,
        partials: 12,
        month_close: 1,
        dead_letters: 1,
        replication: Some(1),
    };
    let created = deployment.admin().create(topics, &counts);
    assert_eq!(created.expect("the broker creates topics").len(), 3);
}

/// Waits until so many records were counted.
fn wait_for(instance: &mut Instance, wanted: u64, records: u64) -> Progress {
    let within = Duration::from_mins(1) + RECORD_WITHIN.mul_f64(float(records));
    let start = Instant::now();
    loop {
        assert!(instance.ended().is_none(), "{}", instance.log());
        assert!(start.elapsed() < within, "{}", instance.log());
        let metrics = instance.metrics();
        let progress = Progress {
            counted: integer(metrics.sum("appmi_events_total", &[("outcome", "counted")])),
            at: Instant::now(),
            cpu: figures::cpu(instance.id()),
        };
        if progress.counted >= wanted {
            return progress;
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, far below 2^52"
)]
fn integer(number: f64) -> u64 {
    number as u64
}
