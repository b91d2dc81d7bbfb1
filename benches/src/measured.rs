//! `appmi run` on a backlog, and what it needs for it.

use std::thread;
use std::time::{Duration, Instant};

use tests::system::{Deployment, Instance, Metrics};

use crate::figures::{self, Figures, float};

/// How often it is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often its memory is looked at while it stops.
const PEAK_EVERY: Duration = Duration::from_millis(5);

/// How long it may take for a record, on a slow machine.
const RECORD_WITHIN: Duration = Duration::from_micros(100);

/// How long it may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Where a running instance is.
struct Progress {
    seen: u64,
    checkpoints: u64,
    at: Instant,
    cpu: Duration,
}

/// What a run needed, and what it put into the partials topic.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// What it needed.
    pub figures: Figures,
    /// Bytes of all checkpoints but the last, which it commits while it stops.
    pub checkpoint_bytes: u64,
    /// How long it took to stop, last checkpoint included.
    pub stop: Duration,
}

/// Lets an instance count so many records, which are there already, and stops it.
///
/// # Panics
/// If it ends, does not get on, or does not stop as asked.
#[must_use]
pub fn count(deployment: &Deployment, records: u64) -> Run {
    let (cpu, start) = (figures::cpu_of_children(), Instant::now());
    let mut instance = deployment.run();
    let first = wait_for(&mut instance, 1, records);
    let last = wait_for(&mut instance, records, records);
    let bytes = integer(instance.metrics().sum("appmi_checkpoint_bytes_total", &[]));
    let stopping = Instant::now();
    let peak = stop(&mut instance);
    Run {
        figures: Figures {
            records: last.seen - first.seen,
            wall: last.at - first.at,
            cpu: last.cpu - first.cpu,
            checkpoints: last.checkpoints - first.checkpoints,
            whole_wall: start.elapsed(),
            whole_cpu: figures::cpu_of_children() - cpu,
            peak,
        },
        checkpoint_bytes: bytes,
        stop: stopping.elapsed(),
    }
}

/// Asks it to stop: it commits what it has counted, and says so with its exit code. Comes back with the most
/// memory that it ever had, in bytes.
///
/// # Panics
/// If it does not stop in time, or not as asked.
pub fn stop(instance: &mut Instance) -> u64 {
    let mut peak = figures::peak(instance.id()).expect("it is running");
    instance.ask_to_stop();
    let asked = Instant::now();
    while instance.ended().is_none() && asked.elapsed() < STOP_WITHIN {
        peak = figures::peak(instance.id()).map_or(peak, |now| now.max(peak));
        thread::sleep(PEAK_EVERY);
    }
    let code = instance.code(Duration::ZERO);
    assert_eq!(code, Some(0), "{}", instance.log());
    peak
}

/// Records that it has dealt with: counted, or dropped as duplicates, or dead letters.
#[must_use]
pub fn seen(metrics: &Metrics) -> u64 {
    integer(metrics.sum("appmi_events_total", &[]))
}

/// Waits until so many records were dealt with.
fn wait_for(instance: &mut Instance, wanted: u64, records: u64) -> Progress {
    let within = Duration::from_mins(1) + RECORD_WITHIN.mul_f64(float(records));
    let start = Instant::now();
    loop {
        assert!(instance.ended().is_none(), "{}", instance.log());
        assert!(start.elapsed() < within, "{}", instance.log());
        let metrics = instance.metrics();
        let committed = [("outcome", "committed")];
        let progress = Progress {
            seen: seen(&metrics),
            checkpoints: integer(metrics.sum("appmi_checkpoints_total", &committed)),
            at: Instant::now(),
            cpu: figures::cpu(instance.id()),
        };
        if progress.seen >= wanted {
            return progress;
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count, far below 2^52"
)]
fn integer(number: f64) -> u64 {
    number as u64
}
