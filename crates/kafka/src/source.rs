//! The input topics and the group that shares them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Error;
use engine::ports::{self, Bounds, Input, RUN_RECORDS_MAX, Record};
use model::{InputPartition, KindId, Offset};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as At, TopicPartitionList};
use tracing::{debug, info, warn};

use crate::cluster::Cluster;
use crate::context::Consumer;
use crate::lookup::{Lookup, number, serve};
use crate::membership::Membership;
use crate::native::BatchQueue;
use crate::trouble::{code_of, is_beyond_the_log, stopping, unreadable};

mod closing;
mod offsets;
mod reading;
mod rebalancing;
mod seating;

use offsets::Offsets;
use reading::{Reading, Revocation};

/// How long the batch queue is waited on before the main queue is looked at again: a rebalance is noticed
/// within this.
const SLICE: Duration = Duration::from_millis(50);

/// What to do about a log that does not reach a partition's position.
const REMEDY: &str = "it was truncated, or kept for less time than appmi was away; \
                      restore the topic, or recount from what is left with appmi reset";

/// Bounds what is fetched ahead: librdkafka spends about 600 bytes on each queued record, however small, and
/// stops to fetch from a partition when either of the two is reached, so what an answer holds of it comes on top,
/// unpacked.
pub(crate) const TUNING: [(&str, &str); 6] = [
    ("queued.min.messages", "4096"),
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.message.max.bytes", "131072"),
    ("fetch.max.bytes", "2097152"),
    // A queue that was full is looked at again soon: the default of a second would be a pause of a second.
    ("fetch.queue.backoff.ms", "20"),
    ("fetch.wait.max.ms", "250"),
];

/// The member of the group, reading its partitions through one queue.
pub struct Source {
    topics: Vec<String>,
    consumer: Arc<Consumer>,
    membership: Membership,
    /// What the group has given to this member and the engine has not given back.
    held: BTreeSet<InputPartition>,
    queue: BatchQueue,
    lookup: Lookup,
    offsets: Offsets,
    /// What the engine reads, and only that: librdkafka has the same partitions.
    reading: BTreeMap<InputPartition, Reading>,
    /// What librdkafka has stopped reading by mistake. It must not be sought there: that fails.
    stopped: BTreeSet<InputPartition>,
    revocation: Option<Revocation>,
    /// Numbers the batches, so that what was fetched before an assignment is not handed over after it.
    batch: u64,
    /// The first message of the batch that was not handed over yet.
    next: usize,
    has_left: bool,
}

/// What is handed over, before anything is borrowed.
enum Next {
    Nothing,
    Run(InputPartition, Range<usize>),
    End(InputPartition, Offset),
    Assigned(Vec<InputPartition>),
    Revoked(Vec<InputPartition>),
    Lost(Vec<InputPartition>),
}

impl Source {
    /// A member that has not joined yet. `topics` are the input topics by kind.
    ///
    /// # Errors
    /// If librdkafka refuses the configuration.
    pub fn new(cluster: &Cluster, topics: Vec<String>) -> Result<Self, Error> {
        let consumer = Arc::new(cluster.member(&TUNING)?);
        Ok(Self {
            topics,
            queue: BatchQueue::new(Arc::clone(&consumer), RUN_RECORDS_MAX),
            membership: Membership::new(Arc::clone(&consumer)),
            held: BTreeSet::new(),
            consumer,
            lookup: Lookup::new(cluster)?,
            offsets: Offsets::default(),
            reading: BTreeMap::new(),
            stopped: BTreeSet::new(),
            revocation: None,
            batch: 0,
            next: 0,
            has_left: false,
        })
    }

    /// What checkpoints prove to the group that they may commit.
    #[must_use]
    pub fn membership(&self) -> Membership {
        self.membership.clone()
    }

    /// What happened next; of rebalances only, unless records are wanted.
    fn next(&mut self, wait: Duration, wants_records: bool) -> Result<Next, Error> {
        let until = Instant::now() + wait;
        loop {
            serve(&self.consumer)?;
            if let Some(next) = self.rebalance()? {
                return Ok(next);
            }
            self.begin_again()?;
            while wants_records && self.next < self.queue.len() {
                if let Some(next) = self.hand_over()? {
                    return Ok(next);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if !wants_records {
                // librdkafka fetches ahead until its own limits are reached.
                if left.is_zero() {
                    return Ok(Next::Nothing);
                }
                std::thread::sleep(left.min(SLICE));
                continue;
            }
            self.batch += 1;
            self.next = 0;
            if self.queue.fetch(left.min(SLICE)) > 0 {
                self.consumer.context().note_answer();
            } else if left.is_zero() {
                return Ok(Next::Nothing);
            }
        }
    }

    fn input(&self, next: Next) -> Input<'_> {
        match next {
            Next::Nothing => Input::Nothing,
            Next::End(partition, position) => Input::End {
                partition,
                position,
            },
            Next::Assigned(partitions) => Input::Assigned(partitions),
            Next::Revoked(partitions) => Input::Revoked(partitions),
            Next::Lost(partitions) => Input::Lost(partitions),
            Next::Run(partition, range) => Input::Run {
                partition,
                records: range
                    .map(|index| {
                        let message = self.queue.message(index);
                        Record {
                            offset: Offset(message.offset()),
                            timestamp: message.timestamp(),
                            content_type: message.header(c"content-type"),
                            payload: message.payload().unwrap_or_default(),
                        }
                    })
                    .collect(),
            },
        }
    }

    /// Looks at the next message of the batch; none if there is nothing in it for the engine.
    fn hand_over(&mut self) -> Result<Option<Next>, Error> {
        let first = self.next;
        let message = self.queue.message(first);
        let partition = self.partition(message.topic(), message.partition());
        if let Some(code) = message.error() {
            self.next += 1;
            return match partition {
                Some(partition) => self.end_or_error(first, partition, code),
                None if code == Code::PartitionEOF => Ok(None),
                None => unreadable("the input topics", code, &message.error_text(), REMEDY)
                    .map_or(Ok(None), Err),
            };
        }
        let mut last = first;
        while last + 1 < self.queue.len()
            && last + 1 - first < RUN_RECORDS_MAX
            && self.queue.message(last + 1).is_beside(message)
            && self.queue.message(last + 1).error().is_none()
        {
            last += 1;
        }
        let last_offset = self.queue.message(last).offset();
        self.next = last + 1;
        let batch = self.batch;
        let Some((partition, reading)) = partition
            .and_then(|partition| Some((partition, self.reading.get_mut(&partition)?)))
            .filter(|(_, reading)| reading.is_of(batch))
        else {
            return Ok(None);
        };
        // A partition that was paused while its records were taken is fetched again from before them.
        let mut from = first;
        while from <= last && self.queue.message(from).offset() < reading.position() {
            from += 1;
        }
        reading.note_records(last_offset);
        Ok((from <= last).then_some(Next::Run(partition, from..last + 1)))
    }

    fn end_or_error(
        &mut self,
        index: usize,
        partition: InputPartition,
        code: Code,
    ) -> Result<Option<Next>, Error> {
        let message = self.queue.message(index);
        let batch = self.batch;
        let Some(reading) = self
            .reading
            .get_mut(&partition)
            .filter(|reading| reading.is_of(batch))
        else {
            return Ok(None);
        };
        if code == Code::PartitionEOF {
            let position = reading.note_end(message.offset());
            return Ok(Some(Next::End(partition, Offset(position))));
        }
        let (position, was_doubtful) = (Offset(reading.position()), reading.was_doubtful());
        reading.note_error();
        let (topic, number) = (message.topic(), message.partition());
        let place = format!("{topic} [{number}] at offset {position}");
        let text = message.error_text();
        if was_doubtful && is_beyond_the_log(code) && self.may_reach(partition, position)? {
            info!("{place}: read again from here: {text}");
            self.stopped.insert(partition);
            return Ok(None);
        }
        unreadable(&place, code, &text, REMEDY).map_or(Ok(None), Err)
    }

    fn partition(&self, topic: &str, partition: i32) -> Option<InputPartition> {
        let kind = self.topics.iter().position(|name| name == topic)?;
        Some(InputPartition {
            kind: KindId(u8::try_from(kind).ok()?),
            partition: u32::try_from(partition).ok()?,
        })
    }

    fn partitions(&self, named: &[(String, i32)]) -> Vec<InputPartition> {
        named
            .iter()
            .filter_map(|(topic, partition)| self.partition(topic, *partition))
            .collect()
    }

    /// Lets a partition's records come through the queue, each time before it is assigned.
    fn forward(&self, partition: InputPartition) -> Result<(), Error> {
        let topic = self.topic(partition);
        let forwarded = self.queue.forward(topic, number(partition.partition));
        forwarded.map_err(|error| Error::World(format!("{topic}: {error}")))
    }

    fn topic(&self, partition: InputPartition) -> &str {
        &self.topics[usize::from(partition.kind.0)]
    }
}

fn add(
    list: &mut TopicPartitionList,
    topics: &[String],
    partition: InputPartition,
    at: At,
) -> Result<(), Error> {
    let topic = &topics[usize::from(partition.kind.0)];
    list.add_partition_offset(topic, number(partition.partition), at)
        .map_err(|error| Error::World(format!("{topic} [{}]: {error}", partition.partition)))
}

impl ports::Source for Source {
    fn join(&mut self) -> Result<(), Error> {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.consumer
            .subscribe(&topics)
            .map_err(|error| Error::World(format!("joining the group: {error}")))
    }

    fn poll(&mut self, wait: Duration) -> Result<Input<'_>, Error> {
        let next = self.next(wait, true)?;
        Ok(self.input(next))
    }

    fn poll_group(&mut self, wait: Duration) -> Result<Input<'_>, Error> {
        let next = self.next(wait, false)?;
        Ok(self.input(next))
    }

    fn assign(&mut self, from: &[(InputPartition, Offset)]) -> Result<(), Error> {
        self.offsets.forget();
        let (again, new): (Vec<_>, Vec<_>) = from
            .iter()
            .copied()
            .partition(|(partition, _)| self.reading.contains_key(partition));
        self.send_to(&again)?;
        let mut list = TopicPartitionList::with_capacity(new.len());
        for (partition, offset) in &new {
            self.forward(*partition)?;
            add(&mut list, &self.topics, *partition, At::Offset(offset.0))?;
        }
        if list.count() > 0 {
            self.seat_anew()?;
            self.answer(self.consumer.incremental_assign(&list))?;
        }
        for (partition, offset) in new {
            let reading = Reading::new(offset.0, self.batch + 1);
            self.reading.insert(partition, reading);
        }
        Ok(())
    }

    fn unassign(&mut self, partitions: &[InputPartition]) -> Result<(), Error> {
        self.offsets.forget();
        self.held
            .retain(|partition| !partitions.contains(partition));
        if self.held.is_empty() {
            self.membership.hold_nothing();
        }
        for partition in partitions {
            self.give_up(*partition);
        }
        self.revoke_if_complete()
    }

    fn committed(
        &mut self,
        partitions: &[InputPartition],
    ) -> Result<Option<Vec<Option<Offset>>>, Error> {
        if partitions.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            add(&mut list, &self.topics, *partition, At::Invalid)?;
        }
        // A read_committed client asks for stable offsets: librdkafka tries again while a transaction
        // that holds some is pending.
        let Some(answer) = self.offsets.ask(&self.consumer, partitions, list)? else {
            return Ok(None);
        };
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                debug!("the group's offsets are not known: {}", code_of(&error));
                return stopping("the group's offsets", &error).map_or(Ok(None), Err);
            }
        };
        self.consumer.context().note_answer();
        let mut offsets = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let topic = self.topic(*partition);
            let Some(element) = found.find_partition(topic, number(partition.partition)) else {
                return Ok(None);
            };
            if let Err(error) = element.error() {
                return stopping("the group's offsets", &error).map_or(Ok(None), Err);
            }
            offsets.push(match element.offset() {
                At::Offset(offset) => Some(Offset(offset)),
                _ => None,
            });
        }
        Ok(Some(offsets))
    }

    fn bounds(&mut self, partitions: &[InputPartition]) -> Result<Option<Vec<Bounds>>, Error> {
        let of: Vec<(&str, u32)> = partitions
            .iter()
            .map(|partition| {
                let topic = &self.topics[usize::from(partition.kind.0)];
                (topic.as_str(), partition.partition)
            })
            .collect();
        let topics: BTreeSet<&str> = of.iter().map(|(topic, _)| *topic).collect();
        let topics: Vec<&str> = topics.into_iter().collect();
        let Some(lows) = self.lookup.lows(&of)? else {
            return Ok(None);
        };
        let Some(highs) = self.lookup.highs(&of)? else {
            return Ok(None);
        };
        let Some(ids) = self.lookup.topic_ids(&topics)? else {
            return Ok(None);
        };
        let bounds = of.iter().zip(lows.into_iter().zip(highs));
        let bounds = bounds.map(|((topic, _), (low, high))| Bounds {
            low: Offset(low),
            high: Offset(high),
            topic_id: ids[topic],
        });
        Ok(Some(bounds.collect()))
    }

    fn partition_counts(&mut self) -> Result<Option<Vec<u32>>, Error> {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.lookup.partition_counts(&topics)
    }

    fn is_member(&mut self) -> bool {
        // Rebalances that wait in librdkafka are not known before its queue is served.
        serve(&self.consumer).is_ok()
            && !self.has_left
            && !self.consumer.context().has_notice()
            && self.membership.is_valid()
            && !self.membership.is_another()
    }

    fn leave(&mut self) {
        if std::mem::replace(&mut self.has_left, true) {
            return;
        }
        if let Err(error) = self.give_back_everything() {
            debug!("leaving: {error}");
        }
        if !closing::close(&self.consumer) {
            warn!("the group did not answer; it finds out by itself that this member is gone");
        }
    }
}
