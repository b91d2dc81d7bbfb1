//! What the engine did, as values: the surroundings make logs, metrics and pages of them.

use model::{InputPartition, Month, Offset, Timestamp};

use crate::ports::DeadLetter;

/// What became of a run of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events counted.
    pub counted: u64,
    /// Events whose identity was remembered.
    pub duplicates: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Counted events whose board in their month is unknown.
    pub unknown_geography: u64,
    /// Counted events of sealed months, which no release will show.
    pub sealed: u64,
}

/// Something the engine did or saw.
#[derive(Debug)]
#[non_exhaustive]
pub enum Occurrence<'a> {
    /// The loop turned.
    Turned {
        /// The view has been read to the end that it had when the process started.
        view_ready: bool,
        /// The group was joined.
        joined: bool,
        /// Partitions that are counted here.
        owned: usize,
        /// Whether this instance releases.
        leader: bool,
    },
    /// The view is being read from the topics before the group is joined.
    Restoring {
        /// Records still to be read, at most.
        records_left: u64,
    },
    /// A partition was assigned by the group; counting begins once it is taken.
    Assigned(InputPartition),
    /// Counting of a partition began.
    Took {
        /// Which.
        partition: InputPartition,
        /// From where.
        position: Offset,
    },
    /// A partition waits for the view to reach the group's committed offset.
    Waiting {
        /// Which.
        partition: InputPartition,
        /// The group's offset.
        committed: Option<Offset>,
        /// What the view says.
        position: Option<Offset>,
    },
    /// A partition is no longer counted here.
    Released {
        /// Which.
        partition: InputPartition,
        /// Whether it was lost, with what had been counted since its last checkpoint.
        lost: bool,
    },
    /// A run was counted.
    Counted {
        /// Of which partition.
        partition: InputPartition,
        /// What became of its records.
        tally: Tally,
        /// Where reading goes on.
        position: Offset,
    },
    /// A record became a dead letter; it takes effect with the next checkpoint.
    DeadLettered(&'a DeadLetter),
    /// The end of a partition was measured.
    Measured {
        /// Which.
        partition: InputPartition,
        /// Where reading goes on.
        position: Offset,
        /// The high watermark.
        high: Offset,
    },
    /// A checkpoint transaction is about to be committed.
    CheckpointBegins {
        /// Partitions in it.
        partitions: usize,
        /// Records for the partials topic.
        records: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// It was committed and applied to the view.
    CheckpointCommitted {
        /// Events that it made durable.
        events: u64,
    },
    /// It was not committed, or that is not known; the text says why and what happens next.
    CheckpointFailed(&'a str),
    /// How far event time has come in an input partition.
    Watermark {
        /// Which.
        partition: InputPartition,
        /// The watermark; none before the first event or idle statement.
        watermark: Option<Timestamp>,
    },
    /// The leader begins to decide what to release.
    ReleaseBegins,
    /// A month was released.
    MonthReleased {
        /// Which.
        month: Month,
        /// 0 is the close.
        revision: u32,
        /// `close`, `late_events`, ...
        reason: &'a str,
        /// Records of the release.
        records: usize,
    },
    /// The release was not published; the text says why. It is decided again.
    ReleaseFailed(&'a str),
    /// The first settings were recorded, by this instance as the first leader.
    SettingsRecorded,
    /// A partition's floor rises with its next checkpoint.
    FloorRaised {
        /// Which.
        partition: InputPartition,
        /// The first month still kept.
        floor: Month,
    },
    /// A state directory of another filling was thrown away.
    ViewDiscarded(&'a str),
}
