//! What the engine asks of the outside: the input log and the group, the transactions, the two
//! topics that are the record, the view's storage, and the surroundings of the process.
//!
//! Every port is synchronous and moves batches. A port waits out whatever passes by itself (a broker
//! that restarts, a leader election) and says so in its own log; what it returns as an error is
//! only what the engine acts upon.

use std::ops::ControlFlow;
use std::time::Duration;

use model::{InputPartition, Offset, Reason, Timestamp};

use crate::Occurrence;

/// One record of an input topic, borrowed from the port for as long as its run is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it stands in its partition.
    pub offset: Offset,
    /// The record's own timestamp, as its topic's `message.timestamp.type` has it; none in very old formats.
    pub timestamp: Option<Timestamp>,
    /// The `content-type` header, as sent.
    pub content_type: Option<&'a [u8]>,
    /// The value; empty where the record has none (a tombstone) or an empty one.
    pub payload: &'a [u8],
}

/// Something of the outside, in the order in which it happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Nothing happened within the wait.
    Nothing,
    /// Records of one assigned partition, ascending by offset, at most [`RUN_RECORDS_MAX`].
    Run {
        /// The partition of all of them.
        partition: InputPartition,
        /// The records; offsets may have gaps (aborted records, markers).
        records: Vec<Record<'a>>,
    },
    /// The partition has been read to its last stable offset. The position is past aborted records and markers.
    End {
        /// The partition.
        partition: InputPartition,
        /// Where reading goes on.
        position: Offset,
    },
    /// The group gave these partitions; nothing is read of them until [`Source::assign`].
    Assigned(Vec<InputPartition>),
    /// The group wants these back; reading goes on until [`Source::unassign`].
    Revoked(Vec<InputPartition>),
    /// These are gone already: another member may have them. Commit and produce nothing for them.
    Lost(Vec<InputPartition>),
}

/// Most records in one run.
pub const RUN_RECORDS_MAX: usize = 8192;

/// The ends of an input partition, and which topic it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that the log still has.
    pub low: Offset,
    /// The high watermark: behind the last record, of open transactions too.
    pub high: Offset,
    /// The broker's id of the topic, new for every topic that is created.
    pub topic_id: [u8; 16],
}

/// The input topics and the group that shares them.
pub trait Source {
    /// Joins the group. Called once, when the view has been read to its end.
    fn join(&mut self) -> Result<(), Error>;
    /// The next thing that happened, after at most `wait`. Rebalances come before records.
    fn poll(&mut self, wait: Duration) -> Result<Input<'_>, Error>;
    /// As [`Source::poll`], but nothing is read: rebalances only. What is fetched stays where it is, and what is not
    /// is not fetched for ever.
    fn poll_group(&mut self, wait: Duration) -> Result<Input<'_>, Error>;
    /// Begins to read partitions that were assigned, each from its offset; one that is read already goes on
    /// from the offset given.
    fn assign(&mut self, from: &[(InputPartition, Offset)]) -> Result<(), Error>;
    /// Stops reading partitions that were revoked or lost and gives them back.
    /// Records of them that are already fetched are not handed over any more.
    fn unassign(&mut self, partitions: &[InputPartition]) -> Result<(), Error>;
    /// The group's committed offsets, stable (no transaction pending), in the order asked for.
    /// None while that can't be known yet (ask again), `Some(None)` where the group has none.
    fn committed(
        &mut self,
        partitions: &[InputPartition],
    ) -> Result<Option<Vec<Option<Offset>>>, Error>;
    /// The bounds as they are now, in the order asked for; none while those of any can't be known (ask again).
    /// One question whatever the number of partitions: it takes no longer for all than for one.
    fn bounds(&mut self, partitions: &[InputPartition]) -> Result<Option<Vec<Bounds>>, Error>;
    /// How many partitions each input topic has now, by kind; none while that can't be known.
    fn partition_counts(&mut self) -> Result<Option<Vec<u32>>, Error>;
    /// Whether the membership of the group is valid now.
    fn is_member(&mut self) -> bool;
    /// Leaves the group; returns within a few seconds whatever the broker does.
    fn leave(&mut self);
}

/// A record of the partials topic to be written. A value of none is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// Partition of the partials topic.
    pub partition: u32,
    /// Key, as `wire::partials` writes it.
    pub key: Vec<u8>,
    /// Value, as `wire::partials` writes it.
    pub value: Option<Vec<u8>>,
}

/// An input record that can't be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The partition it came from.
    pub partition: InputPartition,
    /// Its offset there.
    pub offset: Offset,
    /// The first reason that applies.
    pub reason: Reason,
    /// Its value, if the operator asked for it.
    pub payload: Option<Vec<u8>>,
}

/// One Kafka transaction that makes checkpoints durable: all of it or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Changed pieces, then progress.
    pub partials: Vec<Partial>,
    /// For the dead letters topic.
    pub dead_letters: Vec<DeadLetter>,
    /// The group's offsets behind it.
    pub offsets: Vec<(InputPartition, Offset)>,
}

/// How a transaction ended, if it was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It is known to be aborted; the same one may be tried again.
    #[error("aborted: {0}")]
    Aborted(String),
    /// It may or may not have been committed, or the producer had to be replaced: take the partitions again.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The membership of the group is no longer valid; nothing was committed.
    #[error("not a member of the group any more: {0}")]
    NotMember(String),
    /// A newer instance uses the same transactional id, or something the process can't go on after.
    #[error(transparent)]
    Fatal(#[from] Error),
}

/// Checkpoints: the only way to commit.
pub trait Checkpoints {
    /// Commits one transaction with the offsets and the group's membership as it is now.
    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError>;
}

/// A partition of one of the two topics that are the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Published {
    /// Partition of the partials topic.
    Partials(u32),
    /// Partition of the month-close topic.
    MonthClose(u32),
}

/// A committed record of the partials or the month-close topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedRecord {
    /// Where.
    pub at: Published,
    /// Its offset.
    pub offset: Offset,
    /// Append time of the broker.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What was read of the partials and month-close topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublishedBatch {
    /// Ascending by offset within each partition; at most about 4 MiB.
    pub records: Vec<PublishedRecord>,
    /// Where reading goes on in each partition that moved, past aborted records and markers.
    pub positions: Vec<(Published, Offset)>,
}

/// Reader of all of the partials and month-close topics, read_committed.
pub trait Journal {
    /// How many partitions the partials and the month-close topic have.
    fn partition_counts(&self) -> (u32, u32);
    /// Reads each partition from the given offset on; unnamed ones from their beginning. An offset that
    /// the log does not reach (another topic of the same name) is [`Error::Contradiction`].
    fn start(&mut self, from: &[(Published, Offset)]) -> Result<(), Error>;
    /// What has come, after at most `wait`; empty if nothing has.
    fn poll(&mut self, wait: Duration) -> Result<PublishedBatch, Error>;
    /// The broker's ids of the partials and the month-close topic; none while they can't be known.
    fn topic_ids(&mut self) -> Result<Option<[[u8; 16]; 2]>, Error>;
    /// The high watermark of every partition of both topics as it is now; none while it can't be known.
    fn ends(&mut self) -> Result<Option<Vec<(Published, Offset)>>, Error>;
}

/// A record that the leader publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderRecord {
    /// Topic and partition.
    pub to: Published,
    /// Key.
    pub key: Vec<u8>,
    /// Value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(&'static str, String)>,
}

/// The leader's transactions.
pub trait Releases {
    /// Takes the release transactional id anew, which fences whoever had it.
    fn take(&mut self) -> Result<(), CommitError>;
    /// Publishes all of the records or none, under the id as last taken. After an error it must be taken again.
    fn publish(&mut self, records: &[LeaderRecord]) -> Result<(), CommitError>;
}

/// One change of the view's storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put(Vec<u8>, Vec<u8>),
    /// Removes every key from the first (included) to the second (excluded).
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// Looks at a key and its value, and says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// The view's storage: ordered bytes, written in atomic batches. Losing it costs a read of the topics.
pub trait Store {
    /// Reads a key into the buffer (cleared first); false if there is none.
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error>;
    /// Visits keys from the first (included) to the second (excluded) in order, until told to break.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Error>;
    /// Applies the changes in order, all or none.
    fn write(&mut self, changes: &[Change]) -> Result<(), Error>;
}

/// The surroundings of the process.
pub trait Host {
    /// The wall clock.
    fn now(&mut self) -> Timestamp;
    /// Whether the process was asked to stop.
    fn is_asked_to_stop(&mut self) -> bool;
    /// Sixteen random bytes, for the id of a filling.
    fn random_id(&mut self) -> [u8; 16];
    /// Takes note of what the engine did, for logs, metrics and pages.
    fn observe(&mut self, occurrence: &Occurrence<'_>);
}

/// Why the process can't go on. The command line maps each to its exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The world failed and a restart may help (exit code 75).
    #[error("{0}")]
    World(String),
    /// Data that contradicts itself: a truncated log, positions that differ (exit code 65).
    #[error("{0}")]
    Contradiction(String),
    /// Settings that differ from the recorded ones, topics missing or set wrongly (exit code 78).
    #[error("{0}")]
    Configuration(String),
}

/// All ports of an instance.
pub struct Ports<'a> {
    /// Input topics and the group.
    pub source: &'a mut dyn Source,
    /// Checkpoint transactions.
    pub checkpoints: &'a mut dyn Checkpoints,
    /// Reader of partials and month-close.
    pub journal: &'a mut dyn Journal,
    /// The leader's transactions.
    pub releases: &'a mut dyn Releases,
    /// The view's storage.
    pub store: &'a mut dyn Store,
    /// Clock, shutdown, observer.
    pub host: &'a mut dyn Host,
}
