//! Where input partitions begin: the timestamps of the first records that they still have.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Error;
use model::{InputPartition, Offset, Timestamp};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as At, TopicPartitionList};

use crate::cluster::Cluster;
use crate::lookup::{number, serve};
use crate::native::BatchQueue;
use crate::topics::Topics;
use crate::trouble::{code_of, unreadable};

/// How long the brokers may take to hand over a record of each.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// One record is wanted of each partition, so little is fetched ahead.
const TUNING: [(&str, &str); 3] = [
    ("queued.min.messages", "1"),
    ("fetch.message.max.bytes", "65536"),
    ("fetch.wait.max.ms", "100"),
];

/// The timestamp of the first committed record of each partition from an offset on, which is the first that its
/// log has; none where it has none.
///
/// # Errors
/// If a partition can't be read within half a minute.
pub fn first_timestamps(
    cluster: &Cluster,
    topics: &Topics,
    from: &[(InputPartition, Offset)],
) -> Result<BTreeMap<InputPartition, Option<Timestamp>>, Error> {
    let mut found = BTreeMap::new();
    if from.is_empty() {
        return Ok(found);
    }
    let consumer = Arc::new(cluster.reader("beginnings", &TUNING)?);
    let mut queue = BatchQueue::new(Arc::clone(&consumer), from.len());
    let failed = |error| Error::World(format!("the beginnings of the input: {}", code_of(&error)));
    let mut list = TopicPartitionList::with_capacity(from.len());
    for (partition, offset) in from {
        let (topic, partition) = (topics.input(*partition), number(partition.partition));
        queue.forward(topic, partition).map_err(failed)?;
        list.add_partition_offset(topic, partition, At::Offset(offset.0))
            .map_err(failed)?;
    }
    consumer.assign(&list).map_err(failed)?;
    let until = Instant::now() + READ_WITHIN;
    while found.len() < from.len() {
        serve(&consumer)?;
        for index in 0..queue.fetch(Duration::from_millis(100)) {
            let message = queue.message(index);
            let Some((partition, _)) = from.iter().find(|(partition, _)| {
                topics.input(*partition) == message.topic()
                    && number(partition.partition) == message.partition()
            }) else {
                continue;
            };
            match message.error() {
                None => {
                    found.entry(*partition).or_insert(message.timestamp());
                }
                Some(Code::PartitionEOF) => {
                    found.entry(*partition).or_insert(None);
                }
                Some(code) => {
                    let place = format!("{} [{}]", message.topic(), message.partition());
                    let remedy = "it was truncated while it was looked at, look again";
                    if let Some(error) = unreadable(&place, code, &message.error_text(), remedy) {
                        return Err(error);
                    }
                }
            }
        }
        if Instant::now() >= until {
            return Err(Error::World(
                "no broker hands over the first records of the input; try again".into(),
            ));
        }
    }
    Ok(found)
}
