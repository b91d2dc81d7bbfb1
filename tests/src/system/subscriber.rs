//! A plain consumer of one topic, read_committed, outside of any group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::SOON;
use crate::wait::wait_until;

/// How long a look waits for records.
const LOOK: Duration = Duration::from_millis(50);
/// How long the broker may take to say something about a topic.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in milliseconds, or none.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<String>,
    /// Its value; empty where it has none.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
}

/// Reads a topic from its beginning and keeps what it has read.
pub struct Subscriber {
    consumer: BaseConsumer,
    partitions: usize,
    /// Partitions that have been read to their end at least once.
    ended: BTreeSet<i32>,
    received: Vec<Received>,
}

impl Subscriber {
    /// # Panics
    /// If the topic is not there.
    pub(crate) fn new(bootstrap: &str, topic: &str) -> Self {
        let consumer = consumer(bootstrap, "read_committed");
        let partitions = partitions(&consumer, topic);
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            list.add_partition_offset(topic, *partition, Offset::Beginning)
                .expect("the beginning is an offset");
        }
        consumer.assign(&list).expect("partitions can be assigned");
        Self {
            consumer,
            partitions: partitions.len(),
            ended: BTreeSet::new(),
            received: Vec::new(),
        }
    }

    /// What has been read so far, after looking for more.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn look(&mut self) -> &[Received] {
        while let Some(read) = self.consumer.poll(LOOK) {
            match read {
                Ok(message) => self.received.push(received(&message)),
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.ended.insert(partition);
                }
                // Brokers that are away come back, and leaders that have moved are found.
                Err(error) if is_passing(&error) => {}
                Err(error) => panic!("a topic can't be read: {error}"),
            }
        }
        &self.received
    }

    /// Everything that a reader gets who begins now.
    ///
    /// # Panics
    /// If that takes more than a minute.
    pub fn read_to_end(mut self) -> Vec<Received> {
        wait_until("the topic was read to its end", SOON, || {
            self.look();
            self.ended.len() == self.partitions
        });
        self.received
    }
}

impl Received {
    /// A header.
    ///
    /// # Panics
    /// If it has no such header.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.get(name);
        found.unwrap_or_else(|| panic!("{:?} has no header {name}", self.key))
    }
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::OperationTimedOut
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
        )
    )
}

/// Whether a topic has a transaction that is neither committed nor aborted.
///
/// # Panics
/// If the broker does not tell.
pub fn open_transaction(bootstrap: &str, topic: &str) -> bool {
    let [stable, all] = ["read_committed", "read_uncommitted"].map(|isolation| {
        let consumer = consumer(bootstrap, isolation);
        partitions(&consumer, topic)
            .into_iter()
            .map(|partition| {
                let ends = consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN);
                ends.expect("the broker tells where a partition ends").1
            })
            .collect::<Vec<i64>>()
    });
    stable.iter().zip(&all).any(|(stable, all)| stable < all)
}

fn consumer(bootstrap: &str, isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "outsider")
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "50")
        .create()
        .expect("these properties make a consumer")
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_WITHIN);
    let metadata = metadata.expect("the broker describes its topics");
    let found = metadata.topics()[0].partitions();
    assert!(!found.is_empty(), "{topic} is not there");
    found.iter().map(|partition| partition.id()).collect()
}

fn received(message: &BorrowedMessage<'_>) -> Received {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().into_iter().flat_map(|all| all.iter());
    Received {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(text),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers
            .map(|header| {
                (
                    header.key.to_owned(),
                    text(header.value.unwrap_or_default()),
                )
            })
            .collect(),
    }
}
