//! What is committed and what is read of it: the engine's transactions and journal on a cluster in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ports::{
    Checkpoints, CommitError, Error, Journal, LeaderRecord, Published, PublishedBatch,
    PublishedRecord, Releases, Transaction,
};
use model::Offset;

use crate::cluster::{Cluster, OpenTransaction};
use crate::log::{Entry, Outcome};
use crate::source::{MemSource, Member};
use crate::transactions::{Producer, Refused};

/// Most bytes of one batch of the journal.
const BATCH_BYTES_MAX: usize = 4 << 20;

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
                        offset: Offset(stored.offset),
                        timestamp: *timestamp,
                        key: key.clone(),
                        value: value.clone(),
                    });
                }
            }
            *position = next.max(before);
            if *position > before {
                batch.positions.push((*at, Offset(*position)));
            }
        }
        Ok(batch)
    }

    fn topic_ids(&mut self) -> Result<Option<[[u8; 16]; 2]>, Error> {
        Ok(Some(self.cluster.0.borrow().owned_topic_ids))
    }

    fn ends(&mut self) -> Result<Option<Vec<(Published, Offset)>>, Error> {
        let state = self.cluster.0.borrow();
        let end = |at: Published| (at, Offset(state.published(at).high));
        Ok(Some(self.all().into_iter().map(end).collect()))
    }
}
