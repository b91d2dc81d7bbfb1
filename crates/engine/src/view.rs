//! The view: what has been read of the partials and month-close topics.
//!
//! It is never ahead of Kafka: records and the positions behind them are one atomic write, and an
//! own checkpoint is applied only once its transaction is committed. Cells, unions, windows and
//! releases stay in the [`Store`]; what every turn of the loop asks for (progress, positions,
//! settings, closed months) is held in memory as well.

mod apply;
mod holding;
pub mod keys;
mod opening;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use model::{InputPartition, Kinds, Month, Offset, Timestamp};
use prost::Message as _;
use sketch::Precision;
use wire::v1;

use crate::ports::{Change, Error, Published, Store};
use holding::Holding;

pub use opening::{Discarded, check_format};

/// What an input partition's owner last published of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    /// The progress.
    pub progress: v1::Progress,
    /// Its floor.
    pub floor: Month,
    /// The broker's append time of it; none until it has been read back.
    pub appended_at: Option<Timestamp>,
}

impl Stated {
    /// Where reading goes on.
    #[must_use]
    pub fn position(&self) -> Offset {
        Offset(self.progress.position)
    }

    /// How far event time has come; none before the first event or idle statement.
    ///
    /// The latest `occurred_at` counted or, if its owner stated that it was idle, the broker's append time
    /// of that statement less `idle_timeout`; never ahead of the clock nor of the newest append time.
    #[must_use]
    pub fn watermark(
        &self,
        idle_timeout: Duration,
        newest_append: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let latest = self.progress.latest_occurred_at;
        let latest = latest.map(Timestamp::from_millis);
        let idle = self
            .appended_at
            .filter(|_| self.progress.idle)
            .map(|appended_at| appended_at.saturating_sub(idle_timeout));
        Some(latest.max(idle)?.min(now).min(newest_append?))
    }
}

/// The last release of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Its revision.
    pub revision: u32,
    /// When it was released.
    pub released_at: Timestamp,
}

/// What has been read of the partials and month-close topics.
#[derive(Debug)]
pub struct View {
    kinds: Kinds,
    precision: Precision,
    first_month: Month,
    stated: BTreeMap<InputPartition, Stated>,
    read: BTreeMap<Published, Offset>,
    settings: Option<v1::Settings>,
    settings_at: Option<Timestamp>,
    newest_append: Option<Timestamp>,
    closed: BTreeMap<Month, Closed>,
    /// Counts up with every change of a month's cells, since the process started.
    changes: BTreeMap<Month, u64>,
    /// Input partitions that a former filling had counted further, with how far this one has to get.
    recount: BTreeMap<InputPartition, Offset>,
    holding: Holding,
}

impl View {
    /// Enters a filling whose records begin further behind in the topic. To be called with its settings before anything of it is read:
    /// what stands before them is of a former filling.
    ///
    /// # Errors
    /// If the store can't be written.
    pub fn enter(
        &mut self,
        store: &mut dyn Store,
        settings: v1::Settings,
        appended_at: Timestamp,
    ) -> Result<(), Error> {
        let mut changes = vec![
            Change::Put(keys::SETTINGS_KEY.to_vec(), settings.encode_to_vec()),
            Change::Put(
                keys::SETTINGS_AT_KEY.to_vec(),
                appended_at.as_millis().to_be_bytes().to_vec(),
            ),
        ];
        let begins = settings.recount.iter().flat_map(|recount| &recount.begins);
        for (partition, begin) in (0..).zip(begins) {
            let at = Published::Partials(partition);
            changes.push(Change::Put(keys::read(at), begin.to_be_bytes().to_vec()));
            self.read.insert(at, Offset(*begin));
        }
        store.write(&changes)?;
        self.settings = Some(settings);
        self.settings_at = Some(appended_at);
        self.note_recount();
        Ok(())
    }

    /// Whether events that a former filling had counted are still to be counted again: until then every figure
    /// lacks some.
    #[must_use]
    pub fn is_recounting(&self) -> bool {
        !self.recount.is_empty()
    }

    /// Records that are still to be counted again, at most; 0 unless recounting.
    #[must_use]
    pub fn recount_records_left(&self) -> u64 {
        let left = self.recount.iter().map(|(partition, until)| {
            let position = self
                .stated(*partition)
                .map_or(0, |stated| stated.progress.position);
            u64::try_from(until.0 - position).unwrap_or(0)
        });
        left.sum()
    }

    /// Recalls what is to be counted again, from the settings and what is stated.
    fn note_recount(&mut self) {
        let recount = self.settings.iter().flat_map(|settings| &settings.recount);
        self.recount = recount
            .flat_map(|recount| &recount.until)
            .filter_map(|until| {
                let kind = self.kinds.by_name(&until.kind)?;
                let partition = until.partition;
                Some((InputPartition { kind, partition }, Offset(until.position)))
            })
            .filter(|(partition, until)| {
                self.stated(*partition)
                    .is_none_or(|stated| stated.position() < *until)
            })
            .collect();
    }

    /// Holds back other than the default number of bytes of a checkpoint whose end has not been read.
    pub(crate) fn set_held_bytes_max(&mut self, bytes: usize) {
        self.holding.bytes_max = bytes;
    }

    /// Where reading goes on, by partition; partitions that are not named have not been read.
    pub fn positions(&self) -> impl Iterator<Item = (Published, Offset)> {
        self.read.iter().map(|(at, offset)| (*at, *offset))
    }

    /// Whether everything before these offsets has been read, and of no checkpoint a part only.
    #[must_use]
    pub fn has_read(&self, ends: &[(Published, Offset)]) -> bool {
        self.left(ends) == 0 && !self.holding.is_torn()
    }

    /// Offsets still to be read before these.
    #[must_use]
    pub fn left(&self, ends: &[(Published, Offset)]) -> u64 {
        ends.iter()
            .map(|(at, end)| {
                let read = self.read.get(at).map_or(0, |offset| offset.0);
                u64::try_from(end.0 - read).unwrap_or(0)
            })
            .sum()
    }

    /// What was last published of an input partition.
    #[must_use]
    pub fn stated(&self, partition: InputPartition) -> Option<&Stated> {
        self.stated.get(&partition)
    }

    /// Everything that was published of input partitions.
    pub fn all_stated(&self) -> impl Iterator<Item = (InputPartition, &Stated)> {
        self.stated
            .iter()
            .map(|(partition, stated)| (*partition, stated))
    }

    /// The settings in force; none before the first leader recorded them.
    #[must_use]
    pub fn settings(&self) -> Option<&v1::Settings> {
        self.settings.as_ref()
    }

    /// Since when they are in force: the broker's append time of their record.
    #[must_use]
    pub fn settings_at(&self) -> Option<Timestamp> {
        self.settings_at
    }

    /// The newest append time seen in the partials topic.
    #[must_use]
    pub fn newest_append(&self) -> Option<Timestamp> {
        self.newest_append
    }

    /// The last release of a month, if it is closed.
    #[must_use]
    pub fn closed(&self, month: Month) -> Option<Closed> {
        self.closed.get(&month).copied()
    }

    /// All closed months with their last release.
    pub fn all_closed(&self) -> impl Iterator<Item = (Month, Closed)> {
        self.closed.iter().map(|(month, closed)| (*month, *closed))
    }

    /// The latest closed month.
    #[must_use]
    pub fn latest_closed(&self) -> Option<Month> {
        self.closed.last_key_value().map(|(month, _)| *month)
    }

    /// The month that is to be closed next.
    #[must_use]
    pub fn next_to_close(&self) -> Month {
        self.latest_closed().map_or(self.first_month, Month::next)
    }

    /// The highest floor of any input partition: unions of months before it are no longer kept.
    #[must_use]
    pub fn highest_floor(&self) -> Month {
        self.stated
            .values()
            .map(|stated| stated.floor)
            .max()
            .unwrap_or(self.first_month)
    }

    /// Months before this are sealed: a floor is inside their 12-month window, or the log no longer had all of
    /// their events when they were counted anew.
    #[must_use]
    pub fn sealed_before(&self) -> Month {
        sealed_before(self.first_month, self.highest_floor(), self.settings())
    }

    /// Counts up when a cell of one of these months changes, since the process started.
    #[must_use]
    pub fn changes(&self, from: Month, to: Month) -> u64 {
        self.changes
            .range(from..=to)
            .map(|(_, changes)| changes)
            .sum()
    }

    /// The name of a partition's kind.
    #[must_use]
    pub fn kind_name(&self, partition: InputPartition) -> &str {
        &self.kinds.get(partition.kind).name
    }

    /// Events counted in a cell.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn count(
        &self,
        store: &dyn Store,
        partition: InputPartition,
        month: Month,
        lineage: &str,
    ) -> Result<u64, Error> {
        let key = keys::count(
            self.kind_name(partition),
            partition.partition,
            month,
            lineage,
        );
        let mut value = Vec::new();
        if store.get(&key, &mut value)? {
            number(&value)
        } else {
            Ok(0)
        }
    }

    /// Reads the registers of a page of a cell into the buffer; zeros if there are none.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn page(
        &self,
        store: &dyn Store,
        partition: InputPartition,
        cell: (Month, &str),
        page: usize,
        scratch: &mut Vec<u8>,
        registers: &mut [u8],
    ) -> Result<(), Error> {
        let kind = self.kind_name(partition);
        let key = keys::page(kind, partition.partition, cell.0, cell.1, page);
        load_page(store, &key, scratch, registers)
    }

    /// A partition's window of identities: the previous generation and the current one, in order.
    ///
    /// # Errors
    /// If the store can't be read or a slice is not of the generation that progress names.
    pub fn window(
        &self,
        store: &dyn Store,
        partition: InputPartition,
    ) -> Result<(Vec<u64>, Vec<u64>), Error> {
        let Some(window) = self
            .stated(partition)
            .and_then(|stated| stated.progress.window)
        else {
            return Ok((Vec::new(), Vec::new()));
        };
        let previous = window.generation.wrapping_sub(1);
        Ok((
            self.generation(store, partition, previous, window.previous)?,
            self.generation(store, partition, window.generation, window.current)?,
        ))
    }

    fn generation(
        &self,
        store: &dyn Store,
        partition: InputPartition,
        generation: u64,
        identities: u32,
    ) -> Result<Vec<u64>, Error> {
        let len = identities as usize;
        let mut list = Vec::with_capacity(len);
        let mut value = Vec::new();
        let kind = self.kind_name(partition);
        for slice in 0..len.div_ceil(crate::window::SLICE_IDENTITIES) {
            let key = keys::window(kind, partition.partition, generation % 2, slice);
            let found = store.get(&key, &mut value)?;
            let stored = v1::WindowSlice::decode(value.as_slice()).ok();
            match stored.filter(|stored| found && stored.generation == generation) {
                Some(stored) => list.extend(stored.identities),
                None => {
                    return Err(Error::Contradiction(format!(
                        "slice {slice} of the window of {kind}/{} is missing or stale: delete the \
                         state directory, it is restored from the partials topic",
                        partition.partition
                    )));
                }
            }
        }
        list.truncate(len);
        Ok(list)
    }

    fn kind(&self, name: &str) -> Result<model::KindId, Error> {
        self.kinds.by_name(name).ok_or_else(|| {
            Error::Configuration(format!(
                "the partials topic holds the kind `{name}`, which is not configured: add it to [[kinds]] again"
            ))
        })
    }

    fn note_closed(&mut self, release: &v1::MonthClose) -> Result<(), Error> {
        let month: Month = release.month.parse().map_err(|_| damaged())?;
        let released_at = release.released_at.unwrap_or_default();
        let millis = released_at
            .seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(released_at.nanos / 1_000_000));
        let closed = Closed {
            revision: release.revision,
            released_at: Timestamp::from_millis(millis),
        };
        let last = self.closed.entry(month).or_insert(closed);
        if closed.revision >= last.revision {
            *last = closed;
        }
        Ok(())
    }
}

/// Months before this are sealed, by the highest floor of any input partition and the settings in force.
#[must_use]
pub fn sealed_before(
    first_month: Month,
    highest_floor: Month,
    settings: Option<&v1::Settings>,
) -> Month {
    let by_floor = if highest_floor > first_month {
        highest_floor.plus(11)
    } else {
        first_month
    };
    let recount = settings.and_then(|settings| settings.recount.as_ref());
    let by_recount = recount.and_then(|recount| recount.sealed_before.parse().ok());
    by_recount.map_or(by_floor, |sealed: Month| sealed.max(by_floor))
}

/// Reads a page's registers from the store; zeros if it is not there.
pub(crate) fn load_page(
    store: &dyn Store,
    key: &[u8],
    scratch: &mut Vec<u8>,
    registers: &mut [u8],
) -> Result<(), Error> {
    if store.get(key, scratch)? {
        sketch::decode_page(scratch, registers).map_err(|_| damaged())
    } else {
        registers.fill(0);
        Ok(())
    }
}

/// None if the progress names no floor.
fn stated(progress: v1::Progress, appended_at: Option<Timestamp>) -> Option<Stated> {
    let floor = progress.floor.parse().ok()?;
    Some(Stated {
        progress,
        floor,
        appended_at,
    })
}

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

pub(crate) fn collect(store: &dyn Store, from: &[u8], to: &[u8]) -> Result<Vec<Pair>, Error> {
    let mut found = Vec::new();
    store.scan(from, to, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn decode<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, Error> {
    M::decode(bytes).map_err(|_| damaged())
}

pub(crate) fn number(bytes: &[u8]) -> Result<u64, Error> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| damaged())
}

fn signed(bytes: &[u8]) -> Result<i64, Error> {
    bytes
        .try_into()
        .map(i64::from_be_bytes)
        .map_err(|_| damaged())
}

pub(crate) fn damaged() -> Error {
    Error::Contradiction(
        "the state directory holds bytes that no version wrote: delete it, it is restored from the \
         partials topic"
            .into(),
    )
}
