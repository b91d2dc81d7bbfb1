//! The cluster, as its operators, producers and readers see it.

use std::cell::RefCell;
use std::rc::Rc;

use engine::ports::{DeadLetter, Partial};
use model::{InputPartition, KindId, Offset, Timestamp};

use crate::group::Notice;
use crate::log::{Entry, Outcome, Partition, State};
use crate::source::Member;

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

/// A transaction that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenTransaction(pub(crate) u64);

/// A cluster in memory; clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Cluster(pub(crate) Rc<RefCell<State>>);

impl Cluster {
    /// A cluster with the input topics' partitions by kind and those of the owned topics.
    #[must_use]
    pub fn new(input_counts: &[u32], partials: u32, month_close: u32) -> Self {
        let state = State::new(input_counts, partials, month_close);
        Self(Rc::new(RefCell::new(state)))
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

    /// Appends a record to an input topic; its offset.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn append(&self, to: InputPartition, record: InputRecord) -> Offset {
        self.append_as(None, to, record)
    }

    fn append_as(
        &self,
        transaction: Option<u64>,
        to: InputPartition,
        record: InputRecord,
    ) -> Offset {
        let mut state = self.0.borrow_mut();
        let partition = state.inputs.get_mut(&to).expect("the partition exists");
        let offset = partition.high;
        partition.append(transaction, Entry::Input(record));
        Offset(offset)
    }

    /// Appends records to an input topic in a transaction that is aborted: nobody reads them, and they take offsets.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn append_aborted(&self, to: InputPartition, records: Vec<InputRecord>) {
        let transaction = self.begin();
        for record in records {
            self.append_as(Some(transaction.0), to, record);
        }
        self.end(transaction, false);
    }

    /// Begins a producer's transaction on input topics.
    #[must_use]
    pub fn begin(&self) -> OpenTransaction {
        OpenTransaction(self.0.borrow_mut().open(None))
    }

    /// Appends a record to an input topic in a transaction: nobody reads it or what is behind it until that ends.
    /// Comes back with its offset.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn append_in(
        &self,
        transaction: OpenTransaction,
        to: InputPartition,
        record: InputRecord,
    ) -> Offset {
        self.append_as(Some(transaction.0), to, record)
    }

    /// Ends a transaction, committed or aborted; false if it is no longer open.
    pub fn end(&self, transaction: OpenTransaction, is_committed: bool) -> bool {
        let outcome = if is_committed {
            Outcome::Committed
        } else {
            Outcome::Aborted
        };
        self.0.borrow_mut().end(transaction.0, outcome)
    }

    /// Aborts the next transactions on owned topics: their records stay in the log, and nobody reads them.
    pub fn abort_next(&self, transactions: u32) {
        self.0.borrow_mut().aborts = transactions;
    }

    /// Adds a partition to the topic of a kind, and tells the group.
    ///
    /// # Panics
    /// If there is no such kind.
    pub fn add_partition(&self, kind: KindId) {
        let mut state = self.0.borrow_mut();
        let count = &mut state.input_counts[usize::from(kind.0)];
        let partition = *count;
        *count += 1;
        let added = InputPartition { kind, partition };
        state.inputs.insert(added, Partition::default());
        let all = state.input_partitions();
        state.group.balance(&all);
    }

    /// Creates an input topic of the next kind, as before that is configured.
    ///
    /// # Panics
    /// If there are 256 already.
    pub fn add_topic(&self, partitions: u32) -> KindId {
        let kind = {
            let mut state = self.0.borrow_mut();
            let id = state.create_topic();
            state.topic_ids.push(id);
            state.input_counts.push(0);
            KindId(u8::try_from(state.input_counts.len() - 1).expect("at most 256 kinds"))
        };
        for _ in 0..partitions {
            self.add_partition(kind);
        }
        kind
    }

    /// Deletes the topic of a kind and creates it anew, empty and with another id.
    ///
    /// # Panics
    /// If there is no such kind.
    pub fn recreate_input(&self, kind: KindId) {
        let mut state = self.0.borrow_mut();
        for (_, partition) in state.inputs.iter_mut().filter(|(id, _)| id.kind == kind) {
            *partition = Partition::default();
        }
        state.topic_ids[usize::from(kind.0)] = state.create_topic();
    }

    /// Deletes the partials and the month-close topic and creates them anew.
    pub fn recreate_owned(&self) {
        self.recreate_partials();
        self.recreate_month_close();
    }

    /// Deletes the partials topic and creates it anew.
    pub fn recreate_partials(&self) {
        let mut state = self.0.borrow_mut();
        state.owned_topic_ids[0] = state.create_topic();
        state.partials.fill_with(Partition::default);
    }

    /// Deletes the month-close topic and creates it anew.
    pub fn recreate_month_close(&self) {
        let mut state = self.0.borrow_mut();
        state.owned_topic_ids[1] = state.create_topic();
        state.month_close.fill_with(Partition::default);
    }

    /// Deletes all records of the partials topic; offsets go on, as after a broker's deletion of records.
    pub fn empty_partials(&self) {
        for partition in &mut self.0.borrow_mut().partials {
            partition.entries.clear();
        }
    }

    /// Writes a committed record to the partials topic, as something else than the engine would.
    pub fn write_partial(&self, partial: &Partial) {
        let mut state = self.0.borrow_mut();
        let transaction = state.open(None);
        state.write_partial(transaction, partial);
        state.end(transaction, Outcome::Committed);
    }

    /// Sets the group's committed offset of a partition, as an operator's tool would.
    pub fn commit_offset(&self, partition: InputPartition, offset: Offset) {
        self.0
            .borrow_mut()
            .group
            .committed
            .insert(partition, offset);
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

    /// How many partitions each input topic has, by kind.
    #[must_use]
    pub fn input_counts(&self) -> Vec<u32> {
        self.0.borrow().input_counts.clone()
    }

    /// The high watermark of an input partition.
    #[must_use]
    pub fn high(&self, partition: InputPartition) -> Option<Offset> {
        let state = self.0.borrow();
        state.inputs.get(&partition).map(|found| Offset(found.high))
    }

    /// The last stable offset of an input partition.
    #[must_use]
    pub fn stable(&self, partition: InputPartition) -> Option<Offset> {
        let state = self.0.borrow();
        let found = state.inputs.get(&partition);
        found.map(|found| Offset(found.stable()))
    }

    /// Gives the group's partitions to other members than before, as an assignor may at any rebalance.
    pub fn rebalance(&self) {
        let mut state = self.0.borrow_mut();
        let all = state.input_partitions();
        state.group.rotate(&all);
    }

    /// Lets a member's session time out: its partitions go to others, and it learns that when it polls next.
    pub fn expire(&self, member: &Member) {
        if let Some(member) = member.id() {
            let mut state = self.0.borrow_mut();
            let all = state.input_partitions();
            state.group.leave(member, &all);
        }
    }

    /// The client joins the group by itself, as librdkafka does behind the back of its user. What it was given as the
    /// member that it was is not its own any more, and it learns that when it polls next.
    pub fn join(&self, member: &Member) {
        let mut state = self.0.borrow_mut();
        let all = state.input_partitions();
        member.join_as(state.group.join(&all));
    }

    /// Whether the group knows a member as whom it is now.
    #[must_use]
    pub fn is_member(&self, member: &Member) -> bool {
        let group = &self.0.borrow().group;
        member.id().is_some_and(|member| group.is_member(member))
    }

    pub(crate) fn has_notice(&self, member: &Member) -> bool {
        let group = &self.0.borrow().group;
        member.id().is_some_and(|member| group.has_notice(member))
    }

    pub(crate) fn take_notice(&self, member: &Member) -> Option<Notice> {
        self.0.borrow_mut().group.take_notice(member.id()?)
    }

    /// Whether the group has a member, dead ones that are not missed yet included.
    #[must_use]
    pub fn has_members(&self) -> bool {
        self.0.borrow().group.has_members()
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
        let visible = state.month_close.iter().flat_map(Partition::stable_entries);
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
        let visible = state.partials.iter().flat_map(Partition::stable_entries);
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
        self.0.borrow().dead_letters.clone()
    }
}
