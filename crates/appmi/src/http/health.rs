//! What the probes see: stamps that the loop leaves, without a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A loop that has not turned for this long hangs; the longest turn asks a few questions and commits
/// one transaction, each of which waits for a broker that is away for seconds only.
const TURN_MAX: Duration = Duration::from_secs(30);

/// Nobody has said yet how many records are left.
const UNKNOWN: u64 = u64::MAX;

/// How the pipeline is, published by its loop.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Milliseconds from the start to the last turn.
    turned: AtomicU64,
    view_ready: AtomicBool,
    view_records_left: AtomicU64,
    joined: AtomicBool,
}

impl Health {
    /// Of a process that starts now: alive, but not ready.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            turned: AtomicU64::new(0),
            view_ready: AtomicBool::new(false),
            view_records_left: AtomicU64::new(UNKNOWN),
            joined: AtomicBool::new(false),
        }
    }

    /// The loop turned.
    pub fn turned(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.started).as_millis();
        let since_start = u64::try_from(since_start).unwrap_or(u64::MAX);
        self.turned.store(since_start, Ordering::Relaxed);
    }

    /// Whether the view was read to its end and the group joined.
    pub fn set_ready(&self, view_ready: bool, joined: bool) {
        self.view_ready.store(view_ready, Ordering::Relaxed);
        self.joined.store(joined, Ordering::Relaxed);
    }

    /// How many records are still to be read, at most.
    pub fn set_view_records_left(&self, records: u64) {
        self.view_records_left.store(records, Ordering::Relaxed);
    }

    /// # Errors
    /// A sentence, if the loop hangs.
    pub(super) fn is_alive(&self, now: Instant) -> Result<(), String> {
        let turned = self.started + Duration::from_millis(self.turned.load(Ordering::Relaxed));
        let silent = now.saturating_duration_since(turned);
        if silent > TURN_MAX {
            let seconds = silent.as_secs();
            return Err(format!(
                "the loop has not turned for {seconds} s; a restart may help"
            ));
        }
        Ok(())
    }

    /// # Errors
    /// A sentence on what is being waited for.
    pub(super) fn is_ready(&self) -> Result<(), String> {
        if !self.view_ready.load(Ordering::Relaxed) {
            let left = self.view_records_left.load(Ordering::Relaxed);
            let how_far = match left {
                UNKNOWN => "how many records are left is not known yet".to_owned(),
                left => format!("{left} records are left"),
            };
            return Err(format!("the view is being read from the topics: {how_far}"));
        }
        if !self.joined.load(Ordering::Relaxed) {
            return Err("the group has not been joined yet".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_does_not_turn_is_not_alive() {
        let start = Instant::now();
        let health = Health::new(start);
        assert_eq!(
            health.is_alive(start + TURN_MAX),
            Ok(()),
            "starting takes its time"
        );
        let later = start + TURN_MAX + Duration::from_secs(1);
        assert_eq!(
            health.is_alive(later).unwrap_err(),
            "the loop has not turned for 31 s; a restart may help"
        );
        health.turned(later);
        assert_eq!(health.is_alive(later + TURN_MAX), Ok(()));
    }

    #[test]
    fn ready_is_a_read_view_and_a_joined_group() {
        let health = Health::new(Instant::now());
        assert!(health.is_ready().unwrap_err().contains("not known yet"));
        health.set_view_records_left(12);
        assert!(health.is_ready().unwrap_err().contains("12 records"));
        health.set_ready(true, false);
        assert!(health.is_ready().unwrap_err().contains("group"));
        health.set_ready(true, true);
        assert_eq!(health.is_ready(), Ok(()));
    }
}
