//! Transactions, step by step as a producer takes them, with everything that can go wrong between the steps.

use std::collections::BTreeMap;

use engine::ports::{
    Checkpoints, CommitError, Error, LeaderRecord, Partial, Published, Releases, Transaction,
};
use memlog::{Member, OpenTransaction, Producer, Proof, Refused};
use model::InputPartition;
use wire::partials::PartialKey;

use crate::faults::Fault;
use crate::invariants::{Content, Decided};
use crate::ports::Seat;
use crate::variants::Variant;

/// A producer under one id, made anew after whatever it can't be trusted after.
struct Transactor {
    seat: Seat,
    id: String,
    producer: Option<Producer>,
}

/// Why a step was not taken.
enum Stopped {
    /// The process is dead, or the world ends the process.
    Dead(Error),
    /// The transaction can be aborted, and is.
    Abort,
    /// Nobody knows; the producer is given up.
    Unknown(&'static str),
    /// The group does not know the member.
    NotMember,
}

impl Transactor {
    fn take(&mut self) {
        self.producer = Some(Producer::take(&self.seat.world.cluster, &self.id));
    }

    fn begin(&mut self) -> Result<OpenTransaction, CommitError> {
        if self.seat.world.fault(Fault::Fenced) {
            self.seat.note(|| format!("is fenced as {}", self.id));
            drop(Producer::take(&self.seat.world.cluster, &self.id));
        }
        let begun = self.producer.as_ref().and_then(Producer::begin);
        let Some(begun) = begun else {
            self.producer = None;
            self.seat.world.count(|stats| stats.fenced += 1);
            let why = format!("fenced by a newer instance that uses {}", self.id);
            return Err(CommitError::Fatal(Error::World(why)));
        };
        let content = Content {
            highs: self.seat.slot.highs.borrow().clone(),
            ..Content::default()
        };
        self.seat.world.remember(begun, content);
        Ok(begun)
    }

    /// Between two steps.
    fn between(&self, call: &'static str) -> Result<(), Stopped> {
        self.seat.interrupt(call).map_err(Stopped::Dead)?;
        if self.seat.slot.is_cut_off.get() {
            return Err(Stopped::Unknown("no broker can be reached"));
        }
        if self.seat.world.fault(Fault::Aborted) {
            return Err(Stopped::Abort);
        }
        Ok(())
    }

    fn write(&self, to: OpenTransaction, records: &[LeaderRecord]) -> Result<(), Stopped> {
        let world = &self.seat.world;
        for record in records {
            if !world.cluster.write_in(to, record) {
                world.count(|stats| stats.fenced += 1);
                return Err(Stopped::Unknown("the brokers ended the transaction"));
            }
        }
        let now = world.cluster.now().as_millis();
        world.add(to, |content| {
            for record in records {
                if let Published::Partials(partition) = record.to {
                    let partial = Partial {
                        partition,
                        key: record.key.clone(),
                        value: record.value.clone(),
                    };
                    content.partials.push((partial, now));
                } else {
                    content.releases.push(record.clone());
                }
            }
        });
        Ok(())
    }

    /// The last step: the brokers are told to commit.
    fn commit(&self, transaction: OpenTransaction) -> Result<(), Stopped> {
        let world = &self.seat.world;
        if world.fault(Fault::CommitLost) {
            self.seat.note(|| "its commit does not arrive".into());
            world.leave_late(transaction);
            return Err(Stopped::Unknown("no answer to the commit"));
        }
        let is_committed = world.commit(transaction);
        self.seat.interrupt("commit").map_err(Stopped::Dead)?;
        if !is_committed {
            world.count(|stats| stats.fenced += 1);
            return Err(Stopped::Unknown("the brokers ended the transaction"));
        }
        if world.fault(Fault::AnswerLost) {
            self.seat.note(|| "the answer to its commit is lost".into());
            return Err(Stopped::Unknown("no answer to the commit"));
        }
        Ok(())
    }

    /// Brings the producer into a state to go on from, and says what became of the transaction.
    fn end(&mut self, transaction: OpenTransaction, stopped: Stopped) -> CommitError {
        match stopped {
            Stopped::Dead(error) => CommitError::Fatal(error),
            Stopped::Unknown(why) => {
                self.producer = None;
                CommitError::Unknown(why.into())
            }
            Stopped::Abort => {
                // An abort that is not answered leaves it open.
                if self.seat.world.fault(Fault::CommitLost) {
                    self.producer = None;
                    return CommitError::Unknown("no answer to the abort".into());
                }
                self.seat.world.abort(transaction);
                CommitError::Aborted("a step failed".into())
            }
            Stopped::NotMember => {
                self.seat.world.count(|stats| stats.fenced += 1);
                if self.seat.world.fault(Fault::CommitLost) {
                    self.producer = None;
                } else {
                    self.seat.world.abort(transaction);
                }
                CommitError::NotMember("the group does not know this member".into())
            }
        }
    }
}

/// Checkpoints.
pub(crate) struct SimCheckpoints {
    transactor: Transactor,
    member: Member,
}

impl SimCheckpoints {
    pub(crate) fn new(seat: &Seat, id: String, member: Member) -> Self {
        Self {
            transactor: Transactor {
                seat: seat.clone(),
                id,
                producer: None,
            },
            member,
        }
    }

    fn run(
        &mut self,
        open: OpenTransaction,
        proof: Proof,
        transaction: &Transaction,
    ) -> Result<(), Stopped> {
        let seat = self.transactor.seat.clone();
        let records: Vec<LeaderRecord> = transaction
            .partials
            .iter()
            .filter(|partial| !self.is_left_out(partial))
            .map(as_record)
            .collect();
        let (first, rest) = records.split_at(seat.world.draw(records.len() + 1));
        // librdkafka sends what is queued while the offsets are on their way.
        self.transactor.write(open, first)?;
        self.transactor.between("sending")?;
        if !seat.is(Variant::OffsetsOutsideTheTransaction) {
            self.add_offsets(open, proof, transaction)?;
            self.transactor.between("offsets")?;
        }
        self.transactor.write(open, rest)?;
        if !seat.is(Variant::DeadLetterOutsideTheCheckpoint) {
            let letters = &transaction.dead_letters;
            if !seat.world.cluster.write_letters_in(open, letters) {
                return Err(Stopped::Unknown("the brokers ended the transaction"));
            }
            seat.world
                .add(open, |content| content.letters.extend_from_slice(letters));
        }
        self.transactor.between("sent")?;
        self.transactor.commit(open)
    }

    fn add_offsets(
        &self,
        open: OpenTransaction,
        proof: Proof,
        transaction: &Transaction,
    ) -> Result<(), Stopped> {
        let seat = &self.transactor.seat;
        let cluster = &seat.world.cluster;
        let offsets = &transaction.offsets;
        let refused = if seat.is(Variant::CommitWithoutMembership) {
            cluster.write_offsets_of_nobody(open, offsets)
        } else {
            cluster.write_offsets_in(open, proof, offsets)
        };
        match refused {
            Ok(()) => {}
            Err(Refused::NotMember) => return Err(Stopped::NotMember),
            Err(Refused::NotOpen) => {
                seat.world.count(|stats| stats.fenced += 1);
                return Err(Stopped::Unknown("the brokers ended the transaction"));
            }
        }
        seat.world
            .add(open, |content| content.offsets.extend_from_slice(offsets));
        Ok(())
    }

    fn is_left_out(&self, partial: &Partial) -> bool {
        let seat = &self.transactor.seat;
        seat.is(Variant::CellWithoutItsCount)
            && matches!(
                PartialKey::decode(&partial.key),
                Ok(PartialKey::Count { .. })
            )
            && seat.world.draw(4) == 0
    }

    /// What is done wrong before a transaction.
    fn before(&self, transaction: &Transaction) -> Result<(), Error> {
        let seat = &self.transactor.seat;
        if seat.is(Variant::OffsetsOutsideTheTransaction) {
            for (partition, offset) in &transaction.offsets {
                seat.world.cluster.commit_offset(*partition, *offset);
            }
            seat.interrupt("offsets")?;
        }
        if seat.is(Variant::DeadLetterOutsideTheCheckpoint) && !transaction.dead_letters.is_empty()
        {
            seat.world.send_letters(&transaction.dead_letters);
            seat.interrupt("letters")?;
        }
        Ok(())
    }
}

impl Checkpoints for SimCheckpoints {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        let seat = self.transactor.seat.clone();
        seat.enter("checkpoint")?;
        if seat.slot.is_cut_off.get() {
            return Err(CommitError::Aborted("no broker can be reached".into()));
        }
        if self.transactor.producer.is_none() {
            if seat.is_unanswered() {
                return Err(CommitError::Aborted("no answer to taking the id".into()));
            }
            self.transactor.take();
        }
        let proof = if seat.is(Variant::ProofOfAnotherMember) {
            self.member.proof_of_whom_it_is()
        } else {
            self.member.proof()
        };
        let unknown = || CommitError::NotMember("the group does not know this member".into());
        let proof = proof.ok_or_else(unknown)?;
        self.before(transaction)?;
        let open = self.transactor.begin()?;
        let result = self.run(open, proof, transaction);
        seat.note(|| {
            let result = match &result {
                Ok(()) => "committed",
                Err(Stopped::Dead(_)) => "dead",
                Err(Stopped::Abort) => "to be aborted",
                Err(Stopped::Unknown(why)) => why,
                Err(Stopped::NotMember) => "not a member",
            };
            format!("checkpoint {open:?} of {:?}: {result}", transaction.offsets)
        });
        let Err(stopped) = result else {
            return Ok(());
        };
        let error = self.transactor.end(open, stopped);
        seat.alive()?;
        match error {
            CommitError::NotMember(_) if seat.is(Variant::FencedErrorSwallowed) => Ok(()),
            CommitError::Unknown(_) if seat.is(Variant::UnknownTakenForCommitted) => Ok(()),
            CommitError::Unknown(why) if seat.is(Variant::UnknownTakenForAborted) => {
                Err(CommitError::Aborted(why))
            }
            other => Err(other),
        }
    }
}

fn as_record(partial: &Partial) -> LeaderRecord {
    LeaderRecord {
        to: Published::Partials(partial.partition),
        key: partial.key.clone(),
        value: partial.value.clone(),
        headers: Vec::new(),
    }
}

/// The transactional id of the leader.
pub(crate) const RELEASE_ID: &str = "appmi-release";

/// The leader's transactions.
pub(crate) struct SimReleases {
    transactor: Transactor,
    /// The number of each partition's last committed checkpoint when the id was taken.
    taken: BTreeMap<InputPartition, u64>,
}

impl SimReleases {
    pub(crate) fn new(seat: &Seat, process: u64) -> Self {
        let id = if seat.is(Variant::LeaderThatDoesNotFence) {
            format!("{RELEASE_ID}-{process}")
        } else {
            RELEASE_ID.into()
        };
        Self {
            transactor: Transactor {
                seat: seat.clone(),
                id,
                producer: None,
            },
            taken: BTreeMap::new(),
        }
    }

    fn run(&mut self, open: OpenTransaction, records: &[LeaderRecord]) -> Result<(), Stopped> {
        let (first, rest) = records.split_at(self.transactor.seat.world.draw(records.len() + 1));
        self.transactor.write(open, first)?;
        self.transactor.between("releasing")?;
        self.transactor.write(open, rest)?;
        self.transactor.between("released")?;
        self.transactor.commit(open)
    }
}

impl Releases for SimReleases {
    fn take(&mut self) -> Result<(), CommitError> {
        let seat = self.transactor.seat.clone();
        seat.enter("take")?;
        self.transactor.producer = None;
        if seat.is_unanswered() {
            return Err(CommitError::Aborted("no answer to taking the id".into()));
        }
        self.transactor.take();
        self.taken = seat.world.numbers();
        seat.slot.has_taken.set(true);
        seat.note(|| "takes the release id".into());
        seat.interrupt("take")?;
        Ok(())
    }

    fn publish(&mut self, records: &[LeaderRecord]) -> Result<(), CommitError> {
        let seat = self.transactor.seat.clone();
        seat.enter("publish")?;
        if self.transactor.producer.is_none() {
            return Err(CommitError::Unknown("the id was not taken".into()));
        }
        if seat.slot.is_cut_off.get() {
            return Err(CommitError::Aborted("no broker can be reached".into()));
        }
        let decided = Decided {
            records,
            seen: BTreeMap::new(),
            taken: self.taken.clone(),
            partitions: seat.slot.highs.borrow().keys().copied().collect(),
            now: seat.world.cluster.now().as_millis(),
        };
        // A leader that was fenced has a successor and goes on without leading.
        let outlived = |error| match error {
            CommitError::Fatal(Error::World(why)) if seat.alive().is_ok() => {
                CommitError::Unknown(why)
            }
            other => other,
        };
        let open = self.transactor.begin().map_err(outlived)?;
        seat.world.check_decision(&seat.slot, decided);
        seat.alive()?;
        let result = self.run(open, records);
        let Err(stopped) = result else {
            return Ok(());
        };
        let error = self.transactor.end(open, stopped);
        self.transactor.producer = None;
        seat.alive()?;
        match error {
            CommitError::Unknown(_) if seat.is(Variant::UnknownTakenForCommitted) => Ok(()),
            other => Err(other),
        }
    }
}
