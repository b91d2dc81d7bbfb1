//! Counting: runs of records of one input partition become changes of its cells.
//!
//! Each run goes through three passes of a few hundred records. The first decodes, places and hashes
//! each record on its own; the second reads the memory that the third will need; the third does what
//! depends on order: duplicates, counts, registers.
//! Nothing here reads stored state, and apart from `ahead_of_clock` nothing looks at a clock.

use std::num::NonZeroU64;
use std::time::Duration;

use model::{InputPartition, Kind, Month, Offset, Reason, Timestamp};
use sketch::Registers;
use wire::events::{self, Event, Identity};

use crate::delta::Delta;
use crate::ports::{DeadLetter, Record};
use crate::window::Window;
use crate::{Options, Tally};

/// A record whose own timestamp is further ahead of the clock than this is a dead letter.
const AHEAD_OF_CLOCK_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest payload that a dead letter carries. A larger one is left out: no record of ours exceeds it.
pub const LETTER_PAYLOAD_BYTES_MAX: usize = 512 << 10;

/// Records of one pass.
const PASS_RECORDS: usize = 256;

/// What of an input partition's log prefix is kept beside its cells.
#[derive(Debug)]
pub struct Aggregate {
    /// The input partition.
    pub partition: InputPartition,
    /// Where reading goes on.
    pub position: Offset,
    /// Latest `occurred_at` counted; none before the first event.
    pub latest: Option<Timestamp>,
    /// The first month still kept.
    pub floor: Month,
    /// Identities remembered.
    pub window: Window,
    /// Changes since the last checkpoint.
    pub delta: Delta,
    /// Dead letters since the last checkpoint.
    pub dead_letters: Vec<DeadLetter>,
}

/// An event that can be counted, as the first pass leaves it for the second.
#[derive(Debug, Clone, Copy)]
struct Prepared {
    occurred_at: Timestamp,
    /// None where the event has no identity. 0 and 1 are one: the window keeps neither apart.
    identity: Option<NonZeroU64>,
    cell: usize,
    register: usize,
    rank: u8,
    is_sealed: bool,
}

/// Memory that counting reuses, and what it needs to know beside the records.
#[derive(Debug)]
pub struct Counter {
    prepared: Vec<Prepared>,
    /// Sum of what was touched, kept so that the reads are not optimised away.
    touched: u64,
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            prepared: Vec::with_capacity(PASS_RECORDS),
            touched: 0,
        }
    }
}

impl Counter {
    /// Counts a run of records of the aggregate's partition, in offset order and from its position on.
    /// Months before `sealed_before` are sealed.
    pub fn count(
        &mut self,
        options: &Options,
        aggregate: &mut Aggregate,
        records: &[Record<'_>],
        now: Timestamp,
        sealed_before: Month,
    ) -> Tally {
        let mut tally = Tally::default();
        for records in records.chunks(PASS_RECORDS) {
            self.prepare(options, aggregate, records, now, sealed_before, &mut tally);
            self.touch(aggregate);
            self.apply(aggregate, &mut tally);
        }
        if let Some(last) = records.last() {
            aggregate.position = Offset(last.offset.0 + 1);
        }
        tally
    }

    fn prepare(
        &mut self,
        options: &Options,
        aggregate: &mut Aggregate,
        records: &[Record<'_>],
        now: Timestamp,
        sealed_before: Month,
        tally: &mut Tally,
    ) {
        self.prepared.clear();
        let kind = options.kinds.get(aggregate.partition.kind);
        for record in records {
            match prepare(options, kind, aggregate, record, now, sealed_before) {
                Ok(prepared) => self.prepared.push(prepared),
                Err(reason) => {
                    tally.dead_letters += 1;
                    aggregate.dead_letters.push(DeadLetter {
                        partition: aggregate.partition,
                        offset: record.offset,
                        reason,
                        payload: letter_payload(options, record),
                    });
                }
            }
        }
    }

    /// Reads what [`apply`](Self::apply) will need, so that it is in the cache by then. The loop is so short that
    /// a processor has the reads of a dozen events under way at once; behind the decoding of each event, which fills
    /// its window of instructions, they would wait for one another.
    fn touch(&mut self, aggregate: &Aggregate) {
        let mut touched = 0;
        for event in &self.prepared {
            let register = aggregate.delta.touch(event.cell, event.register);
            let slot = event
                .identity
                .map_or(0, |identity| aggregate.window.touch(identity));
            touched ^= slot ^ u64::from(register);
        }
        self.touched ^= touched;
    }

    fn apply(&mut self, aggregate: &mut Aggregate, tally: &mut Tally) {
        for event in &self.prepared {
            let latest = aggregate
                .latest
                .map_or(event.occurred_at, |at| at.max(event.occurred_at));
            if let Some(identity) = event.identity {
                if aggregate.window.contains(identity) {
                    tally.duplicates += 1;
                    continue;
                }
                aggregate.window.remember(identity, latest);
            }
            aggregate.latest = Some(latest);
            let cell = aggregate.delta.cell_mut(event.cell);
            cell.events += 1;
            if let Some(registers) = &mut cell.registers {
                registers.raise(event.register, event.rank);
            }
            tally.counted += 1;
            tally.unknown_geography += u64::from(cell.is_unknown);
            tally.sealed += u64::from(event.is_sealed);
        }
    }
}

fn letter_payload(options: &Options, record: &Record<'_>) -> Option<Vec<u8>> {
    let is_carried = options.include_payload && record.payload.len() <= LETTER_PAYLOAD_BYTES_MAX;
    is_carried.then(|| record.payload.to_vec())
}

#[inline]
fn prepare(
    options: &Options,
    kind: &Kind,
    aggregate: &mut Aggregate,
    record: &Record<'_>,
    now: Timestamp,
    sealed_before: Month,
) -> Result<Prepared, Reason> {
    if record.payload.len() > options.payload_bytes_max {
        return Err(Reason::TooLarge);
    }
    let event = events::decode(record.payload, record.content_type, options.encoding, kind)?;
    let occurred_at = event.occurred_at;
    if let Some(timestamp) = record.timestamp {
        // Nearly all events occurred before they were recorded.
        if occurred_at > timestamp && occurred_at > timestamp.saturating_add(options.max_skew) {
            return Err(Reason::AheadOfRecord);
        }
        if timestamp > now && timestamp > now.saturating_add(AHEAD_OF_CLOCK_MAX) {
            return Err(Reason::AheadOfClock);
        }
    }
    let month = options.calendar.month_of(occurred_at);
    if month < options.first_month {
        return Err(Reason::BeforeFirstMonth);
    }
    if month < aggregate.floor {
        return Err(Reason::TooOld);
    }
    let geography = &options.geography;
    let lineage = geography.place(&event.practice, &event.icb);
    let cell = aggregate
        .delta
        .cell(month, lineage, || geography.is_unknown(lineage, month));
    let account = options.hash_key.account(event.account_id.as_bytes());
    let (register, rank) = Registers::slot(options.precision, account);
    let identity = identity(options, &event).and_then(|hash| NonZeroU64::new(hash.max(1)));
    Ok(Prepared {
        occurred_at,
        cell,
        register,
        rank,
        is_sealed: month < sealed_before,
        identity,
    })
}

/// The keyed hash of an event's identity. A session, an event id and a source with an id never hash alike.
#[inline]
fn identity(options: &Options, event: &Event<'_>) -> Option<u64> {
    let key = &options.hash_key;
    match &event.identity {
        Identity::None => None,
        Identity::Session(session) => Some(key.identity(&[b"s", session.as_bytes()])),
        Identity::Event(id) => Some(key.identity(&[b"e", id.as_bytes()])),
        Identity::CloudEvent { source, id } => {
            Some(key.identity(&[b"c", source.as_bytes(), id.as_bytes()]))
        }
    }
}
