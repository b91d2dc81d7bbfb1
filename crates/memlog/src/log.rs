//! What the cluster holds: topics, partitions, transactions, and what is visible of them.

use std::collections::{BTreeMap, BTreeSet};

use engine::ports::{DeadLetter, LeaderRecord, Partial, Published};
use model::{InputPartition, Offset, Timestamp};

use crate::cluster::{Header, InputRecord};
use crate::group::Group;

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
    pub(crate) fn append(&mut self, transaction: Option<u64>, entry: Entry) {
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
    /// Ids of the input topics by kind.
    pub(crate) topic_ids: Vec<[u8; 16]>,
    /// Ids of the partials and the month-close topic.
    pub(crate) owned_topic_ids: [[u8; 16]; 2],
    created: u8,
    /// How many of the next transactions on owned topics are to be aborted.
    pub(crate) aborts: u32,
}

impl State {
    pub(crate) fn new(input_counts: &[u32], partials: u32, month_close: u32) -> Self {
        let inputs = engine::closing::all_partitions(input_counts)
            .map(|partition| (partition, Partition::default()))
            .collect();
        let partitions = |count: u32| (0..count).map(|_| Partition::default()).collect();
        let mut state = Self {
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
            topic_ids: Vec::new(),
            owned_topic_ids: [[0; 16]; 2],
            created: 0,
            aborts: 0,
        };
        for _ in input_counts {
            let id = state.create_topic();
            state.topic_ids.push(id);
        }
        state.owned_topic_ids = [state.create_topic(), state.create_topic()];
        state
    }

    pub(crate) fn create_topic(&mut self) -> [u8; 16] {
        self.created += 1;
        [self.created; 16]
    }

    /// How the transaction that is about to end on owned topics has to end.
    pub(crate) fn next_outcome(&mut self) -> Outcome {
        if self.aborts == 0 {
            return Outcome::Committed;
        }
        self.aborts -= 1;
        Outcome::Aborted
    }

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
        if partition.writers.is_empty() {
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

    pub(crate) fn open(&mut self) -> u64 {
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
