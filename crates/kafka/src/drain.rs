//! A bare reader of topics, for benches and tools: the floor under what any consumer of them costs.

use std::sync::Arc;
use std::time::Duration;

use engine::Error;
use engine::ports::RUN_RECORDS_MAX;
use model::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as At, TopicPartitionList};

use crate::cluster::Cluster;
use crate::context::Consumer;
use crate::lookup::{Lookup, number, serve};
use crate::native::BatchQueue;
use crate::source;
use crate::trouble::{code_of, stopping_code};

/// A record as it is read, borrowed until the next batch.
#[derive(Debug, Clone, Copy)]
pub struct Drained<'a> {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: Offset,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub payload: &'a [u8],
    /// Its `content-type` header, if that was asked for.
    pub content_type: Option<&'a [u8]>,
}

/// Reads every partition of a topic from its beginning, outside of any group, read_committed, with the
/// tuning of the [`Source`](crate::Source).
pub struct Drain {
    consumer: Arc<Consumer>,
    queue: BatchQueue,
    with_content_type: bool,
}

impl Drain {
    /// Begins to read; a content type costs a look at the headers of every record.
    ///
    /// # Errors
    /// If the topic is missing or librdkafka refuses.
    pub fn new(cluster: &Cluster, topic: &str, with_content_type: bool) -> Result<Self, Error> {
        let mut lookup = Lookup::new(cluster)?;
        let counts = lookup.partition_counts(&[topic])?;
        let Some(count) = counts.map(|counts| counts[0]) else {
            return Err(Error::Configuration(format!(
                "the topic {topic} is missing"
            )));
        };
        let consumer = Arc::new(cluster.reader("drain", &source::TUNING)?);
        let queue = BatchQueue::new(Arc::clone(&consumer), RUN_RECORDS_MAX);
        let failed = |error| Error::World(format!("{topic}: {}", code_of(&error)));
        let mut list = TopicPartitionList::new();
        for partition in 0..count {
            queue.forward(topic, number(partition)).map_err(failed)?;
            list.add_partition_offset(topic, number(partition), At::Beginning)
                .map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        Ok(Self {
            consumer,
            queue,
            with_content_type,
        })
    }

    /// Shows what has come, after at most `wait`; how many records that was.
    ///
    /// # Errors
    /// What stops a reader.
    pub fn poll(
        &mut self,
        wait: Duration,
        mut show: impl FnMut(Drained<'_>),
    ) -> Result<usize, Error> {
        serve(&self.consumer)?;
        let mut count = 0;
        for index in 0..self.queue.fetch(wait) {
            let message = self.queue.message(index);
            match message.error() {
                None => {
                    count += 1;
                    show(Drained {
                        partition: u32::try_from(message.partition()).unwrap_or_default(),
                        offset: Offset(message.offset()),
                        key: message.key(),
                        payload: message.payload().unwrap_or_default(),
                        content_type: self
                            .with_content_type
                            .then(|| message.header(c"content-type"))
                            .flatten(),
                    });
                }
                Some(Code::PartitionEOF) => {}
                Some(code) => {
                    if let Some(error) = stopping_code(message.topic(), code) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(count)
    }
}
