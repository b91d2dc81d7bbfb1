//! The ports of the engine on Apache Kafka.
//!
//! A thin shell: it carries out what the engine decides, waits out what passes by itself, and says of
//! everything else what it means (try again, not a member, outcome unknown, stop). It knows topics,
//! offsets and bytes, and nothing of events, months or counts. Nothing happens in librdkafka's
//! callbacks; every port belongs to the thread that calls it.

mod admin;
mod beginnings;
mod checkpoints;
mod cluster;
mod context;
mod drain;
mod journal;
mod loader;
mod lookup;
mod membership;
mod native;
mod producing;
mod releases;
mod source;
mod topics;
mod trouble;

pub use admin::{Admin, Counts};
pub use beginnings::first_timestamps;
pub use checkpoints::Checkpoints;
pub use cluster::{Cluster, refused_property};
pub use drain::{Drain, Drained};
pub use journal::Journal;
pub use loader::{LoadRecord, Loader};
pub use membership::Membership;
pub use releases::Releases;
pub use source::Source;
pub use topics::{Found, Inspection, Role, Topics};
