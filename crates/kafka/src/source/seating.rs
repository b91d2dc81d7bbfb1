//! librdkafka is sent to where reading is, since it may believe to be elsewhere.
//!
//! During a rebalance it pauses every partition and goes on from what it believes to have been
//! consumed. Of a batch it takes the offset of *every* message plus one, that of an end of partition
//! too, and would skip the next record. So before a rebalance is answered, each partition whose last
//! message was not a record is sent back to where it really is.

use std::time::Duration;

use engine::Error;
use engine::ports::{Bounds, Source as _};
use model::{InputPartition, Offset};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as At, TopicPartitionList};
use tracing::debug;

use super::reading::Reading;
use super::{Source, add};
use crate::lookup::serve;
use crate::trouble::code_of;

/// How long librdkafka may take to go back in partitions that it reads; it asks nobody.
const SEEK_WITHIN: Duration = Duration::from_secs(5);

impl Source {
    /// Sends partitions back to where they are, if librdkafka believes them to be elsewhere. To be called
    /// before whatever may answer a rebalance, those included that were not noticed yet.
    pub(super) fn seat_anew(&mut self) -> Result<(), Error> {
        for index in self.next..self.queue.len() {
            let message = self.queue.message(index);
            if message.error().is_some()
                && let Some(partition) = self.partition(message.topic(), message.partition())
                && let Some(reading) = self.reading.get_mut(&partition)
            {
                reading.note_error();
            }
        }
        let mut list = TopicPartitionList::new();
        for (partition, reading) in &mut self.reading {
            if let Some(position) = reading.take_doubt() {
                add(&mut list, &self.topics, *partition, At::Offset(position))?;
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        debug!(partitions = list.count(), "seated anew before a rebalance");
        // Without waiting: the resumption that the answer brings is queued behind it.
        let sought = self.consumer.seek_partitions(list, Duration::ZERO);
        self.answer(sought.map(drop))
    }

    /// Goes on from these offsets in partitions that are read. Waits until librdkafka has done so: what it had
    /// fetched before is then known to be outdated, and never comes after what it fetches now.
    pub(super) fn send_to(&mut self, to: &[(InputPartition, Offset)]) -> Result<(), Error> {
        let mut list = TopicPartitionList::with_capacity(to.len());
        for (partition, offset) in to {
            if !self.stopped.contains(partition) {
                add(&mut list, &self.topics, *partition, At::Offset(offset.0))?;
            }
        }
        if list.count() > 0 {
            let sought = self.consumer.seek_partitions(list, SEEK_WITHIN);
            let failed = |error| Error::World(format!("going back in an input topic: {error}"));
            for element in sought.map_err(failed)?.elements() {
                match element.error() {
                    // It has stopped, and that was not told yet.
                    Err(error) if code_of(&error) == Code::State => {
                        let partition = self.partition(element.topic(), element.partition());
                        self.stopped.extend(partition);
                    }
                    other => other.map_err(failed)?,
                }
            }
        }
        for (partition, offset) in to {
            let reading = Reading::sent_to(offset.0, self.batch + 1);
            self.reading.insert(*partition, reading);
        }
        Ok(())
    }

    /// Begins anew what librdkafka has stopped by mistake, unless a rebalance waits, which that would answer.
    pub(super) fn begin_again(&mut self) -> Result<(), Error> {
        let must_wait = self.revocation.is_some() || self.consumer.context().has_notice();
        if self.stopped.is_empty() || must_wait {
            return Ok(());
        }
        let mut none = TopicPartitionList::new();
        let mut list = TopicPartitionList::new();
        let stopped = std::mem::take(&mut self.stopped);
        for partition in &stopped {
            let Some(reading) = self.reading.get_mut(partition) else {
                continue;
            };
            *reading = Reading::new(reading.position(), self.batch + 1);
            let position = At::Offset(reading.position());
            add(&mut none, &self.topics, *partition, At::Invalid)?;
            add(&mut list, &self.topics, *partition, position)?;
        }
        self.seat_anew()?;
        self.answer(self.consumer.incremental_unassign(&none))?;
        self.answer(self.consumer.incremental_assign(&list))?;
        serve(&self.consumer)?;
        if self.consumer.context().has_notice() {
            return Err(Error::World(
                "the group's partitions changed hands while one was assigned anew, which librdkafka may have taken for \
                 the answer: start it again"
                    .into(),
            ));
        }
        // Not before: to be taken away has ended the forwarding, and nothing else.
        stopped
            .into_iter()
            .try_for_each(|partition| self.forward(partition))
    }

    /// Whether a partition's log has the position, as far as is known. librdkafka may complain of another one: a new
    /// leader is asked about where librdkafka believes to be.
    pub(super) fn may_reach(
        &mut self,
        partition: InputPartition,
        position: Offset,
    ) -> Result<bool, Error> {
        let bounds = self.bounds(&[partition])?;
        let may_be = |bounds: Vec<Bounds>| (bounds[0].low..=bounds[0].high).contains(&position);
        Ok(bounds.is_none_or(may_be))
    }
}
