//! A checkpoint: what an input partition's events since the last one changed, as records.
//!
//! The delta is laid over the cells of the view; only what really changed is written: counts, pages
//! of registers, slices of the window with new identities. Progress comes last.

use model::{InputPartition, Month, Offset};
use prost::Message as _;
use wire::partials::PartialKey;
use wire::v1;

use crate::Options;
use crate::aggregate::Aggregate;
use crate::delta::DeltaCell;
use crate::ports::{DeadLetter, Error, Partial, Store};
use crate::view::{View, keys, number};
use crate::window::SLICE_IDENTITIES;

/// What of a partition's progress the aggregate does not know.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    /// Number of the checkpoint.
    pub number: u64,
    /// The number of the settings in force.
    pub settings: u64,
    /// The broker's id of the input topic.
    pub topic_id: [u8; 16],
    /// Whether the partition is stated to be idle.
    pub idle: bool,
    /// Months below this are dropped.
    pub floor: Month,
}

/// A checkpoint of one input partition, ready to be committed.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The input partition.
    pub partition: InputPartition,
    /// The position behind it.
    pub to: Offset,
    /// Changed pieces, then progress.
    pub partials: Vec<Partial>,
    /// Dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// What it states.
    pub statement: Statement,
    /// Events that it makes durable.
    pub events: u64,
}

impl Checkpoint {
    /// Bytes of keys, values and payloads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let partials = self
            .partials
            .iter()
            .map(|partial| partial.key.len() + partial.value.as_ref().map_or(0, Vec::len));
        let letters = self
            .dead_letters
            .iter()
            .map(|letter| letter.payload.as_ref().map_or(64, Vec::len));
        partials.sum::<usize>() + letters.sum::<usize>()
    }
}

/// The partition of the partials topic that holds an input partition's records.
/// FNV-1a of kind and partition: part of the format, the same in every version.
#[must_use]
pub fn partials_partition(kind: &str, partition: u32, partials_partitions: u32) -> u32 {
    let bytes = kind
        .as_bytes()
        .iter()
        .copied()
        .chain(partition.to_be_bytes());
    let hash = bytes.fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash % partials_partitions
}

/// Lays an aggregate's changes over the view.
///
/// # Errors
/// If the store can't be read.
pub fn prepare(
    options: &Options,
    view: &View,
    store: &dyn Store,
    aggregate: &Aggregate,
    statement: Statement,
    partials_partitions: u32,
) -> Result<Checkpoint, Error> {
    let kind = view.kind_name(aggregate.partition);
    let to_partition = partials_partition(kind, aggregate.partition.partition, partials_partitions);
    let mut writer = Writer {
        options,
        view,
        store,
        partition: aggregate.partition,
        to_partition,
        number: statement.number,
        partials: Vec::new(),
        scratch: Vec::new(),
        stored: vec![0; options.precision.page_len()],
    };
    let mut below_floor = writer.drop_below(aggregate.floor, statement.floor)?;
    let mut events = 0;
    for cell in aggregate.delta.changed() {
        events += cell.events;
        if cell.month < statement.floor {
            below_floor += cell.events;
        } else {
            writer.cell(cell)?;
        }
    }
    writer.window(aggregate);
    writer.progress(aggregate, &statement, below_floor);
    Ok(Checkpoint {
        partition: aggregate.partition,
        to: aggregate.position,
        partials: writer.partials,
        dead_letters: aggregate.dead_letters.clone(),
        statement,
        events,
    })
}

struct Writer<'a> {
    options: &'a Options,
    view: &'a View,
    store: &'a dyn Store,
    partition: InputPartition,
    to_partition: u32,
    number: u64,
    partials: Vec<Partial>,
    scratch: Vec<u8>,
    /// Registers of a stored page.
    stored: Vec<u8>,
}

impl Writer<'_> {
    fn put(&mut self, key: PartialKey<'_>, value: Option<Vec<u8>>) {
        self.partials.push(Partial {
            partition: self.to_partition,
            key: key.encode(),
            value,
        });
    }

    fn cell(&mut self, cell: &DeltaCell) -> Result<(), Error> {
        let view = self.view;
        let kind = view.kind_name(self.partition);
        let partition = self.partition.partition;
        let month = cell.month;
        let lineage = self.options.geography.lineage(cell.lineage).as_str();
        let before = view.count(self.store, self.partition, month, lineage)?;
        let count = v1::Count {
            checkpoint: self.number,
            events: before + cell.events,
        };
        let key = PartialKey::Count {
            kind,
            partition,
            month,
            lineage,
        };
        self.put(key, Some(count.encode_to_vec()));
        let Some(registers) = &cell.registers else {
            return Ok(());
        };
        for page in registers.touched_pages() {
            let Self {
                store,
                scratch,
                stored,
                ..
            } = self;
            view.page(
                *store,
                self.partition,
                (month, lineage),
                page,
                scratch,
                stored,
            )?;
            if !sketch::union_into(stored, registers.page(page)) {
                continue;
            }
            let mut encoded = Vec::new();
            sketch::encode_page(stored, &mut encoded);
            let message = v1::Page {
                checkpoint: self.number,
                registers: encoded,
            };
            let page = u8::try_from(page).expect("at most 64 pages");
            let key = PartialKey::Page {
                kind,
                partition,
                month,
                lineage,
                page,
            };
            self.put(key, Some(message.encode_to_vec()));
        }
        Ok(())
    }

    fn window(&mut self, aggregate: &Aggregate) {
        let kind = self.view.kind_name(self.partition);
        let partition = self.partition.partition;
        for (generation, slice, identities) in aggregate.window.unstored() {
            debug_assert!(identities.len() <= SLICE_IDENTITIES);
            let message = v1::WindowSlice {
                checkpoint: self.number,
                generation,
                identities: identities.to_vec(),
            };
            let parity = u8::from(!generation.is_multiple_of(2));
            let slice = u32::try_from(slice).expect("a window has few slices");
            let key = PartialKey::Window {
                kind,
                partition,
                parity,
                slice,
            };
            self.put(key, Some(message.encode_to_vec()));
        }
    }

    fn progress(&mut self, aggregate: &Aggregate, statement: &Statement, below_floor: u64) {
        let (current, previous) = aggregate.window.lengths();
        let before = self
            .view
            .stated(self.partition)
            .map_or(0, |stated| stated.progress.all_time_below_floor);
        let message = v1::Progress {
            checkpoint: self.number,
            position: aggregate.position.0,
            latest_occurred_at: aggregate.latest.map(model::Timestamp::as_millis),
            floor: statement.floor.to_string(),
            all_time_below_floor: before + below_floor,
            idle: statement.idle,
            settings: statement.settings,
            topic_id: statement.topic_id.to_vec(),
            window: Some(v1::Window {
                generation: aggregate.window.generation(),
                current: u32::try_from(current).expect("at most events_max"),
                previous: u32::try_from(previous).expect("at most events_max"),
                began_at: aggregate.window.began_at().as_millis(),
            }),
        };
        let kind = self.view.kind_name(self.partition);
        let key = PartialKey::Progress {
            kind,
            partition: self.partition.partition,
        };
        self.put(key, Some(message.encode_to_vec()));
    }

    /// Tombstones for what a rising floor drops; comes back with the events counted in it.
    fn drop_below(&mut self, floor: Month, new_floor: Month) -> Result<u64, Error> {
        if new_floor <= floor {
            return Ok(0);
        }
        let kind = self.view.kind_name(self.partition);
        let partition = self.partition.partition;
        let mut events = 0;
        let (from, to) = (
            keys::counts_begin(kind, partition),
            keys::counts_from(kind, partition, new_floor),
        );
        for (key, value) in crate::view::collect(self.store, &from, &to)? {
            let (_, month, lineage) = keys::count_of(&key).ok_or_else(crate::view::damaged)?;
            events += number(&value)?;
            self.put(
                PartialKey::Count {
                    kind,
                    partition,
                    month,
                    lineage,
                },
                None,
            );
        }
        let (from, to) = (
            keys::pages_begin(kind, partition),
            keys::pages_from(kind, partition, new_floor),
        );
        for (key, _) in crate::view::collect(self.store, &from, &to)? {
            let (month, lineage, page) = keys::page_of(&key).ok_or_else(crate::view::damaged)?;
            let page = u8::try_from(page).map_err(|_| crate::view::damaged())?;
            self.put(
                PartialKey::Page {
                    kind,
                    partition,
                    month,
                    lineage,
                    page,
                },
                None,
            );
        }
        Ok(events)
    }
}
