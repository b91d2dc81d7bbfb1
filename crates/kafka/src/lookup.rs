//! Questions to the brokers that read no records: watermarks, partition counts, ids of topics.
//!
//! Asked by a client that sees open transactions: to a read_committed client the end of a partition is
//! its last stable offset, and an open transaction would pass for silence. Every question waits a bounded
//! time; what can't be known within it is none.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use engine::Error;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tracing::debug;

use crate::cluster::Cluster;
use crate::context::Consumer;
use crate::native;
use crate::trouble::{code_of, stopping, stopping_code};

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A topic that is deleted and created anew is noticed after this at the latest.
const ID_KEPT: Duration = Duration::from_secs(5);

/// Lists of partitions that are asked about, by topic and number.
pub(crate) type Partitions<'a> = [(&'a str, u32)];

/// The client that asks.
pub(crate) struct Lookup {
    client: Consumer,
    ids: HashMap<String, ([u8; 16], Instant)>,
}

impl Lookup {
    /// Makes the client; it connects when it is asked.
    pub(crate) fn new(cluster: &Cluster) -> Result<Self, Error> {
        Ok(Self {
            client: cluster.observer()?,
            ids: HashMap::new(),
        })
    }

    /// The first offset that each log still has.
    pub(crate) fn lows(&mut self, of: &Partitions<'_>) -> Result<Option<Vec<i64>>, Error> {
        self.ends(of, Offset::Beginning)
    }

    /// The high watermark of each: behind the last record, of open transactions too.
    pub(crate) fn highs(&mut self, of: &Partitions<'_>) -> Result<Option<Vec<i64>>, Error> {
        self.ends(of, Offset::End)
    }

    /// All in one request per broker: the "times" -2 and -1 of Kafka's ListOffsets are the two ends.
    fn ends(&mut self, of: &Partitions<'_>, end: Offset) -> Result<Option<Vec<i64>>, Error> {
        self.serve()?;
        if of.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut list = TopicPartitionList::with_capacity(of.len());
        for (topic, partition) in of {
            list.add_partition_offset(topic, number(*partition), end)
                .map_err(|error| Error::World(format!("the ends of {topic}: {error}")))?;
        }
        let answer = match self.client.offsets_for_times(list, self.patience()) {
            Ok(answer) => answer,
            Err(error) => return unknown("the ends of partitions", &error),
        };
        self.client.context().note_answer();
        let mut offsets = Vec::with_capacity(of.len());
        for (topic, partition) in of {
            let Some(found) = answer.find_partition(topic, number(*partition)) else {
                return Ok(None);
            };
            if let Err(error) = found.error() {
                return unknown(&format!("the ends of {topic}"), &error);
            }
            match found.offset() {
                Offset::Offset(offset) => offsets.push(offset),
                _ => return Ok(None),
            }
        }
        Ok(Some(offsets))
    }

    /// How many partitions each topic has; none if any can't be known now.
    pub(crate) fn partition_counts(&mut self, topics: &[&str]) -> Result<Option<Vec<u32>>, Error> {
        self.serve()?;
        let mut counts = Vec::with_capacity(topics.len());
        for topic in topics {
            let metadata = match self.client.fetch_metadata(Some(topic), self.patience()) {
                Ok(metadata) => metadata,
                Err(error) => return unknown(&format!("the partitions of {topic}"), &error),
            };
            self.client.context().note_answer();
            let Some(found) = metadata
                .topics()
                .iter()
                .find(|found| found.name() == *topic)
            else {
                return Ok(None);
            };
            if let Some(error) = found.error() {
                let code = RDKafkaErrorCode::from(error);
                debug!(topic, "its partitions are not known: {code}");
                return stopping_code(&format!("the partitions of {topic}"), code)
                    .map_or(Ok(None), Err);
            }
            let count = u32::try_from(found.partitions().len()).unwrap_or(u32::MAX);
            if count == 0 {
                return Ok(None);
            }
            counts.push(count);
        }
        Ok(Some(counts))
    }

    /// The broker's ids of topics, as they were at most five seconds ago. Those that are older are asked for in one
    /// request.
    pub(crate) fn topic_ids<'a>(
        &mut self,
        topics: &[&'a str],
    ) -> Result<Option<HashMap<&'a str, [u8; 16]>>, Error> {
        self.serve()?;
        let is_kept = |topic: &&str| {
            let kept = self.ids.get(*topic);
            kept.is_some_and(|(_, asked_at)| asked_at.elapsed() < ID_KEPT)
        };
        let asked: Vec<&str> = topics.iter().copied().filter(|of| !is_kept(of)).collect();
        if !asked.is_empty() {
            match native::topic_ids(&self.client, &asked, self.patience()) {
                Ok(ids) => {
                    self.client.context().note_answer();
                    for (topic, id) in asked.into_iter().zip(ids) {
                        self.ids.insert(topic.to_owned(), (id, Instant::now()));
                    }
                }
                Err(code) => {
                    let topics = asked.join(", ");
                    debug!(topics, "ids of topics are not known: {code}");
                    let what = format!("the ids of {topics}");
                    return stopping_code(&what, code).map_or(Ok(None), Err);
                }
            }
        }
        let ids = topics.iter().map(|topic| (*topic, self.ids[*topic].0));
        Ok(Some(ids.collect()))
    }

    fn patience(&self) -> Duration {
        self.client.context().patience(ANSWER_WITHIN)
    }

    /// Lets callbacks run: the logs of a client that nobody polls pile up.
    fn serve(&self) -> Result<(), Error> {
        serve(&self.client)
    }
}

/// Lets the callbacks of a client run until there are none left, and looks whether the brokers refuse it or
/// librdkafka has given it up.
pub(crate) fn serve(client: &Consumer) -> Result<(), Error> {
    loop {
        let before = client.context().callbacks();
        match client.poll(Duration::ZERO) {
            // It would be lost: records come through the queues that their partitions are forwarded to.
            Some(Ok(message)) => {
                let (topic, partition) = (message.topic(), message.partition());
                return Err(Error::World(format!(
                    "a record of {topic} [{partition}] came past its queue"
                )));
            }
            // The context was told.
            Some(Err(error)) => debug!("{error}"),
            None if client.context().callbacks() == before => break,
            None => {}
        }
    }
    if let Some((code, reason)) = client.context().refusal()
        && let Some(error) = stopping_code(&reason, code)
    {
        return Err(error);
    }
    match native::fatal(client) {
        None => Ok(()),
        Some((RDKafkaErrorCode::FencedInstanceId, _)) => Err(Error::World(
            "fenced by a newer instance: another process uses the same group.instance.id".into(),
        )),
        Some((_, reason)) => Err(Error::World(reason)),
    }
}

/// Kafka counts partitions in 32 signed bits.
pub(crate) fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

fn unknown<T>(what: &str, error: &rdkafka::error::KafkaError) -> Result<Option<T>, Error> {
    debug!("{what}: {}", code_of(error));
    stopping(what, error).map_or(Ok(None), Err)
}
