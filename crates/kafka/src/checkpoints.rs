//! Checkpoints: partials, dead letters and the group's offsets in one transaction.

use engine::Error;
use engine::ports::{self, CommitError, DeadLetter, Partial, Transaction};
use model::InputPartition;
use rdkafka::{Offset, TopicPartitionList};
use tracing::debug;
use wire::headers;

use crate::cluster::Cluster;
use crate::lookup::number;
use crate::membership::Membership;
use crate::producing::{Offsets, Outgoing, Transactor};
use crate::topics::Topics;

/// The producer of checkpoints, under an id that is drawn at each start of the process: the group
/// membership fences partitions, not the id.
pub struct Checkpoints {
    topics: Topics,
    membership: Membership,
    transactor: Transactor,
}

impl Checkpoints {
    /// Checkpoints of the member that `membership` proves. Connects when the id is taken.
    #[must_use]
    pub fn new(
        cluster: &Cluster,
        transactional_id: &str,
        membership: Membership,
        topics: Topics,
    ) -> Self {
        Self {
            topics,
            membership,
            transactor: Transactor::new(cluster, "checkpoints", transactional_id),
        }
    }

    /// Takes the transactional id, which ends what a former process of the same static member has left open:
    /// until that is ended nobody can go on from the offsets that it holds. While the brokers do not answer nothing
    /// is taken, and the first commit does it.
    ///
    /// # Errors
    /// What the process can't go on after.
    pub fn take(&mut self) -> Result<(), Error> {
        match self.transactor.take() {
            Ok(()) => Ok(()),
            Err(CommitError::Fatal(error)) => Err(error),
            Err(error) => {
                debug!("the transactional id of the checkpoints is taken later: {error}");
                Ok(())
            }
        }
    }

    fn offsets(&self, of: &[(InputPartition, model::Offset)]) -> Result<Offsets, CommitError> {
        let unknown = |error| CommitError::Aborted(format!("naming offsets: {error}"));
        let mut list = TopicPartitionList::with_capacity(of.len());
        for (partition, offset) in of {
            let topic = self.topics.input(*partition);
            list.add_partition_offset(topic, number(partition.partition), Offset::Offset(offset.0))
                .map_err(unknown)?;
        }
        let proof = self.membership.proof().ok_or_else(|| {
            CommitError::NotMember("the group does not know this member".to_owned())
        })?;
        Ok(Offsets { list, proof })
    }
}

impl ports::Checkpoints for Checkpoints {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        let offsets = self.offsets(&transaction.offsets)?;
        let letters: Vec<Letter<'_>> = transaction
            .dead_letters
            .iter()
            .map(|letter| Letter::new(&self.topics, letter))
            .collect();
        let letter_headers: Vec<[(&str, &str); 4]> = letters.iter().map(Letter::headers).collect();
        let partials = transaction
            .partials
            .iter()
            .map(|partial| outgoing(&self.topics.partials, partial));
        let letters = letters
            .iter()
            .zip(&letter_headers)
            .map(|(letter, headers)| Outgoing {
                topic: &self.topics.dead_letters,
                partition: None,
                key: None,
                value: Some(letter.payload),
                headers,
                timestamp: None,
            });
        self.transactor
            .commit(partials.chain(letters), Some(offsets))
    }
}

fn outgoing<'a>(topic: &'a str, partial: &'a Partial) -> Outgoing<'a> {
    Outgoing {
        topic,
        partition: Some(partial.partition),
        key: Some(&partial.key),
        value: partial.value.as_deref(),
        headers: &[],
        timestamp: None,
    }
}

/// A dead letter with its coordinates as text.
struct Letter<'a> {
    reason: &'static str,
    topic: &'a str,
    partition: String,
    offset: String,
    payload: &'a [u8],
}

impl<'a> Letter<'a> {
    fn new(topics: &'a Topics, letter: &'a DeadLetter) -> Self {
        Self {
            reason: letter.reason.as_str(),
            topic: topics.input(letter.partition),
            partition: letter.partition.partition.to_string(),
            offset: letter.offset.to_string(),
            payload: letter.payload.as_deref().unwrap_or_default(),
        }
    }

    fn headers(&self) -> [(&str, &str); 4] {
        [
            (headers::DEAD_LETTER_REASON, self.reason),
            (headers::DEAD_LETTER_TOPIC, self.topic),
            (headers::DEAD_LETTER_PARTITION, &self.partition),
            (headers::DEAD_LETTER_OFFSET, &self.offset),
        ]
    }
}
