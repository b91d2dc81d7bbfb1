//! The reader of the partials and the month-close topic: all partitions, from given offsets, outside of
//! the group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Error;
use engine::ports::{self, Published, PublishedBatch, PublishedRecord};
use model::{Offset, Timestamp};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as At, TopicPartitionList};

use crate::cluster::Cluster;
use crate::context::Consumer;
use crate::lookup::{Lookup, number, serve};
use crate::native::{BatchQueue, Message};
use crate::topics::Topics;
use crate::trouble::unreadable;

/// Most bytes of keys and values in one batch, but for the last fetch.
const BATCH_BYTES: usize = 4 << 20;

/// Messages taken from librdkafka at once: a window's slice is 2 KiB and a page at most 4 KiB, so up to 2 MiB as a rule.
const FETCH_MESSAGES: usize = 512;

/// How long the brokers may take to say what a start needs to know.
const START_WITHIN: Duration = Duration::from_secs(10);

const TUNING: [(&str, &str); 6] = [
    ("queued.min.messages", "20000"),
    ("queued.max.messages.kbytes", "8192"),
    ("fetch.message.max.bytes", "1048576"),
    ("fetch.max.bytes", "4194304"),
    ("fetch.queue.backoff.ms", "20"),
    // The end of a partition with nothing new is told only after this.
    ("fetch.wait.max.ms", "100"),
];

/// Reads what was published.
pub struct Journal {
    topics: Topics,
    cluster: Cluster,
    partition_counts: (u32, u32),
    reader: Option<Reader>,
    lookup: Lookup,
}

/// A consumer that reads from one start on. A new start has a new one: a partition that is assigned anew
/// forgets, some time later, which queue it was forwarded to.
struct Reader {
    consumer: Arc<Consumer>,
    queue: BatchQueue,
}

impl Journal {
    /// A reader of both topics, which must be there.
    ///
    /// # Errors
    /// [`Error::Configuration`] if a topic is missing, [`Error::World`] if no broker says within ten
    /// seconds.
    pub fn new(cluster: &Cluster, topics: Topics) -> Result<Self, Error> {
        let mut lookup = Lookup::new(cluster)?;
        let names = [topics.partials.as_str(), topics.month_close.as_str()];
        let counts = insist("the partitions of partials and month-close", || {
            lookup.partition_counts(&names)
        })?;
        Ok(Self::of(cluster, topics, (counts[0], counts[1]), lookup))
    }

    /// A reader of the partials topic alone, to which it does not matter how the other one stands.
    ///
    /// # Errors
    /// As [`Journal::new`].
    pub fn of_partials(cluster: &Cluster, topics: Topics) -> Result<Self, Error> {
        let mut lookup = Lookup::new(cluster)?;
        let counts = insist("the partitions of partials", || {
            lookup.partition_counts(&[&topics.partials])
        })?;
        Ok(Self::of(cluster, topics, (counts[0], 0), lookup))
    }

    fn of(cluster: &Cluster, topics: Topics, partition_counts: (u32, u32), lookup: Lookup) -> Self {
        Self {
            topics,
            cluster: cluster.clone(),
            partition_counts,
            reader: None,
            lookup,
        }
    }

    fn all(&self) -> Vec<Published> {
        let (partials, month_close) = self.partition_counts;
        let partials = (0..partials).map(Published::Partials);
        partials
            .chain((0..month_close).map(Published::MonthClose))
            .collect()
    }

    fn place(topics: &Topics, at: Published) -> (&str, u32) {
        match at {
            Published::Partials(partition) => (&topics.partials, partition),
            Published::MonthClose(partition) => (&topics.month_close, partition),
        }
    }
}

impl Reader {
    /// Adds the messages that the queue holds; their bytes.
    fn take(
        &self,
        topics: &Topics,
        batch: &mut PublishedBatch,
        positions: &mut BTreeMap<Published, Offset>,
    ) -> Result<usize, Error> {
        let mut bytes = 0;
        for index in 0..self.queue.len() {
            let message = self.queue.message(index);
            let Some(at) = published(topics, message) else {
                continue;
            };
            match message.error() {
                None => {
                    let record = record(at, message);
                    bytes += record.key.len() + record.value.as_ref().map_or(0, Vec::len);
                    positions.insert(at, Offset(message.offset() + 1));
                    batch.records.push(record);
                }
                Some(Code::PartitionEOF) => {
                    positions.insert(at, Offset(message.offset()));
                }
                Some(code) => {
                    let place = format!("{} [{}]", message.topic(), message.partition());
                    let remedy = "delete the state directory";
                    if let Some(error) = unreadable(&place, code, &message.error_text(), remedy) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(bytes)
    }
}

fn published(topics: &Topics, message: Message<'_>) -> Option<Published> {
    let partition = u32::try_from(message.partition()).ok()?;
    match message.topic() {
        topic if topic == topics.partials => Some(Published::Partials(partition)),
        topic if topic == topics.month_close => Some(Published::MonthClose(partition)),
        _ => None,
    }
}

fn record(at: Published, message: Message<'_>) -> PublishedRecord {
    PublishedRecord {
        at,
        offset: Offset(message.offset()),
        timestamp: message.timestamp().unwrap_or(Timestamp::MIN),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

/// Asks until there is an answer, for at most [`START_WITHIN`].
fn insist<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>, Error>) -> Result<T, Error> {
    let until = Instant::now() + START_WITHIN;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= until {
            return Err(Error::World(format!("no broker tells {what}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl ports::Journal for Journal {
    fn partition_counts(&self) -> (u32, u32) {
        self.partition_counts
    }

    fn start(&mut self, from: &[(Published, Offset)]) -> Result<(), Error> {
        let all = self.all();
        let asked: Vec<(&str, u32)> = all
            .iter()
            .map(|at| Self::place(&self.topics, *at))
            .collect();
        let lows = insist("where partials and month-close begin", || {
            self.lookup.lows(&asked)
        })?;
        let highs = insist("where partials and month-close end", || {
            self.lookup.highs(&asked)
        })?;
        let from: BTreeMap<Published, Offset> = from.iter().copied().collect();
        let known: BTreeSet<Published> = all.iter().copied().collect();
        let failed = |error| Error::World(format!("reading what was published: {error}"));
        let consumer = Arc::new(self.cluster.reader("journal", &TUNING)?);
        let queue = BatchQueue::new(Arc::clone(&consumer), FETCH_MESSAGES);
        let mut list = TopicPartitionList::with_capacity(all.len());
        if let Some(strange) = from.keys().find(|at| !known.contains(at)) {
            return Err(Error::Contradiction(format!(
                "the state knows {strange:?}, which is not there any more"
            )));
        }
        for (at, (low, high)) in all.iter().zip(lows.into_iter().zip(highs)) {
            let (topic, partition) = Self::place(&self.topics, *at);
            let begin = from.get(at).map_or(low, |offset| offset.0);
            if begin > high {
                return Err(Error::Contradiction(format!(
                    "{topic} [{partition}] ends at {high}, but it was read to {begin}: it is another topic of the same name, or it was truncated"
                )));
            }
            queue.forward(topic, number(partition)).map_err(failed)?;
            // What lies before the beginning of a compacted log was deleted on purpose.
            list.add_partition_offset(topic, number(partition), At::Offset(begin.max(low)))
                .map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        self.reader = Some(Reader { consumer, queue });
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<PublishedBatch, Error> {
        let mut batch = PublishedBatch::default();
        let Some(reader) = &mut self.reader else {
            return Ok(batch);
        };
        serve(&reader.consumer)?;
        let mut positions = BTreeMap::new();
        let (mut bytes, mut wait) = (0, wait);
        while bytes < BATCH_BYTES && reader.queue.fetch(wait) > 0 {
            bytes += reader.take(&self.topics, &mut batch, &mut positions)?;
            wait = Duration::ZERO;
        }
        if !positions.is_empty() {
            reader.consumer.context().note_answer();
        }
        batch.positions = positions.into_iter().collect();
        Ok(batch)
    }

    fn topic_ids(&mut self) -> Result<Option<[[u8; 16]; 2]>, Error> {
        let topics = [&*self.topics.partials, &*self.topics.month_close];
        let ids = self.lookup.topic_ids(&topics)?;
        Ok(ids.map(|ids| topics.map(|topic| ids[topic])))
    }

    fn ends(&mut self) -> Result<Option<Vec<(Published, Offset)>>, Error> {
        let all = self.all();
        let asked: Vec<(&str, u32)> = all
            .iter()
            .map(|at| Self::place(&self.topics, *at))
            .collect();
        let highs = self.lookup.highs(&asked)?;
        Ok(highs.map(|highs| all.into_iter().zip(highs.into_iter().map(Offset)).collect()))
    }
}
