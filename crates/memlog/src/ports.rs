//! The engine's ports on a cluster in memory.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use engine::ports::{
    Bounds, Checkpoints, CommitError, Error, Input, Journal, LeaderRecord, Published,
    PublishedBatch, PublishedRecord, RUN_RECORDS_MAX, Record, Releases, Source, Transaction,
};
use model::{InputPartition, Offset};

use crate::cluster::{Cluster, OpenTransaction};
use crate::group::Notice;
use crate::log::{Entry, Outcome, State};
use crate::transactions::{Producer, Refused};

/// Most bytes of one batch of the journal.
const BATCH_BYTES_MAX: usize = 4 << 20;

fn all(state: &State) -> Vec<InputPartition> {
    engine::closing::all_partitions(&state.input_counts).collect()
}

fn offset(value: i64) -> Offset {
    Offset(value)
}

/// The group member that a source and its checkpoints are.
#[derive(Debug, Clone, Default)]
pub struct Member(Rc<Identity>);

/// Who commits. Brokers look at that, and not at which partitions it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof(pub(crate) u64);

#[derive(Debug, Default)]
struct Identity {
    /// As whom the client is in the group now, or was when the group let it go.
    now: Cell<Option<u64>>,
    /// As whom it was given what its source has told of.
    told: Cell<Option<u64>>,
}

impl Member {
    pub(crate) fn id(&self) -> Option<u64> {
        self.0.now.get()
    }

    /// The proof of membership; none if it was given its partitions as another member than it is now.
    #[must_use]
    pub fn proof(&self) -> Option<Proof> {
        self.proof_of_whom_it_is().filter(|_| !self.is_another())
    }

    /// The proof of whom it is now, whoever was given the partitions.
    #[must_use]
    pub fn proof_of_whom_it_is(&self) -> Option<Proof> {
        self.id().map(Proof)
    }

    fn is_another(&self) -> bool {
        self.0.told.get() != self.0.now.get()
    }

    /// The client joins, by itself.
    pub(crate) fn join_as(&self, id: u64) {
        self.0.now.set(Some(id));
    }

    /// The source has told of everything that it was given as another member.
    fn note_told(&self) {
        self.0.told.set(self.0.now.get());
    }

    fn leave(&self) -> Option<u64> {
        self.0.now.take()
    }
}

/// A group member that reads the input topics.
#[derive(Debug)]
pub struct MemSource {
    cluster: Cluster,
    member: Member,
    positions: BTreeMap<InputPartition, Position>,
    last: Option<InputPartition>,
    /// Records of the last run; the run that is handed out borrows from here.
    run: Vec<crate::log::Stored>,
    run_records_max: usize,
    /// What the engine was told to have.
    told: BTreeSet<InputPartition>,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    offset: i64,
    end_told: bool,
}

impl MemSource {
    /// A source that has not joined yet.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            member: Member::default(),
            positions: BTreeMap::new(),
            last: None,
            run: Vec::new(),
            run_records_max: RUN_RECORDS_MAX,
            told: BTreeSet::new(),
        }
    }

    /// Hands over at most so many records at once, one at least.
    pub fn set_run_records_max(&mut self, records: usize) {
        self.run_records_max = records.clamp(1, RUN_RECORDS_MAX);
    }

    /// Who it is in the group.
    #[must_use]
    pub fn member(&self) -> Member {
        self.member.clone()
    }

    /// Lets the session of the member time out: its partitions go to others, and it learns that when it polls
    /// next. Then it joins anew.
    pub fn expire(&mut self) {
        self.cluster.expire(&self.member);
    }

    /// The assigned partitions, beginning behind the one that was read last.
    fn in_turn(&self) -> Vec<InputPartition> {
        let (before, after): (Vec<_>, Vec<_>) = self
            .positions
            .keys()
            .copied()
            .partition(|partition| self.last.is_some_and(|last| *partition <= last));
        after.into_iter().chain(before).collect()
    }

    /// Copies the next records of a partition into `run`; its end, if it is news; or nothing.
    fn read(&mut self, partition: InputPartition) -> Option<Input<'static>> {
        let state = self.cluster.0.borrow();
        let position = self.positions.get_mut(&partition).expect("it is assigned");
        let log = &state.inputs[&partition];
        let stable = log.stable();
        let visible = log
            .from(position.offset)
            .iter()
            .take_while(|stored| stored.offset < stable)
            .filter(|stored| state.is_visible(stored));
        self.run.clear();
        self.run.extend(visible.take(self.run_records_max).cloned());
        if let Some(last) = self.run.last() {
            position.offset = last.offset + 1;
            position.end_told = false;
            return None;
        }
        if position.end_told && position.offset == stable {
            return None;
        }
        *position = Position {
            offset: stable,
            end_told: true,
        };
        Some(Input::End {
            partition,
            position: offset(stable),
        })
    }
}

impl Source for MemSource {
    fn join(&mut self) -> Result<(), Error> {
        self.cluster.join(&self.member);
        self.member.note_told();
        Ok(())
    }

    fn poll(&mut self, _wait: Duration) -> Result<Input<'_>, Error> {
        if self.member.id().is_none() {
            return Ok(Input::Nothing);
        }
        let is_known = self.cluster.is_member(&self.member);
        if !is_known {
            self.cluster.join(&self.member);
        }
        // A client that has joined anew says nothing of it before the group has something to say.
        if !is_known || self.member.is_another() && self.cluster.has_notice(&self.member) {
            self.member.note_told();
            self.positions.clear();
            let lost = std::mem::take(&mut self.told);
            return Ok(Input::Lost(lost.into_iter().collect()));
        }
        if let Some(notice) = self.cluster.take_notice(&self.member) {
            return Ok(match notice {
                Notice::Assigned(partitions) => {
                    self.told.extend(&partitions);
                    Input::Assigned(partitions)
                }
                Notice::Revoked(partitions) => {
                    self.told.retain(|told| !partitions.contains(told));
                    Input::Revoked(partitions)
                }
            });
        }
        for partition in self.in_turn() {
            if let Some(end) = self.read(partition) {
                return Ok(end);
            }
            if !self.run.is_empty() {
                self.last = Some(partition);
                let records = self.run.iter().filter_map(as_record).collect();
                return Ok(Input::Run { partition, records });
            }
        }
        Ok(Input::Nothing)
    }

    fn assign(&mut self, from: &[(InputPartition, Offset)]) -> Result<(), Error> {
        for (partition, offset) in from {
            self.positions.insert(
                *partition,
                Position {
                    offset: offset.0,
                    end_told: false,
                },
            );
        }
        Ok(())
    }

    fn unassign(&mut self, partitions: &[InputPartition]) -> Result<(), Error> {
        for partition in partitions {
            self.positions.remove(partition);
        }
        if let Some(member) = self.member.id() {
            let mut state = self.cluster.0.borrow_mut();
            let all = all(&state);
            state.group.give_back(member, partitions, &all);
        }
        Ok(())
    }

    fn committed(
        &mut self,
        partitions: &[InputPartition],
    ) -> Result<Option<Vec<Option<Offset>>>, Error> {
        let state = self.cluster.0.borrow();
        if partitions
            .iter()
            .any(|partition| state.is_offset_pending(*partition))
        {
            return Ok(None);
        }
        let committed = &state.group.committed;
        let offsets = partitions.iter().map(|of| committed.get(of).copied());
        Ok(Some(offsets.collect()))
    }

    fn bounds(&mut self, partition: InputPartition) -> Result<Option<Bounds>, Error> {
        let state = self.cluster.0.borrow();
        let log = &state.inputs[&partition];
        let topic_id = state.topic_ids[usize::from(partition.kind.0)];
        Ok(Some(Bounds {
            low: offset(log.low),
            high: offset(log.high),
            topic_id,
        }))
    }

    fn partition_counts(&mut self) -> Result<Option<Vec<u32>>, Error> {
        Ok(Some(self.cluster.0.borrow().input_counts.clone()))
    }

    fn is_member(&mut self) -> bool {
        self.cluster.is_member(&self.member) && !self.member.is_another()
    }

    fn leave(&mut self) {
        if let Some(member) = self.member.leave() {
            let mut state = self.cluster.0.borrow_mut();
            let all = all(&state);
            state.group.leave(member, &all);
        }
        self.positions.clear();
    }
}

impl Drop for MemSource {
    fn drop(&mut self) {
        self.leave();
    }
}

fn as_record(stored: &crate::log::Stored) -> Option<Record<'_>> {
    let Entry::Input(record) = &stored.entry else {
        return None;
    };
    Some(Record {
        offset: offset(stored.offset),
        timestamp: Some(record.timestamp),
        content_type: record.content_type.map(str::as_bytes),
        payload: &record.payload,
    })
}

/// Checkpoint transactions.
#[derive(Debug)]
pub struct MemCheckpoints {
    cluster: Cluster,
    member: Member,
    producer: Producer,
}

impl MemCheckpoints {
    /// Takes a transactional id, which fences whoever had it. Commits in the name of the source's membership.
    #[must_use]
    pub fn new(source: &MemSource, transactional_id: &str) -> Self {
        Self {
            cluster: source.cluster.clone(),
            member: source.member(),
            producer: Producer::take(&source.cluster, transactional_id),
        }
    }
}

impl Checkpoints for MemCheckpoints {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        let unknown = || CommitError::NotMember("the group does not know this member".into());
        let proof = self.member.proof().ok_or_else(unknown)?;
        let id = self.producer.begin().ok_or_else(fenced)?;
        for partial in &transaction.partials {
            self.cluster.0.borrow_mut().write_partial(id.0, partial);
        }
        self.cluster.write_letters_in(id, &transaction.dead_letters);
        let offsets = &transaction.offsets;
        match self.cluster.write_offsets_in(id, proof, offsets) {
            Ok(()) => {}
            Err(Refused::NotOpen) => return Err(fenced()),
            Err(Refused::NotMember) => {
                self.cluster.end(id, false);
                return Err(unknown());
            }
        }
        end(&self.cluster, id)
    }
}

/// Ends a transaction as the cluster was told to.
fn end(cluster: &Cluster, transaction: OpenTransaction) -> Result<(), CommitError> {
    let mut state = cluster.0.borrow_mut();
    let outcome = state.next_outcome();
    state.end(transaction.0, outcome);
    match outcome {
        Outcome::Aborted => Err(CommitError::Aborted("as it was asked to be".into())),
        Outcome::Committed | Outcome::Open => Ok(()),
    }
}

fn fenced() -> CommitError {
    CommitError::Fatal(Error::World("fenced by a newer instance".into()))
}

/// The leader's transactions.
#[derive(Debug)]
pub struct MemReleases {
    cluster: Cluster,
    producer: Option<Producer>,
}

/// The transactional id of the leader.
const RELEASE_ID: &str = "appmi-release";

impl MemReleases {
    /// A leader's producer that has not taken the id yet.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            producer: None,
        }
    }
}

impl Releases for MemReleases {
    fn take(&mut self) -> Result<(), CommitError> {
        self.producer = Some(Producer::take(&self.cluster, RELEASE_ID));
        Ok(())
    }

    fn publish(&mut self, records: &[LeaderRecord]) -> Result<(), CommitError> {
        let producer = self
            .producer
            .take()
            .ok_or_else(|| CommitError::Unknown("the id was not taken".into()))?;
        let id = producer
            .begin()
            .ok_or_else(|| CommitError::Unknown("fenced by a newer leader".into()))?;
        for record in records {
            self.cluster.write_in(id, record);
        }
        end(&self.cluster, id)?;
        self.producer = Some(producer);
        Ok(())
    }
}

/// Reader of the owned topics.
#[derive(Debug)]
pub struct MemJournal {
    cluster: Cluster,
    positions: BTreeMap<Published, i64>,
    batch_bytes_max: usize,
    is_held: bool,
    reads_uncommitted: bool,
    /// The place of the partition that the next batch begins with.
    first: usize,
}

impl MemJournal {
    /// A reader that has not begun.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            positions: BTreeMap::new(),
            batch_bytes_max: BATCH_BYTES_MAX,
            is_held: false,
            reads_uncommitted: false,
            first: 0,
        }
    }

    /// Hands over batches of about so many bytes, one record at least.
    pub fn set_batch_bytes_max(&mut self, bytes: usize) {
        self.batch_bytes_max = bytes.clamp(1, BATCH_BYTES_MAX);
    }

    /// Hands over nothing for as long as it is held, as when a fetch takes its time.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Hands over what is not committed as well, as `isolation.level=read_uncommitted`.
    pub fn read_uncommitted(&mut self) {
        self.reads_uncommitted = true;
    }

    /// Begins the next batches with another partition, as fetches answer in any order.
    pub fn begin_with(&mut self, place: usize) {
        self.first = place;
    }

    fn all(&self) -> Vec<Published> {
        let (partials, month_close) = self.partition_counts();
        let partials = (0..partials).map(Published::Partials);
        partials
            .chain((0..month_close).map(Published::MonthClose))
            .collect()
    }
}

impl Journal for MemJournal {
    fn partition_counts(&self) -> (u32, u32) {
        let state = self.cluster.0.borrow();
        let count = |partitions: usize| u32::try_from(partitions).expect("made from a u32");
        (count(state.partials.len()), count(state.month_close.len()))
    }

    fn start(&mut self, from: &[(Published, Offset)]) -> Result<(), Error> {
        self.positions = self.all().into_iter().map(|at| (at, 0)).collect();
        self.positions
            .extend(from.iter().map(|(at, offset)| (*at, offset.0)));
        Ok(())
    }

    fn poll(&mut self, _wait: Duration) -> Result<PublishedBatch, Error> {
        let mut batch = PublishedBatch::default();
        if self.is_held {
            return Ok(batch);
        }
        let state = self.cluster.0.borrow();
        let mut bytes = 0;
        let mut positions: Vec<_> = self.positions.iter_mut().collect();
        let first = self.first % positions.len().max(1);
        positions.rotate_left(first);
        for (at, position) in positions {
            let log = state.published(*at);
            let stable = if self.reads_uncommitted {
                log.high
            } else {
                log.stable()
            };
            let before = *position;
            let mut next = stable;
            for stored in log
                .from(*position)
                .iter()
                .take_while(|stored| stored.offset < stable)
            {
                if bytes >= self.batch_bytes_max {
                    next = stored.offset;
                    break;
                }
                let Entry::Owned {
                    timestamp,
                    key,
                    value,
                    ..
                } = &stored.entry
                else {
                    continue;
                };
                if self.reads_uncommitted || state.is_visible(stored) {
                    bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                    batch.records.push(PublishedRecord {
                        at: *at,
                        offset: offset(stored.offset),
                        timestamp: *timestamp,
                        key: key.clone(),
                        value: value.clone(),
                    });
                }
            }
            *position = next.max(before);
            if *position > before {
                batch.positions.push((*at, offset(*position)));
            }
        }
        Ok(batch)
    }

    fn topic_ids(&mut self) -> Result<Option<[[u8; 16]; 2]>, Error> {
        Ok(Some(self.cluster.0.borrow().owned_topic_ids))
    }

    fn ends(&mut self) -> Result<Option<Vec<(Published, Offset)>>, Error> {
        let state = self.cluster.0.borrow();
        let end = |at: Published| (at, offset(state.published(at).high));
        Ok(Some(self.all().into_iter().map(end).collect()))
    }
}
