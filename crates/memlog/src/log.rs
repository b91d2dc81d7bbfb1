//! What the cluster holds: topics, partitions, transactions, and what is visible of them.

use std::collections::BTreeMap;

use engine::ports::{DeadLetter, LeaderRecord, Partial, Published};
use model::{InputPartition, Timestamp};

use crate::cluster::{Header, InputRecord};
use crate::group::Group;
use crate::transactions::{Place, Underway};

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
    /// Where transactions that have no marker here yet began to write.
    writers: BTreeMap<u64, i64>,
}

impl Partition {
    pub(crate) fn append(&mut self, transaction: Option<u64>, entry: Entry) {
        if let (Some(id), false) = (transaction, matches!(entry, Entry::Marker)) {
            self.writers.entry(id).or_insert(self.high);
        }
        self.entries.push(Stored {
            offset: self.high,
            transaction,
            entry,
        });
        self.high += 1;
    }

    /// The last stable offset: before the first record of a transaction whose end is not known here yet.
    pub(crate) fn stable(&self) -> i64 {
        self.writers.values().min().copied().unwrap_or(self.high)
    }

    pub(crate) fn is_written_by(&self, transaction: u64) -> bool {
        self.writers.contains_key(&transaction)
    }

    /// Writes the end of a transaction.
    pub(crate) fn mark(&mut self, transaction: u64) {
        if self.writers.remove(&transaction).is_some() {
            self.append(Some(transaction), Entry::Marker);
        }
    }

    /// The entries before the last stable offset.
    pub(crate) fn stable_entries(&self) -> &[Stored] {
        let stable = self.stable();
        let behind = self
            .entries
            .partition_point(|stored| stored.offset < stable);
        &self.entries[..behind]
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
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) epochs: BTreeMap<String, Epoch>,
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
    /// Transactions that are open or lack a marker somewhere.
    pub(crate) underway: BTreeMap<u64, Underway>,
    /// Whether the ends of transactions are written one by one, later.
    pub(crate) are_markers_held: bool,
    pub(crate) next_transaction: u64,
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
            underway: BTreeMap::new(),
            are_markers_held: false,
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

    /// Every partition of the input topics.
    pub(crate) fn input_partitions(&self) -> Vec<InputPartition> {
        self.inputs.keys().copied().collect()
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

    pub(crate) fn published_mut(&mut self, at: Published) -> &mut Partition {
        match at {
            Published::Partials(partition) => &mut self.partials[partition as usize],
            Published::MonthClose(partition) => &mut self.month_close[partition as usize],
        }
    }

    /// Whether a read_committed reader that has come there is given it.
    pub(crate) fn is_visible(&self, stored: &Stored) -> bool {
        !matches!(stored.entry, Entry::Marker)
            && stored
                .transaction
                .is_none_or(|id| self.outcomes[&id] == Outcome::Committed)
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

    /// The partitions of all topics, as places that a transaction can write to.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (Place, &Partition)> {
        let partials = (0..).map(Published::Partials).zip(&self.partials);
        let closes = (0..).map(Published::MonthClose).zip(&self.month_close);
        let owned = partials.chain(closes);
        let owned = owned.map(|(at, partition)| (Place::Published(at), partition));
        let inputs = self.inputs.iter();
        owned.chain(inputs.map(|(id, partition)| (Place::Input(*id), partition)))
    }
}
