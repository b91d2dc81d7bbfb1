//! What an instance is told by its operator, validated.

use std::time::Duration;

use model::{Calendar, Geography, Kinds, Month};
use sketch::{HashKey, Precision};
use wire::events::Encoding;
use wire::releases::Format;

/// Everything that shapes what an instance does.
#[derive(Debug, Clone)]
pub struct Options {
    /// Id of the consumer group.
    pub group_id: String,
    /// The table of kinds; the owner of partition 0 of the first kind's topic is the leader.
    pub kinds: Kinds,
    /// Reference data and the practice lookup.
    pub geography: Geography,
    /// Months in the configured time zone.
    pub calendar: Calendar,
    /// Keys of the pseudonyms.
    pub hash_key: HashKey,
    /// Precision of the sketches.
    pub precision: Precision,
    /// The first month to publish.
    pub first_month: Month,
    /// How long after its end a month waits for stragglers.
    pub grace: Duration,
    /// How long a partition that has been read to its end is silent before it is idle.
    pub idle_timeout: Duration,
    /// How far `occurred_at` may be ahead of the record's own timestamp.
    pub max_skew: Duration,
    /// Months kept behind the latest closed one, at least 11.
    pub retention_months: u32,
    /// Least time between two releases of a month.
    pub revision_interval: Duration,
    /// Least event time that an identity is remembered.
    pub deduplication_window: Duration,
    /// Most identities in a generation, per input partition.
    pub deduplication_events_max: u32,
    /// Encoding of records without a `content-type`.
    pub encoding: Encoding,
    /// Largest payload in bytes that is decoded.
    pub payload_bytes_max: usize,
    /// Whether dead letters carry the original payload.
    pub include_payload: bool,
    /// Longest time between two checkpoints of a partition that changed.
    pub checkpoint_interval: Duration,
    /// Format of the released records.
    pub release_format: Format,
}
