//! The cluster: topics, partitions, transactions.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use engine::ports::{DeadLetter, LeaderRecord, Partial, Published};
use model::{InputPartition, Offset, Timestamp};

use crate::group::Group;

/// A header of a record.
pub type Header = (String, String);

/// A record as a producer of an input topic sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRecord {
    /// The record's own timestamp.
    pub timestamp: Timestamp,
    /// The `content-type` header, if there is one.
    pub content_type: Option<&'static str>,
    /// The value.
    pub payload: Vec<u8>,
}

/// What stands at an offset.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) offset: i64,
    /// The transaction that wrote it; none if it was written outside of one.
    pub(crate) transaction: Option<u64>,
    pub(crate) entry: Entry,
}

#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Input(InputRecord),
    Owned {
        timestamp: Timestamp,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        headers: Vec<Header>,
    },
    /// The end of a transaction.
    Marker,
}

/// How a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Committed,
    Aborted,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Partition {
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) entries: Vec<Stored>,
    /// Open transactions that have written here.
    writers: BTreeSet<u64>,
}

impl Partition {
    fn append(&mut self, transaction: Option<u64>, entry: Entry) {
        self.writers
            .extend(transaction.filter(|_| !matches!(entry, Entry::Marker)));
        self.entries.push(Stored {
            offset: self.high,
            transaction,
            entry,
        });
        self.high += 1;
    }

    /// The entries from an offset on.
    pub(crate) fn from(&self, offset: i64) -> &[Stored] {
        let first = self
            .entries
            .partition_point(|stored| stored.offset < offset);
        &self.entries[first..]
    }
}

/// Who may write under a transactional id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    pub(crate) input_counts: Vec<u32>,
    pub(crate) inputs: BTreeMap<InputPartition, Partition>,
    pub(crate) partials: Vec<Partition>,
    pub(crate) month_close: Vec<Partition>,
    pub(crate) dead_letters: Vec<(Offset, DeadLetter)>,
    pub(crate) epochs: BTreeMap<String, Epoch>,
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
    open: BTreeSet<u64>,
    next_transaction: u64,
    pub(crate) group: Group,
}

impl State {
    pub(crate) fn published(&self, at: Published) -> &Partition {
        match at {
            Published::Partials(partition) => &self.partials[partition as usize],
            Published::MonthClose(partition) => &self.month_close[partition as usize],
        }
    }

    fn published_mut(&mut self, at: Published) -> &mut Partition {
        match at {
            Published::Partials(partition) => &mut self.partials[partition as usize],
            Published::MonthClose(partition) => &mut self.month_close[partition as usize],
        }
    }

    /// The last stable offset: before the first record of a transaction that is still open.
    pub(crate) fn stable(&self, partition: &Partition) -> i64 {
        if self.open.is_empty() {
            return partition.high;
        }
        let open = partition
            .entries
            .iter()
            .find(|stored| stored.transaction.is_some_and(|id| self.open.contains(&id)));
        open.map_or(partition.high, |stored| stored.offset)
    }

    pub(crate) fn is_visible(&self, stored: &Stored) -> bool {
        !matches!(stored.entry, Entry::Marker)
            && stored
                .transaction
                .is_none_or(|id| self.outcomes[&id] == Outcome::Committed)
    }

    /// Begins a transaction under an id, if the epoch is still the newest.
    pub(crate) fn begin(&mut self, id: &str, epoch: Epoch) -> Option<u64> {
        if self.epochs.get(id) != Some(&epoch) {
            return None;
        }
        Some(self.open())
    }

    fn open(&mut self) -> u64 {
        self.next_transaction += 1;
        self.outcomes.insert(self.next_transaction, Outcome::Open);
        self.open.insert(self.next_transaction);
        self.next_transaction
    }

    pub(crate) fn write_partial(&mut self, transaction: u64, partial: &Partial) {
        let record = LeaderRecord {
            to: Published::Partials(partial.partition),
            key: partial.key.clone(),
            value: partial.value.clone(),
            headers: Vec::new(),
        };
        self.write(transaction, &record);
    }

    pub(crate) fn write(&mut self, transaction: u64, record: &LeaderRecord) {
        let entry = Entry::Owned {
            timestamp: self.now,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| ((*name).into(), value.clone()))
                .collect(),
        };
        self.published_mut(record.to)
            .append(Some(transaction), entry);
    }

    /// Ends a transaction with a marker in every partition that it wrote to.
    pub(crate) fn end(&mut self, transaction: u64, outcome: Outcome) {
        self.outcomes.insert(transaction, outcome);
        self.open.remove(&transaction);
        let owned = self.partials.iter_mut().chain(&mut self.month_close);
        for partition in owned.chain(self.inputs.values_mut()) {
            if partition.writers.remove(&transaction) {
                partition.append(Some(transaction), Entry::Marker);
            }
        }
    }
}

/// A cluster in memory; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Cluster(pub(crate) Rc<RefCell<State>>);

impl Cluster {
    /// A cluster with the input topics' partitions by kind and those of the owned topics.
    #[must_use]
    pub fn new(input_counts: &[u32], partials: u32, month_close: u32) -> Self {
        let inputs = engine::closing::all_partitions(input_counts)
            .map(|partition| (partition, Partition::default()))
            .collect();
        let partitions = |count: u32| (0..count).map(|_| Partition::default()).collect();
        Self(Rc::new(RefCell::new(State {
            now: Timestamp::from_millis(0),
            input_counts: input_counts.to_vec(),
            inputs,
            partials: partitions(partials),
            month_close: partitions(month_close),
            dead_letters: Vec::new(),
            epochs: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            open: BTreeSet::new(),
            next_transaction: 0,
            group: Group::default(),
        })))
    }

    /// The broker's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.borrow().now
    }

    /// Moves the broker's time; it never goes back.
    pub fn advance_to(&self, now: Timestamp) {
        let mut state = self.0.borrow_mut();
        state.now = state.now.max(now);
    }

    /// Appends a record to an input topic.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn append(&self, to: InputPartition, record: InputRecord) {
        let mut state = self.0.borrow_mut();
        let partition = state.inputs.get_mut(&to).expect("the partition exists");
        partition.append(None, Entry::Input(record));
    }

    /// Appends records to an input topic in a transaction that is aborted: nobody reads them, and they take offsets.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn append_aborted(&self, to: InputPartition, records: Vec<InputRecord>) {
        let mut state = self.0.borrow_mut();
        let transaction = state.open();
        let partition = state.inputs.get_mut(&to).expect("the partition exists");
        for record in records {
            partition.append(Some(transaction), Entry::Input(record));
        }
        state.end(transaction, Outcome::Aborted);
    }

    /// Deletes the records of an input partition before an offset, as retention does.
    pub fn truncate(&self, partition: InputPartition, before: Offset) {
        let mut state = self.0.borrow_mut();
        if let Some(partition) = state.inputs.get_mut(&partition) {
            partition.low = partition.low.max(before.0.min(partition.high));
            let low = partition.low;
            partition.entries.retain(|stored| stored.offset >= low);
        }
    }

    /// Deletes the records of all input partitions that the group has committed.
    pub fn truncate_committed(&self) {
        let committed = self.0.borrow().group.committed.clone();
        for (partition, offset) in committed {
            self.truncate(partition, offset);
        }
    }

    /// The group's committed offset of a partition.
    #[must_use]
    pub fn committed(&self, partition: InputPartition) -> Option<Offset> {
        self.0.borrow().group.committed.get(&partition).copied()
    }

    /// Makes the cluster forget the group's offsets, as brokers do after a week.
    pub fn forget_group(&self) {
        self.0.borrow_mut().group.committed.clear();
    }

    /// Records of the input topics that the group has not committed.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let state = self.0.borrow();
        let left = state.inputs.iter().map(|(id, partition)| {
            let committed = state
                .group
                .committed
                .get(id)
                .map_or(partition.low, |offset| offset.0);
            u64::try_from(partition.high - committed).unwrap_or(0)
        });
        left.sum()
    }

    /// What a read_committed reader finds in the month-close topic, in order, with headers.
    #[must_use]
    pub fn released(&self) -> Vec<(Vec<u8>, Vec<u8>, Vec<Header>)> {
        let state = self.0.borrow();
        let visible = state
            .month_close
            .iter()
            .flat_map(|partition| &partition.entries);
        visible
            .filter(|stored| state.is_visible(stored))
            .filter_map(|stored| match &stored.entry {
                Entry::Owned {
                    key,
                    value: Some(value),
                    headers,
                    ..
                } => Some((key.clone(), value.clone(), headers.clone())),
                _ => None,
            })
            .collect()
    }

    /// What a read_committed reader finds in the partials topic, in order.
    #[must_use]
    pub fn partials(&self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let state = self.0.borrow();
        let visible = state
            .partials
            .iter()
            .flat_map(|partition| &partition.entries);
        visible
            .filter(|stored| state.is_visible(stored))
            .filter_map(|stored| match &stored.entry {
                Entry::Owned { key, value, .. } => Some((key.clone(), value.clone())),
                _ => None,
            })
            .collect()
    }

    /// The committed dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.0
            .borrow()
            .dead_letters
            .iter()
            .map(|(_, letter)| letter.clone())
            .collect()
    }

    /// Compacts the partials topic: of each key the last committed record stays. Offsets do not change.
    pub fn compact_partials(&self) {
        let mut state = self.0.borrow_mut();
        let outcomes = state.outcomes.clone();
        for partition in &mut state.partials {
            let mut last = BTreeMap::new();
            for stored in &partition.entries {
                let is_committed = stored
                    .transaction
                    .is_none_or(|id| outcomes[&id] == Outcome::Committed);
                if let (true, Entry::Owned { key, .. }) = (is_committed, &stored.entry) {
                    last.insert(key.clone(), stored.offset);
                }
            }
            partition.entries.retain(|stored| match &stored.entry {
                Entry::Owned { key, value, .. } => {
                    last.get(key) == Some(&stored.offset) && value.is_some()
                }
                _ => false,
            });
        }
    }
}
