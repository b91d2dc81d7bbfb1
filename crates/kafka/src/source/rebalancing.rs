//! Rebalances are answered at once and with nothing: an assigned partition is added when the engine says
//! from where to read it, a revoked one is taken away when its checkpoint is written. librdkafka holds
//! up the whole group until a revocation is answered, so that is the only answer that waits.

use engine::Error;
use model::InputPartition;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::{Offset as At, TopicPartitionList};
use tracing::{info, warn};

use super::reading::Revocation;
use super::{Next, Source, add};
use crate::context::Notice;
use crate::lookup::serve;
use crate::native::Member;

impl Source {
    /// Takes the oldest rebalance and answers it, unless the engine has to do something first.
    pub(super) fn rebalance(&mut self) -> Result<Option<Next>, Error> {
        while let Some(notice) = self.consumer.context().take_notice() {
            self.offsets.forget();
            match self.as_it_is(notice) {
                Notice::Assign(named) => {
                    self.seat_anew()?;
                    // Once that is answered the client may join as another member at once.
                    let member = self.membership.now();
                    self.answer(self.consumer.incremental_assign(&TopicPartitionList::new()))?;
                    let partitions = self.partitions(&named);
                    info!(partitions = partitions.len(), "assigned");
                    self.hold(&partitions, member)?;
                    if !partitions.is_empty() {
                        return Ok(Some(Next::Assigned(partitions)));
                    }
                }
                Notice::Revoke(named) => {
                    let partitions = self.partitions(&named);
                    info!(partitions = partitions.len(), "revoked");
                    // The answer may wait for long, and a leader be elected meanwhile.
                    self.seat_anew()?;
                    self.revocation = Some(Revocation::new(&partitions));
                    self.revoke_if_complete()?;
                    if !partitions.is_empty() {
                        return Ok(Some(Next::Revoked(partitions)));
                    }
                }
                Notice::Lose(named) => {
                    let partitions = self.partitions(&named);
                    warn!(partitions = partitions.len(), "the assignment was lost");
                    self.revocation = Some(Revocation::new(&partitions));
                    for partition in &partitions {
                        self.give_up(*partition);
                    }
                    self.revoke_if_complete()?;
                    if !partitions.is_empty() {
                        return Ok(Some(Next::Lost(partitions)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// librdkafka takes a loss for a revocation once partitions are added, as those of an earlier rebalance may be
    /// before this one is noticed; and if it is lost during a rebalance, it says nothing at first and revokes what
    /// is left once it has joined as another member. Whoever is not the member that was given them has lost them all.
    fn as_it_is(&self, notice: Notice) -> Notice {
        let membership = &self.membership;
        match notice {
            Notice::Revoke(named) if !membership.is_valid() || membership.is_another() => {
                Notice::Lose(named)
            }
            other => other,
        }
    }

    /// The group has given these to a member, beside those that it holds.
    fn hold(&mut self, partitions: &[InputPartition], member: Member) -> Result<(), Error> {
        if self.membership.is_not(&member) {
            return Err(Error::World(
                "the group let this member go during a rebalance and took it in as another one, with \
                 partitions that others may have counted meanwhile: start it again"
                    .into(),
            ));
        }
        self.held.extend(partitions);
        if !self.held.is_empty() {
            self.membership.hold(member);
        }
        Ok(())
    }

    /// Answers the revocation, if nothing of it is read any more.
    pub(super) fn revoke_if_complete(&mut self) -> Result<(), Error> {
        let Some(gone) = self.revocation.as_ref().and_then(Revocation::complete) else {
            return Ok(());
        };
        let mut list = TopicPartitionList::new();
        for partition in gone {
            add(&mut list, &self.topics, *partition, At::Invalid)?;
        }
        self.seat_anew()?;
        self.answer(self.consumer.incremental_unassign(&list))?;
        self.revocation = None;
        Ok(())
    }

    /// A refused answer leaves the member stuck in its rebalance.
    pub(super) fn answer(&self, given: Result<(), KafkaError>) -> Result<(), Error> {
        given.map_err(|error| Error::World(format!("the group's rebalance: {error}")))
    }

    /// Stops handing over a partition, which a revocation takes away.
    pub(super) fn give_up(&mut self, partition: InputPartition) {
        let was_read = self.reading.remove(&partition).is_some();
        self.stopped.remove(&partition);
        if let Some(revocation) = &mut self.revocation {
            revocation.note_given_up(partition, was_read);
        }
    }

    /// Leaves librdkafka without partitions and without a rebalance that waits for an answer.
    pub(super) fn give_back_everything(&mut self) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        for partition in self.reading.keys() {
            add(&mut list, &self.topics, *partition, At::Invalid)?;
        }
        if let Some(revocation) = self.revocation.take() {
            for partition in revocation.given_up() {
                add(&mut list, &self.topics, *partition, At::Invalid)?;
            }
        }
        self.reading.clear();
        self.answer(self.consumer.incremental_unassign(&list))?;
        serve(&self.consumer)?;
        let nothing = TopicPartitionList::new();
        while let Some(notice) = self.consumer.context().take_notice() {
            self.answer(match notice {
                Notice::Assign(_) => self.consumer.incremental_assign(&nothing),
                Notice::Revoke(_) | Notice::Lose(_) => self.consumer.incremental_unassign(&nothing),
            })?;
        }
        Ok(())
    }
}
