//! A member of the group that reads the input topics of a cluster in memory.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use engine::ports::{Bounds, Error, Input, RUN_RECORDS_MAX, Record, Source};
use model::{InputPartition, Offset};

use crate::cluster::Cluster;
use crate::group::Notice;
use crate::log::{Entry, Stored};

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

/// Polls that a rebalance takes at most of which a member gets nothing.
const POLLS_AS_ANOTHER_MAX: u32 = 50;

/// A group member that reads the input topics.
#[derive(Debug)]
pub struct MemSource {
    pub(crate) cluster: Cluster,
    member: Member,
    positions: BTreeMap<InputPartition, Position>,
    last: Option<InputPartition>,
    /// Records of the last run; the run that is handed out borrows from here.
    run: Vec<Stored>,
    run_records_max: usize,
    /// What the engine was told to have.
    told: BTreeSet<InputPartition>,
    /// What the engine was told to give back. Nothing else is given back: what is lost belongs to nobody any more, and
    /// what the member has been given anew since is not told yet.
    asked_back: BTreeSet<InputPartition>,
    /// How often it was polled since its client is another member.
    polls_as_another: u32,
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
            asked_back: BTreeSet::new(),
            polls_as_another: 0,
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

    /// What the group has to say next.
    fn rebalance(&mut self) -> Option<Input<'static>> {
        self.member.id()?;
        let is_known = self.cluster.is_member(&self.member);
        if !is_known {
            self.cluster.join(&self.member);
        }
        // A client that has joined anew says nothing of it before the group has something to say, be that nothing.
        let is_another = self.member.is_another();
        self.polls_as_another = if is_another {
            self.polls_as_another + 1
        } else {
            0
        };
        let is_told =
            self.cluster.has_notice(&self.member) || self.polls_as_another > POLLS_AS_ANOTHER_MAX;
        if !is_known || is_another && is_told {
            self.member.note_told();
            self.positions.clear();
            self.asked_back.clear();
            let lost = std::mem::take(&mut self.told);
            return Some(Input::Lost(lost.into_iter().collect()));
        }
        if let Some(notice) = self.cluster.take_notice(&self.member) {
            return Some(match notice {
                Notice::Assigned(partitions) => {
                    self.told.extend(&partitions);
                    Input::Assigned(partitions)
                }
                Notice::Revoked(partitions) => {
                    self.told.retain(|told| !partitions.contains(told));
                    self.asked_back.extend(&partitions);
                    Input::Revoked(partitions)
                }
            });
        }
        None
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
            position: Offset(stable),
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
        if let Some(rebalance) = self.rebalance() {
            return Ok(rebalance);
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

    fn poll_group(&mut self, _wait: Duration) -> Result<Input<'_>, Error> {
        Ok(self.rebalance().unwrap_or(Input::Nothing))
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
        let mut given_back = Vec::new();
        for partition in partitions {
            self.positions.remove(partition);
            given_back.extend(self.asked_back.take(partition));
        }
        if let Some(member) = self.member.id() {
            let mut state = self.cluster.0.borrow_mut();
            let all = state.input_partitions();
            state.group.give_back(member, &given_back, &all);
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

    fn bounds(&mut self, partitions: &[InputPartition]) -> Result<Option<Vec<Bounds>>, Error> {
        let state = self.cluster.0.borrow();
        let bounds = partitions.iter().map(|partition| {
            let log = &state.inputs[partition];
            Bounds {
                low: Offset(log.low),
                high: Offset(log.high),
                topic_id: state.topic_ids[usize::from(partition.kind.0)],
            }
        });
        Ok(Some(bounds.collect()))
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
            let all = state.input_partitions();
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

fn as_record(stored: &Stored) -> Option<Record<'_>> {
    let Entry::Input(record) = &stored.entry else {
        return None;
    };
    Some(Record {
        offset: Offset(stored.offset),
        timestamp: Some(record.timestamp),
        content_type: record.content_type.map(str::as_bytes),
        payload: &record.payload,
    })
}
