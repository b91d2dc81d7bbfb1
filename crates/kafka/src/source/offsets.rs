//! The group's offsets, asked for beside the loop. The brokers answer only once no transaction that holds some
//! is pending, which takes ten seconds if its process has died, and the partitions that are counted here do
//! not wait for that.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use engine::Error;
use model::InputPartition;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use crate::context::Consumer;

/// How long one question may take; the engine asks again.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long the loop waits for an answer: as long as one takes that nothing stands in the way of.
const WAIT: Duration = Duration::from_millis(20);

type Answer = Result<TopicPartitionList, KafkaError>;

/// At most one question, and its answer.
#[derive(Default)]
pub(super) struct Offsets {
    asked: Option<Asked>,
}

struct Asked {
    partitions: Vec<InputPartition>,
    answer: Receiver<Answer>,
}

impl Offsets {
    /// The answer to the question about exactly these partitions; none while there is none, and asks if that was
    /// not done. An answer is given once.
    pub(super) fn ask(
        &mut self,
        consumer: &Arc<Consumer>,
        partitions: &[InputPartition],
        list: TopicPartitionList,
    ) -> Result<Option<Answer>, Error> {
        let is_asked = |asked: &Asked| asked.partitions == partitions;
        let answer = match self.asked.take().filter(is_asked) {
            Some(asked) => asked.answer,
            None => question(Arc::clone(consumer), list)?,
        };
        let given = match answer.try_recv() {
            Err(TryRecvError::Empty) => answer.recv_timeout(WAIT).ok(),
            given => given.ok(),
        };
        if given.is_none() {
            self.asked = Some(Asked {
                partitions: partitions.to_vec(),
                answer,
            });
        }
        Ok(given)
    }

    /// What was asked before a partition changed hands says nothing about what comes after: its former owner
    /// may have committed since.
    pub(super) fn forget(&mut self) {
        self.asked = None;
    }
}

fn question(consumer: Arc<Consumer>, list: TopicPartitionList) -> Result<Receiver<Answer>, Error> {
    let (give, answer) = mpsc::channel();
    let asking = thread::Builder::new().name("kafka-offsets".into());
    let spawned = asking.spawn(move || {
        let patience = consumer.context().patience(ANSWER_WITHIN);
        // Nobody may wait for it any more.
        let _ = give.send(consumer.committed_offsets(list, patience));
    });
    spawned.map_err(|error| Error::World(format!("a thread can't be started: {error}")))?;
    Ok(answer)
}
