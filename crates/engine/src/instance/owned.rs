//! An input partition that is counted here.

use std::time::Duration;

use model::{Month, Offset, Timestamp};

use crate::Tally;
use crate::aggregate::Aggregate;

/// An input partition that is counted here: its aggregate, and what its next checkpoint needs to know.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) aggregate: Aggregate,
    /// Number of the last checkpoint.
    pub(super) number: u64,
    /// The position behind the last checkpoint.
    pub(super) committed: Offset,
    pub(super) topic_id: [u8; 16],
    /// No event has been counted since it was found silent at its high watermark, here or by a former owner.
    pub(super) is_idle: bool,
    /// An idle statement is to be published.
    pub(super) idle_is_due: bool,
    /// Since when there has been something to commit.
    pub(super) changed_since: Option<Timestamp>,
    /// Bytes of payloads that dead letters since the last checkpoint carry.
    pub(super) letter_bytes: usize,
    is_at_end: bool,
    counted_at: Timestamp,
}

impl Owned {
    pub(super) fn new(
        aggregate: Aggregate,
        number: u64,
        topic_id: [u8; 16],
        now: Timestamp,
    ) -> Self {
        Self {
            committed: aggregate.position,
            aggregate,
            number,
            topic_id,
            is_idle: false,
            idle_is_due: false,
            changed_since: None,
            letter_bytes: 0,
            is_at_end: false,
            counted_at: now,
        }
    }

    /// A run was counted; `letters` are the dead letters that it added.
    pub(super) fn note_counted(&mut self, tally: &Tally, letters: usize, now: Timestamp) {
        let letters = &self.aggregate.dead_letters[letters..];
        self.is_at_end = false;
        if tally.counted > 0 {
            self.counted_at = now;
            self.is_idle = false;
            self.idle_is_due = false;
        }
        self.letter_bytes += letters
            .iter()
            .filter_map(|letter| letter.payload.as_ref().map(Vec::len))
            .sum::<usize>();
        self.changed_since.get_or_insert(now);
    }

    /// The clock was set back.
    pub(super) fn note_clock(&mut self, now: Timestamp) {
        self.counted_at = self.counted_at.min(now);
        self.changed_since = self.changed_since.map(|since| since.min(now));
    }

    pub(super) fn note_end(&mut self, position: Offset, now: Timestamp) {
        self.is_at_end = true;
        if position > self.aggregate.position {
            self.aggregate.position = position;
            self.changed_since.get_or_insert(now);
        }
    }

    /// Whether it has been read to its end and nothing was counted for so long.
    pub(super) fn is_silent(&self, now: Timestamp, idle_timeout: Duration) -> bool {
        self.is_at_end && now >= self.counted_at.saturating_add(idle_timeout)
    }

    /// Whether it is idle as far as is known here; the high watermark has to be looked at as well.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle && self.is_at_end
    }

    /// Whether there may be something to commit.
    pub(super) fn may_have_changed(&self) -> bool {
        self.changed_since.is_some() || self.idle_is_due
    }

    /// Whether a checkpoint with that floor would say something new.
    pub(super) fn has_changed(&self, floor: Month) -> bool {
        self.aggregate.position > self.committed || floor > self.aggregate.floor
    }

    /// There turned out to be nothing to commit.
    pub(super) fn note_unchanged(&mut self) {
        self.changed_since = None;
    }

    pub(super) fn note_committed(&mut self, number: u64, to: Offset, floor: Month) {
        self.number = number;
        self.committed = to;
        self.idle_is_due = false;
        self.changed_since = None;
        self.letter_bytes = 0;
        self.aggregate.floor = floor;
        self.aggregate.delta.clear();
        self.aggregate.window.mark_stored();
        self.aggregate.dead_letters.clear();
    }
}
