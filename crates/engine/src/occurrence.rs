//! What the engine did, as values: the surroundings make logs, metrics and pages of them.

use std::time::Duration;

use model::{InputPartition, Month, Offset, Timestamp};

use crate::ports::DeadLetter;
use crate::unknown;

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

/// What keeps an assigned partition from being counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// The settings in force, which the first leader records.
    Settings,
    /// The group's stable committed offset, or the ends of the partials topic as they were behind it.
    GroupOffset,
    /// The view to read the partials up to where they ended when the offset was fetched.
    View {
        /// Records still to be read, at most; 0 if the rest of a checkpoint is missing.
        records_left: u64,
    },
    /// The group's offset and the view contradict each other, and that is not certain yet: the offset is fetched
    /// again, or the membership of the group is not valid.
    Confirmation {
        /// The group's offset.
        committed: Option<Offset>,
        /// What the view says.
        position: Option<Offset>,
    },
    /// The bounds of the partition's log.
    Bounds,
}

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// How many partitions each input topic has, by kind; empty while that is not known.
    pub partition_counts: &'a [u32],
    /// Records that are to be counted anew, at most, before anything is released again; 0 unless recounting.
    pub recount_records_left: u64,
    /// The end of the latest closed month; before the first close that of the month before the first one.
    pub closed_until: Timestamp,
    /// What the leader waits for; none where this instance does not lead or the partitions are not known.
    pub lowest: Option<Lowest>,
}

/// The input partition whose event time has come least far, of all that exist, counted here or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lowest {
    /// Which; the first of equals.
    pub partition: InputPartition,
    /// Its watermark; none before its first event or idle statement.
    pub watermark: Option<Timestamp>,
    /// The month that is open only because of it, although its end and grace are over.
    pub holds_open: Option<Month>,
    /// Whether it is counted by this instance.
    pub is_counted_here: bool,
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
        /// Partitions that the group has assigned to this instance, counted or not.
        assigned: usize,
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
    /// A partition has been assigned for long and is not counted; this is told again for as long as it lasts.
    WaitingLong {
        /// Which.
        partition: InputPartition,
        /// For how long so far.
        waited: Duration,
        /// What is missing.
        waits_for: WaitsFor,
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
    /// A sample of the events of unknown geography since the last one; at most once an hour.
    UnknownGeography(&'a unknown::Sample),
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
    /// How things stand; about once a second as soon as the view has been read.
    Standing(Standing<'a>),
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
