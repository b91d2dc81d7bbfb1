//! An in-process log with Kafka's semantics: partitions with offsets, transactions with markers,
//! read_committed, fencing by transactional id, committed offsets of a group, and one topic id per topic.
//!
//! It stands behind the same ports as Kafka. The demo runs on it, tests of the engine do, and a
//! simulation puts its faults around it. It knows no clock: whoever drives it moves the broker's time.

mod cluster;
mod compaction;
mod group;
mod log;
mod ports;
mod source;
mod store;
mod transactions;

pub use cluster::{Cluster, Header, InputRecord, OpenTransaction};
pub use ports::{MemCheckpoints, MemJournal, MemReleases};
pub use source::{MemSource, Member, Proof};
pub use store::MemStore;
pub use transactions::{Marker, Place, Producer, Refused};
