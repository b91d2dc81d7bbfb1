//! What an operator can look at and do to a deployment beside appmi: the group's offsets, the ends of
//! topics, and their records.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use wire::partials::{self, PartialKey};
use wire::v1;

use super::SOON;
use super::deployment::Deployment;
use super::subscriber::{Subscriber, open_transaction};
use crate::Broker;
use crate::wait::wait_until;

/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// An operator with Kafka's own means.
pub struct Operator {
    config: ClientConfig,
    /// Names the deployment's group and is no member of it.
    consumer: BaseConsumer,
    inputs: Vec<(String, i32)>,
    bootstrap: String,
    partials: String,
    dead_letters: String,
}

impl Operator {
    /// Of a deployment whose input topics are there.
    ///
    /// # Panics
    /// If the broker does not describe them.
    pub fn new(broker: &Broker, deployment: &Deployment) -> Self {
        Self::at(&broker.bootstrap(), deployment)
    }

    /// As [`new`](Self::new), of a deployment on any brokers.
    ///
    /// # Panics
    /// If they do not describe the input topics.
    pub fn of(deployment: &Deployment) -> Self {
        Self::at(&deployment.bootstrap, deployment)
    }

    fn at(bootstrap: &str, deployment: &Deployment) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("group.id", deployment.cluster.group_id())
            .set("isolation.level", "read_uncommitted");
        let consumer: BaseConsumer = config.create().expect("these properties make a consumer");
        let mut inputs = Vec::new();
        for topic in &deployment.topics.inputs {
            let metadata = consumer.fetch_metadata(Some(topic), ANSWER_WITHIN);
            let metadata = metadata.expect("the broker describes its topics");
            let partitions = metadata.topics()[0].partitions().iter();
            inputs.extend(partitions.map(|partition| (topic.clone(), partition.id())));
        }
        Self {
            config,
            consumer,
            inputs,
            bootstrap: bootstrap.to_owned(),
            partials: deployment.topics.partials.clone(),
            dead_letters: deployment.topics.dead_letters.clone(),
        }
    }

    /// The group's offset of an input partition; none where it has none, or while nobody knows.
    pub fn committed(&self, topic: &str, partition: i32) -> Option<i64> {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let committed = self.consumer.committed_offsets(list, ANSWER_WITHIN).ok()?;
        match committed.elements().first()?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// The high watermark of an input partition; none while the broker does not tell.
    pub fn high(&self, topic: &str, partition: i32) -> Option<i64> {
        let ends = self
            .consumer
            .fetch_watermarks(topic, partition, ANSWER_WITHIN);
        ends.ok().map(|(_, high)| high)
    }

    /// Whether the group's offset is at the end of every input partition that has a record, and what was
    /// committed with it can be read: everything is in checkpoints.
    pub fn has_counted_all(&self) -> bool {
        let is_at_end = self.inputs.iter().all(|(topic, partition)| {
            let high = self.high(topic, *partition);
            high == Some(0) || high.is_some() && high == self.committed(topic, *partition)
        });
        // The markers of a transaction reach its topics one by one.
        let owned = [&self.partials, &self.dead_letters];
        is_at_end
            && owned
                .iter()
                .all(|topic| !open_transaction(&self.bootstrap, topic))
    }

    /// Sets the group's offset by hand, which the brokers allow once the group has no members: one that ended
    /// without leaving is a member until its session is over.
    ///
    /// # Panics
    /// If they do not within a minute.
    pub fn move_offset(&self, topic: &str, partition: i32, to: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(to))
            .expect("a plain offset");
        wait_until(
            "the group has no members and its offset is moved",
            SOON,
            || self.consumer.commit(&list, CommitMode::Sync).is_ok(),
        );
    }

    /// Adds partitions to an input topic.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn add_partitions(&self, topic: &str, total: usize) {
        let admin: AdminClient<DefaultClientContext> =
            self.config.create().expect("an admin client can be made");
        let new = NewPartitions::new(topic, total);
        let added = block_on(admin.create_partitions([&new], &AdminOptions::new()));
        let added = added.expect("the broker adds partitions");
        assert!(added.iter().all(Result::is_ok), "{added:?}");
    }

    /// Writes a record, as anybody may who has the rights.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn write(&self, topic: &str, partition: i32, key: &str, value: &[u8]) {
        let producer: BaseProducer = self.config.create().expect("a producer can be made");
        let record = BaseRecord::to(topic).partition(partition);
        let sent = producer.send(record.key(key).payload(value));
        sent.map_err(|(error, _)| error).expect("there is room");
        producer.flush(ANSWER_WITHIN).expect("the broker takes it");
    }

    /// A transaction that has written to a topic and stays open: a read_committed reader comes no further.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn hold_up(&self, topic: &str, partition: i32) -> HeldUp {
        let mut config = self.config.clone();
        config.set("transactional.id", crate::unique("held-up"));
        config.set("transaction.timeout.ms", "120000");
        let producer: BaseProducer = config.create().expect("a producer can be made");
        let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic).partition(partition);
        producer
            .init_transactions(ANSWER_WITHIN)
            .and_then(|()| producer.begin_transaction())
            .and_then(|()| {
                producer
                    .send(record.key("nobody reads it"))
                    .map_err(|(error, _)| error)
            })
            .and_then(|()| producer.flush(ANSWER_WITHIN))
            .expect("the broker takes it");
        HeldUp { producer }
    }

    /// Deletes the records of an input partition that stand before an offset.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn truncate(&self, topic: &str, partition: i32, before: i64) {
        let admin: AdminClient<DefaultClientContext> =
            self.config.create().expect("an admin client can be made");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .expect("a plain offset");
        let deleted = block_on(admin.delete_records(&list, &AdminOptions::new()));
        let deleted = deleted.expect("the broker deletes records");
        for element in deleted.elements() {
            element.error().expect("the broker deletes records");
        }
    }

    /// What the partials topic says to somebody who reads it from its beginning now.
    pub fn partials(&self) -> Partials {
        let received = Subscriber::new(&self.bootstrap, &self.partials).read_to_end();
        let records = received.len();
        let mut latest = BTreeMap::new();
        for record in received {
            let key = record.key.expect("every partial has a key");
            latest.insert(key, record.value);
        }
        Partials { records, latest }
    }
}

/// See [`Operator::hold_up`].
pub struct HeldUp {
    producer: BaseProducer,
}

impl HeldUp {
    /// Aborts the transaction.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn let_go(self) {
        let aborted = self.producer.abort_transaction(ANSWER_WITHIN);
        aborted.expect("the broker aborts it");
    }
}

/// The partials topic as it is read from its beginning.
#[derive(Debug)]
pub struct Partials {
    /// Records that a reader has to read.
    pub records: usize,
    /// The latest value of every key, empty for a tombstone.
    latest: BTreeMap<String, Vec<u8>>,
}

impl Partials {
    /// What an input partition's owner last published of it.
    ///
    /// # Panics
    /// If it can't be read.
    pub fn progress(&self, kind: &str, partition: u32) -> Option<v1::Progress> {
        let value = self.latest.get(&format!("{kind}/{partition}/progress"))?;
        Some(partials::decode(value).expect("progress can be read"))
    }

    /// Events of a kind in all cells, and those carried below the floors.
    ///
    /// # Panics
    /// If a record can't be read.
    pub fn events(&self, of: &str) -> u64 {
        let mut events = 0;
        let values = self.latest.iter().filter(|(_, value)| !value.is_empty());
        for (key, value) in values {
            match PartialKey::decode(key.as_bytes()).expect("a key of the contract") {
                PartialKey::Count { kind, .. } if kind == of => {
                    events += partials::decode::<v1::Count>(value)
                        .expect("a count")
                        .events;
                }
                PartialKey::Progress { kind, .. } if kind == of => {
                    let progress = partials::decode::<v1::Progress>(value).expect("progress");
                    events += progress.all_time_below_floor;
                }
                _ => {}
            }
        }
        events
    }

    /// The first month of which anything is left in the log, be it a tombstone.
    ///
    /// # Panics
    /// If there is a key that appmi does not write.
    pub fn first_month_in_log(&self) -> Option<String> {
        let months = self.latest.keys().filter_map(|key| {
            match PartialKey::decode(key.as_bytes()).expect("a key of the contract") {
                PartialKey::Count { month, .. } | PartialKey::Page { month, .. } => Some(month),
                _ => None,
            }
        });
        months.min().map(|month| month.to_string())
    }
}

/// Waits for one future on this thread; rdkafka completes it from a thread of its own.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
