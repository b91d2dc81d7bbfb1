//! One transaction at a time, and what it means when it fails.
//!
//! A producer that can't be trusted any more (fatal errors, an unknown outcome, an abort that failed) is
//! thrown away and made anew for the next transaction; making it aborts whatever it left open.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use engine::Error;
use engine::ports::CommitError;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};
use tracing::{debug, warn};

use crate::cluster::Cluster;
use crate::context::Producer;
use crate::lookup::number;
use crate::trouble::code_of;

mod failure;

use failure::{Failure, Stage, Verdict};

/// The brokers abort a transaction that is open for longer. Until then its records, and everything behind
/// them, are hidden from readers, so a process that dies holds up the others for this long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a transaction may take on our side: less, so that the brokers do not abort it before us.
const COMMIT_WITHIN: Duration = Duration::from_secs(7);

/// How long librdkafka may be late with its own answer.
const OVERDUE: Duration = Duration::from_millis(500);

/// How long an abort may take before the producer is given up instead.
const ABORT_WITHIN: Duration = Duration::from_secs(2);

/// How long the brokers may take to name a producer.
const INIT_WITHIN: Duration = Duration::from_secs(4);

/// How long a broker that could not be reached may take to show that it can.
const PROBE_WITHIN: Duration = Duration::from_millis(500);

/// A transaction of 24 MiB and 60,000 records fits, with some to spare for what librdkafka keeps of each.
const TUNING: [(&str, &str); 8] = [
    ("transaction.timeout.ms", "10000"),
    ("message.timeout.ms", "10000"),
    ("compression.type", "zstd"),
    ("linger.ms", "5"),
    ("batch.size", "524288"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "49152"),
    ("socket.timeout.ms", "8000"),
];

/// A record to be written.
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<u32>,
    pub(crate) key: Option<&'a [u8]>,
    /// None is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// Milliseconds; none is now.
    pub(crate) timestamp: Option<i64>,
}

/// The offsets that a transaction commits, and the proof that it may.
pub(crate) struct Offsets {
    pub(crate) list: TopicPartitionList,
    pub(crate) proof: ConsumerGroupMetadata,
}

/// A producer of transactions under one id.
pub(crate) struct Transactor {
    cluster: Cluster,
    client: &'static str,
    id: String,
    /// Shared with the thread that commits offsets.
    producer: Option<Arc<Producer>>,
    /// Whether the brokers have given the producer its id.
    is_ready: bool,
}

impl Transactor {
    /// Names the id; the producer is made when it is needed.
    pub(crate) fn new(cluster: &Cluster, client: &'static str, id: &str) -> Self {
        Self {
            cluster: cluster.clone(),
            client,
            id: id.to_owned(),
            producer: None,
            is_ready: false,
        }
    }

    /// Takes the id anew, which fences whoever has it and aborts what it left open.
    pub(crate) fn take(&mut self) -> Result<(), CommitError> {
        if self.is_ready {
            self.give_up();
        }
        let producer = match self.producer.take() {
            // One that was not answered in time goes on where it was.
            Some(producer) => producer,
            None => {
                let mut tuning = TUNING.to_vec();
                tuning.push(("transactional.id", &self.id));
                Arc::new(self.cluster.producer(self.client, &tuning)?)
            }
        };
        let patience = producer.context().patience(INIT_WITHIN);
        // With a connection. Without one librdkafka looks for the coordinator again half a second later, and every
        // release takes its id anew.
        if let Err(error) = producer.client().fetch_metadata(None, PROBE_WITHIN) {
            debug!("no broker yet: {error}");
        }
        let initialised = producer.init_transactions(patience);
        producer.poll(Duration::ZERO);
        let producer = self.producer.insert(producer);
        match initialised {
            Ok(()) => {
                producer.context().note_answer();
                self.is_ready = true;
                Ok(())
            }
            Err(error) => Err(self.failed(Stage::Init, &Failure::from(&error), Duration::ZERO)),
        }
    }

    /// Gives the producer up: the id must be taken anew.
    pub(crate) fn give_up(&mut self) {
        self.producer = None;
        self.is_ready = false;
    }

    /// Whether the id was taken and nothing has gone wrong since.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Writes the records and commits the offsets in one transaction; takes the id first, if it must.
    pub(crate) fn commit<'a>(
        &mut self,
        records: impl Iterator<Item = Outgoing<'a>>,
        offsets: Option<Offsets>,
    ) -> Result<(), CommitError> {
        if !self.is_ready {
            self.take()?;
        }
        let producer = self.producer.as_ref().expect("a ready one is there");
        if is_out_of_reach(producer) {
            // Nothing was begun, so nothing is in doubt later.
            return Err(CommitError::Aborted("no broker can be reached".to_owned()));
        }
        let begun = Instant::now();
        let outcome = run(producer, records, offsets, begun + COMMIT_WITHIN);
        let Err((stage, failure)) = outcome else {
            producer.context().note_answer();
            return Ok(());
        };
        Err(self.failed(stage, &failure, begun.elapsed()))
    }

    /// Brings the producer into a state to go on from, and says what became of the transaction.
    fn failed(&mut self, stage: Stage, failure: &Failure, after: Duration) -> CommitError {
        let verdict = failure::judge(stage, failure, after >= TRANSACTION_TIMEOUT);
        let text = format!("{stage}: {}", failure.text);
        debug!(id = self.id, ?verdict, "transaction failed: {text}");
        let is_kept = match verdict {
            Verdict::Abort | Verdict::AbortForeign => self.abort(),
            Verdict::Untouched => true,
            Verdict::Replace | Verdict::Fenced | Verdict::Setting(_) | Verdict::World => false,
        };
        if !is_kept {
            self.give_up();
        }
        match verdict {
            Verdict::Untouched => CommitError::Aborted(text),
            Verdict::Abort if is_kept => CommitError::Aborted(text),
            Verdict::Abort | Verdict::Replace => CommitError::Unknown(text),
            Verdict::AbortForeign => CommitError::NotMember(text),
            Verdict::Fenced => {
                let id = &self.id;
                Error::World(format!(
                    "fenced by a newer instance: another process uses the transactional id {id}"
                ))
                .into()
            }
            Verdict::Setting(advice) => Error::Configuration(format!("{text}: {advice}")).into(),
            Verdict::World => Error::World(text).into(),
        }
    }

    fn abort(&self) -> bool {
        let Some(producer) = &self.producer else {
            return false;
        };
        let until = Instant::now() + ABORT_WITHIN;
        // Records on their way have to be waited for: their sequence numbers are taken. Those that were
        // not sent need not. The reports of both have to be taken, which is what a flush does.
        producer.purge(PurgeConfig::default().queue());
        let aborted = producer
            .flush(until.saturating_duration_since(Instant::now()))
            .and_then(|()| {
                producer.abort_transaction(until.saturating_duration_since(Instant::now()))
            });
        let _ = producer.context().take_undelivered();
        if let Err(error) = &aborted {
            warn!("a transaction could not be aborted, its producer is replaced: {error}");
        }
        aborted.is_ok()
    }
}

/// Whether no broker could be reached lately and none can be now.
fn is_out_of_reach(producer: &Producer) -> bool {
    if !producer.context().is_cut_off() {
        return false;
    }
    let probed = producer.client().fetch_metadata(None, PROBE_WITHIN);
    if probed.is_ok() {
        producer.context().note_answer();
    }
    producer.poll(Duration::ZERO);
    probed.is_err()
}

/// All of a transaction; where it failed, and with what.
fn run<'a>(
    producer: &Arc<Producer>,
    records: impl Iterator<Item = Outgoing<'a>>,
    offsets: Option<Offsets>,
    until: Instant,
) -> Result<(), (Stage, Failure)> {
    let left = || until.saturating_duration_since(Instant::now());
    let at = |stage| move |error: KafkaError| (stage, Failure::from(&error));
    let _ = producer.context().take_undelivered();
    producer.begin_transaction().map_err(at(Stage::Begin))?;
    for record in records {
        send(producer, &record, until).map_err(at(Stage::Send))?;
    }
    if let Some(offsets) = offsets {
        send_offsets(producer, offsets, left()).map_err(|failure| (Stage::Offsets, failure))?;
    }
    // Serves the delivery reports. librdkafka would wait for them without taking them.
    producer.flush(left()).map_err(at(Stage::Send))?;
    if let Some(code) = producer.context().take_undelivered() {
        // Of a transaction that has failed the records are thrown away. Why it has is told by the refusal to
        // commit it.
        if matches!(code, Code::PurgeQueue | Code::PurgeInflight) {
            producer
                .commit_transaction(left())
                .map_err(at(Stage::Send))?;
        }
        return Err((Stage::Send, Failure::undelivered(code)));
    }
    producer
        .commit_transaction(left())
        .map_err(at(Stage::Commit))
}

/// librdkafka does not keep to the time that it is given for this: cut off at the wrong moment it waits until a broker
/// is back. So it waits on a thread of its own, and the producer is given up if it does so for too long.
fn send_offsets(
    producer: &Arc<Producer>,
    offsets: Offsets,
    within: Duration,
) -> Result<(), Failure> {
    let (give, sent) = mpsc::channel();
    let theirs = Arc::clone(producer);
    let sending = thread::Builder::new().name("kafka-offsets-out".into());
    let spawned = sending.spawn(move || {
        let Offsets { list, proof } = offsets;
        // Nobody may wait for it any more.
        let _ = give.send(theirs.send_offsets_to_transaction(&list, &proof, within));
    });
    if let Err(error) = spawned {
        return Err(Failure::late(format!("a thread can't be started: {error}")));
    }
    match sent.recv_timeout(within + OVERDUE) {
        Ok(sent) => sent.map_err(|error| Failure::from(&error)),
        Err(_) => Err(Failure::late("no broker has answered in time".to_owned())),
    }
}

/// Hands a record to librdkafka, waiting while its queue is full.
pub(crate) fn send(
    producer: &Producer,
    record: &Outgoing<'_>,
    until: Instant,
) -> Result<(), KafkaError> {
    let mut out = BaseRecord::<[u8], [u8]>::to(record.topic);
    out.partition = record.partition.map(number);
    out.key = record.key;
    out.payload = record.value;
    out.timestamp = record.timestamp;
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header {
                key,
                value: Some(*value),
            });
        }
        out.headers = Some(headers);
    }
    loop {
        match producer.send(out) {
            Ok(()) => return Ok(()),
            Err((error, back)) => {
                if code_of(&error) != Code::QueueFull || Instant::now() >= until {
                    return Err(error);
                }
                out = back;
                producer.poll(Duration::from_millis(10));
            }
        }
    }
}
