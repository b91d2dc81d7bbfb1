//! A producer for tools that fill topics: loads, replays, tests. No part of the running of appmi.

use std::time::{Duration, Instant};

use engine::Error;
use model::Timestamp;
use rdkafka::producer::Producer as _;

use crate::cluster::Cluster;
use crate::context::Producer;
use crate::producing::{Outgoing, send};
use crate::trouble::code_of;

/// How long a full queue, a flush or a transaction is waited for.
const WITHIN: Duration = Duration::from_secs(60);

const TUNING: [(&str, &str); 6] = [
    ("compression.type", "zstd"),
    ("linger.ms", "20"),
    ("batch.size", "524288"),
    ("queue.buffering.max.messages", "200000"),
    ("queue.buffering.max.kbytes", "65536"),
    // The partition of a key as Kafka's own clients choose it.
    ("partitioner", "murmur2_random"),
];

/// A record to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadRecord<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Which partition; none lets the key decide, as in Kafka's own clients.
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [(&'a str, &'a str)],
    /// The record's time; none is now.
    pub timestamp: Option<Timestamp>,
}

/// An idempotent producer with back-pressure, in transactions if it was given an id for them.
pub struct Loader {
    producer: Producer,
}

impl Loader {
    /// A loader without transactions.
    ///
    /// # Errors
    /// If librdkafka refuses the configuration.
    pub fn new(cluster: &Cluster) -> Result<Self, Error> {
        Ok(Self {
            producer: cluster.producer("loader", &TUNING)?,
        })
    }

    /// A loader whose records are to be between [`begin`](Self::begin) and [`commit`](Self::commit) or
    /// [`abort`](Self::abort).
    ///
    /// # Errors
    /// If librdkafka refuses the configuration or the brokers the id.
    pub fn transactional(cluster: &Cluster, id: &str) -> Result<Self, Error> {
        let mut tuning = TUNING.to_vec();
        tuning.push(("transactional.id", id));
        let producer = cluster.producer("loader", &tuning)?;
        let taken = producer.init_transactions(WITHIN);
        taken.map_err(|error| Error::World(format!("taking the transactional id: {error}")))?;
        Ok(Self { producer })
    }

    /// Hands a record over; waits while the queue is full.
    ///
    /// # Errors
    /// If a record before it was not delivered, or the queue stays full for a minute.
    pub fn send(&mut self, record: &LoadRecord<'_>) -> Result<(), Error> {
        let outgoing = Outgoing {
            topic: record.topic,
            partition: record.partition,
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp: record.timestamp.map(Timestamp::as_millis),
        };
        send(&self.producer, &outgoing, Instant::now() + WITHIN)
            .map_err(|error| Error::World(format!("{}: {}", record.topic, code_of(&error))))?;
        self.delivered()
    }

    /// Waits until every record was delivered.
    ///
    /// # Errors
    /// If one was not, or that takes more than a minute.
    pub fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.producer.flush(WITHIN);
        self.delivered()?;
        flushed.map_err(|error| Error::World(format!("writing: {error}")))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// If the loader has no transactional id or the last transaction has not ended.
    pub fn begin(&mut self) -> Result<(), Error> {
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| Error::World(format!("beginning a transaction: {error}")))
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// If a record was not delivered or the brokers refuse.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.flush()?;
        let committed = self.producer.commit_transaction(WITHIN);
        committed.map_err(|error| Error::World(format!("committing: {error}")))
    }

    /// Aborts the transaction; what was sent in it stays in the log and is hidden from readers.
    ///
    /// # Errors
    /// If the brokers refuse or do not answer.
    pub fn abort(&mut self) -> Result<(), Error> {
        self.flush()?;
        let aborted = self.producer.abort_transaction(WITHIN);
        aborted.map_err(|error| Error::World(format!("aborting: {error}")))
    }

    fn delivered(&self) -> Result<(), Error> {
        match self.producer.context().take_undelivered() {
            None => Ok(()),
            Some(code) => Err(Error::World(format!("a record was not delivered: {code}"))),
        }
    }
}
