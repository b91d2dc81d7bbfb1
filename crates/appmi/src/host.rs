//! The surroundings of the engine in this process: the clock, the wish to stop, and what becomes of
//! what the engine did: metrics, the stamps of the probes, log lines.

mod standing;

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ports::Host;
use engine::{Occurrence, Tally};
use model::{InputPartition, Kinds, Timestamp};

use crate::http::Health;
use crate::metrics::Metrics;
use crate::signals::StopRequest;
use standing::Teller;

/// How often the way back to the end of the owned topics is told.
const RESTORING_EVERY: Duration = Duration::from_secs(5);

/// Tells the time.
pub type Clock = Box<dyn FnMut() -> Timestamp>;

/// The wall clock.
#[must_use]
pub fn wall_clock() -> Clock {
    Box::new(|| Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()))
}

/// The surroundings of an instance.
pub struct ProcessHost {
    clock: Clock,
    stop: StopRequest,
    kinds: Kinds,
    metrics: Metrics,
    health: Arc<Health>,
    total: Tally,
    checkpoint_began: Instant,
    release_began: Instant,
    teller: Teller,
    /// Partitions, records and bytes of the checkpoint that is being committed.
    checkpoint: (usize, usize, usize),
    restoring_told: Option<Instant>,
    was_ready: bool,
}

impl std::fmt::Debug for ProcessHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessHost").finish_non_exhaustive()
    }
}

impl ProcessHost {
    /// Surroundings that have seen nothing.
    #[must_use]
    pub fn new(
        clock: Clock,
        stop: StopRequest,
        kinds: Kinds,
        metrics: Metrics,
        health: Arc<Health>,
    ) -> Self {
        Self {
            clock,
            stop,
            kinds,
            metrics,
            health,
            total: Tally::default(),
            checkpoint_began: Instant::now(),
            release_began: Instant::now(),
            teller: Teller::default(),
            checkpoint: (0, 0, 0),
            restoring_told: None,
            was_ready: false,
        }
    }

    /// What became of all records since the process started.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.total
    }

    /// The metrics, for what is measured outside of the engine.
    pub fn metrics(&mut self) -> &mut Metrics {
        &mut self.metrics
    }

    fn name(&self, partition: InputPartition) -> String {
        name(&self.kinds, partition)
    }

    fn note_counted(&mut self, partition: InputPartition, tally: &Tally) {
        let kind = self.metrics.kind(partition.kind);
        kind.counted.increment(tally.counted);
        kind.duplicates.increment(tally.duplicates);
        kind.dead_letters.increment(tally.dead_letters);
        kind.unknown_geography.increment(tally.unknown_geography);
        kind.sealed.increment(tally.sealed);
        self.total.counted += tally.counted;
        self.total.duplicates += tally.duplicates;
        self.total.dead_letters += tally.dead_letters;
        self.total.unknown_geography += tally.unknown_geography;
        self.total.sealed += tally.sealed;
    }

    fn note_records(&mut self, occurrence: &Occurrence<'_>) {
        match occurrence {
            Occurrence::Counted {
                partition,
                tally,
                position,
            } => {
                self.note_counted(*partition, tally);
                self.metrics
                    .partition(*partition)
                    .set_position(position.0, None);
            }
            Occurrence::DeadLettered(letter) => {
                self.metrics
                    .kind(letter.partition.kind)
                    .dead_letter_because(letter.reason);
                tracing::debug!(
                    partition = self.name(letter.partition),
                    offset = letter.offset.0,
                    reason = letter.reason.as_str(),
                    "dead letter"
                );
            }
            Occurrence::UnknownGeography(sample) => standing::tell_unknown(sample),
            _ => {}
        }
    }

    fn note_turn(&mut self, view_ready: bool, joined: bool, leader: bool) {
        self.health.turned(Instant::now());
        self.health.set_ready(view_ready, joined);
        if !view_ready || !leader {
            self.metrics.releases.set_low_watermark(None);
        }
        if view_ready && !self.was_ready {
            tracing::info!("the view has been read to its end");
        }
        self.was_ready = view_ready;
    }

    fn note_restoring(&mut self, records_left: u64) {
        self.health.set_view_records_left(records_left);
        self.metrics.instance.set_view_records_left(records_left);
        let is_due = self
            .restoring_told
            .is_none_or(|told| told.elapsed() >= RESTORING_EVERY);
        if is_due && records_left > 0 {
            self.restoring_told = Some(Instant::now());
            tracing::info!(records_left, "reading the owned topics into the view");
        }
    }

    fn note_membership(&mut self, occurrence: &Occurrence<'_>) {
        match occurrence {
            Occurrence::Assigned(partition) => {
                tracing::debug!(partition = self.name(*partition), "assigned by the group");
            }
            Occurrence::Took {
                partition,
                position,
            } => {
                let name = self.name(*partition);
                tracing::info!(
                    partition = name,
                    position = position.0,
                    "counting from here"
                );
            }
            Occurrence::Waiting {
                partition,
                committed,
                position,
            } => {
                tracing::info!(
                    partition = self.name(*partition),
                    committed = committed.map(|offset| offset.0),
                    position = position.map(|offset| offset.0),
                    "waits for the view to reach the group's offset"
                );
            }
            Occurrence::WaitingLong {
                partition,
                waited,
                waits_for,
            } => standing::tell_waiting(&self.name(*partition), *waited, *waits_for),
            Occurrence::Released { partition, lost } => {
                let name = self.name(*partition);
                self.metrics.partition(*partition).give_up();
                if *lost {
                    tracing::warn!(
                        partition = name,
                        "lost; what was not committed is counted by its next owner"
                    );
                } else {
                    tracing::info!(partition = name, "given back");
                }
            }
            Occurrence::FloorRaised { partition, floor } => {
                let name = self.name(*partition);
                tracing::debug!(partition = name, floor = %floor, "drops the months before its new floor");
            }
            _ => {}
        }
    }

    fn note_checkpoint(&mut self, occurrence: &Occurrence<'_>) {
        match occurrence {
            Occurrence::CheckpointBegins {
                partitions,
                records,
                bytes,
            } => {
                self.checkpoint_began = Instant::now();
                self.checkpoint = (*partitions, *records, *bytes);
            }
            Occurrence::CheckpointCommitted { events } => {
                // Before partitions are given back as many transactions are committed as it takes.
                self.health.turned(Instant::now());
                let (partitions, records, bytes) = self.checkpoint;
                let took = self.checkpoint_began.elapsed();
                self.metrics.checkpoints.committed(took, records, bytes);
                tracing::debug!(
                    partitions,
                    records,
                    bytes,
                    events,
                    ?took,
                    "checkpoint committed"
                );
            }
            Occurrence::CheckpointFailed(why) => {
                self.metrics.checkpoints.failed();
                tracing::warn!(
                    why,
                    "checkpoint not committed; its events stay in memory and it is tried again"
                );
            }
            _ => {}
        }
    }

    fn note_release(&mut self, occurrence: &Occurrence<'_>) {
        match occurrence {
            Occurrence::ReleaseBegins => self.release_began = Instant::now(),
            Occurrence::MonthReleased {
                month,
                revision,
                reason,
                records,
            } => {
                let took = self.release_began.elapsed();
                self.metrics.releases.released(reason, took);
                tracing::info!(month = %month, revision, reason, records, "month released");
            }
            Occurrence::ReleaseFailed(why) => {
                self.metrics.releases.failed();
                tracing::warn!(why, "release not published; it is decided anew");
            }
            Occurrence::SettingsRecorded => {
                tracing::info!("settings recorded in the partials topic");
            }
            _ => {}
        }
    }
}

impl Host for ProcessHost {
    fn now(&mut self) -> Timestamp {
        (self.clock)()
    }

    fn is_asked_to_stop(&mut self) -> bool {
        self.stop.is_made()
    }

    fn random_id(&mut self) -> [u8; 16] {
        random_id()
    }

    fn observe(&mut self, occurrence: &Occurrence<'_>) {
        match occurrence {
            Occurrence::Turned {
                view_ready,
                joined,
                assigned,
                owned,
                leader,
            } => {
                self.note_turn(*view_ready, *joined, *leader);
                let instance = &self.metrics.instance;
                instance.set_role(*assigned, *owned, *leader);
            }
            Occurrence::Standing(standing) => {
                let (kinds, metrics) = (&self.kinds, &self.metrics);
                self.teller.note(standing, kinds, metrics, Instant::now());
            }
            Occurrence::Restoring { records_left } => self.note_restoring(*records_left),
            Occurrence::Counted { .. }
            | Occurrence::DeadLettered(_)
            | Occurrence::UnknownGeography(_) => self.note_records(occurrence),
            Occurrence::Measured {
                partition,
                position,
                high,
            } => {
                self.metrics
                    .partition(*partition)
                    .set_position(position.0, Some(high.0));
            }
            Occurrence::Watermark {
                partition,
                watermark,
            } => {
                self.metrics.partition(*partition).set_watermark(*watermark);
            }
            Occurrence::ViewDiscarded(why) => {
                tracing::warn!(
                    why,
                    "the state directory was emptied; it is restored from the partials topic"
                );
            }
            Occurrence::CheckpointBegins { .. }
            | Occurrence::CheckpointCommitted { .. }
            | Occurrence::CheckpointFailed(_) => self.note_checkpoint(occurrence),
            Occurrence::ReleaseBegins
            | Occurrence::MonthReleased { .. }
            | Occurrence::ReleaseFailed(_)
            | Occurrence::SettingsRecorded => self.note_release(occurrence),
            _ => self.note_membership(occurrence),
        }
    }
}

/// The name of an input partition in log lines: topic and partition.
fn name(kinds: &Kinds, partition: InputPartition) -> String {
    format!(
        "{}/{}",
        kinds.get(partition.kind).topic,
        partition.partition
    )
}

/// Sixteen bytes from the system's source of randomness.
///
/// # Panics
/// If the system has none.
#[must_use]
pub fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut id))
        .expect("every Unix has /dev/urandom");
    id
}

#[cfg(test)]
mod tests;
