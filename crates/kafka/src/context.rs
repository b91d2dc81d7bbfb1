//! What librdkafka tells its clients on its own: logs, errors, rebalances, deliveries.
//!
//! Callbacks only take note; whoever polls the client acts. A broker that is away is one line in the log
//! when that begins and one when it is over, whatever librdkafka says in between.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};
use tracing::{debug, error, info, warn};

use crate::trouble::{Trouble, code_of};

/// Every consumer of this crate.
pub(crate) type Consumer = Detached<BaseConsumer<Context>>;

/// Every producer of this crate.
pub(crate) type Producer = Detached<BaseProducer<Context>>;

/// Least time between two warnings of a connection that fails while others work.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// How long an answer is waited for while no broker can be reached. librdkafka goes on to connect in between.
const CUT_OFF_PATIENCE: Duration = Duration::from_millis(500);

/// A rebalance as the group announced it, not answered yet. Topics with their partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// These are to be taken.
    Assign(Vec<(String, i32)>),
    /// These are to be given back.
    Revoke(Vec<(String, i32)>),
    /// These belong to others already.
    Lose(Vec<(String, i32)>),
}

/// The notes of one client.
pub(crate) struct Context {
    client: &'static str,
    reach: Arc<Reach>,
    notices: Mutex<VecDeque<Notice>>,
    undelivered: Mutex<Option<RDKafkaErrorCode>>,
    refusal: Mutex<Option<(RDKafkaErrorCode, String)>>,
    is_leaving: AtomicBool,
    callbacks: AtomicU64,
}

impl Context {
    /// The notes of a client that the log calls `client`.
    pub(crate) fn new(client: &'static str, reach: Arc<Reach>) -> Self {
        Self {
            client,
            reach,
            notices: Mutex::default(),
            undelivered: Mutex::default(),
            refusal: Mutex::default(),
            is_leaving: AtomicBool::new(false),
            callbacks: AtomicU64::new(0),
        }
    }

    /// The oldest rebalance that was not taken yet.
    pub(crate) fn take_notice(&self) -> Option<Notice> {
        lock(&self.notices).pop_front()
    }

    /// Whether a rebalance waits to be taken.
    pub(crate) fn has_notice(&self) -> bool {
        !lock(&self.notices).is_empty()
    }

    /// Why the first record of those sent since the last call was not delivered.
    pub(crate) fn take_undelivered(&self) -> Option<RDKafkaErrorCode> {
        lock(&self.undelivered).take()
    }

    /// Why the brokers refuse this client, where only the operator can do something about it.
    pub(crate) fn refusal(&self) -> Option<(RDKafkaErrorCode, String)> {
        lock(&self.refusal).clone()
    }

    /// Missing rights are the operator's business. So is who the client says it is, unless that was good before:
    /// brokers that restart may not know everybody yet.
    fn note_refusal(&self, code: RDKafkaErrorCode, reason: &str) {
        use RDKafkaErrorCode as Code;
        let is_refused = match code {
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::ClusterAuthorizationFailed => true,
            _ => !self.reach.was_answered(),
        };
        if is_refused {
            lock(&self.refusal).get_or_insert((code, reason.to_owned()));
        }
    }

    /// From now on rebalances are answered in the callback: the consumer closes.
    pub(crate) fn begin_to_leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// The broker has answered.
    pub(crate) fn note_answer(&self) {
        self.reach.note_answer();
    }

    /// How long to wait for an answer: less than `usually` while no broker can be reached, so that the process
    /// can still be asked to stop.
    pub(crate) fn patience(&self, usually: Duration) -> Duration {
        if self.is_cut_off() {
            usually.min(CUT_OFF_PATIENCE)
        } else {
            usually
        }
    }

    /// Whether no broker can be reached.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.reach.is_lost()
    }

    /// Grows with every callback, so that a poller can tell whether it did anything.
    pub(crate) fn callbacks(&self) -> u64 {
        self.callbacks.load(Ordering::Relaxed)
    }

    fn count_callback(&self) {
        self.callbacks.fetch_add(1, Ordering::Relaxed);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.count_callback();
        let client = self.client;
        match facility {
            // Said again and better by `error`, or of no use to an operator: every client gets every
            // property of the configuration, and says which it has no use for.
            "FAIL" | "ERROR" | "REQTMOUT" | "CONFWARN" | "GETPID" | "PARTCNT" => {
                debug!(client, facility, "{message}");
            }
            _ => match level {
                RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                    error!(client, facility, "{message}");
                }
                RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
                    warn!(client, facility, "{message}");
                }
                RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                    debug!(client, facility, "{message}");
                }
            },
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.count_callback();
        let client = self.client;
        match code_of(&error) {
            // Said late, by a client whose connections are back: "0/3 brokers are down".
            RDKafkaErrorCode::AllBrokersDown if reason.starts_with("0/") => {}
            RDKafkaErrorCode::AllBrokersDown => self.reach.note_loss(client, reason),
            code => match Trouble::of(code) {
                Trouble::Passing => self.reach.note_failure(client, reason),
                trouble => {
                    if let Trouble::Setting(_) = trouble {
                        self.note_refusal(code, reason);
                    }
                    self.reach
                        .note_failure(client, &format!("{code}: {reason}"));
                }
            },
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.count_callback();
        if self.is_leaving.load(Ordering::Relaxed) {
            // Everything was given back before; the event waits for an answer all the same.
            let nothing = TopicPartitionList::new();
            let answer = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
                consumer.incremental_assign(&nothing)
            } else {
                consumer.incremental_unassign(&nothing)
            };
            if let Err(error) = answer {
                debug!("a rebalance while leaving was not answered: {error}");
            }
            return;
        }
        let named = partitions
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        let notice = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Notice::Assign(named)
        } else if consumer.assignment_lost() {
            Notice::Lose(named)
        } else {
            Notice::Revoke(named)
        };
        lock(&self.notices).push_back(notice);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            lock(&self.undelivered).get_or_insert(code_of(error));
        }
    }
}

/// Whether the brokers can be reached, as all clients of a process see it together.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    state: Mutex<Reached>,
}

#[derive(Debug, Default)]
struct Reached {
    lost_at: Option<Instant>,
    failed_at: Option<Instant>,
    was_answered: bool,
}

impl Reach {
    /// No broker answers a client.
    fn note_loss(&self, client: &str, reason: &str) {
        let mut state = lock(&self.state);
        if state.lost_at.is_none() {
            state.lost_at = Some(Instant::now());
            warn!(client, "no broker can be reached, trying again: {reason}");
        }
    }

    fn was_answered(&self) -> bool {
        lock(&self.state).was_answered
    }

    fn is_lost(&self) -> bool {
        lock(&self.state).lost_at.is_some()
    }

    /// One connection of a client has failed; others may work.
    fn note_failure(&self, client: &str, reason: &str) {
        let mut state = lock(&self.state);
        let is_repeated = state
            .failed_at
            .is_some_and(|at| at.elapsed() < REPEAT_AFTER);
        if state.lost_at.is_some() || is_repeated {
            debug!(client, "{reason}");
        } else {
            state.failed_at = Some(Instant::now());
            warn!(client, "trying again: {reason}");
        }
    }

    /// A broker has answered a client.
    fn note_answer(&self) {
        let mut state = lock(&self.state);
        state.was_answered = true;
        if let Some(lost_at) = state.lost_at.take() {
            state.failed_at = None;
            let seconds = lost_at.elapsed().as_secs();
            info!("a broker can be reached again after {seconds} s");
        }
    }
}

/// A poisoned lock means that another thread panicked; the notes are whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client that is ended on a thread of its own, since librdkafka may wait for brokers meanwhile.
pub(crate) struct Detached<T: Send + 'static>(Option<T>);

impl<T: Send> Detached<T> {
    /// Takes charge of ending `client`.
    pub(crate) fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send> Deref for Detached<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("taken by drop only")
    }
}

impl<T: Send> Drop for Detached<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        let ending = std::thread::Builder::new().name("kafka-end".into());
        if let Err(error) = ending.spawn(move || drop(client)) {
            debug!("a client was ended on the caller's thread: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_loss_and_one_return() {
        let reach = Reach::default();
        reach.note_loss("source", "1/1 brokers are down");
        let lost_at = lock(&reach.state).lost_at;
        assert!(lost_at.is_some());
        reach.note_loss("source", "1/1 brokers are down");
        reach.note_failure("producer", "connection refused");
        let state = lock(&reach.state);
        assert_eq!(state.lost_at, lost_at);
        assert!(state.failed_at.is_none());
        drop(state);
        reach.note_answer();
        assert!(lock(&reach.state).lost_at.is_none());
    }

    #[test]
    fn missing_rights_are_refusals_always_and_a_wrong_password_only_at_first() {
        let error = |code| KafkaError::Global(code);
        let context = Context::new("test", Arc::default());
        context.error(error(RDKafkaErrorCode::BrokerTransportFailure), "away");
        assert_eq!(context.refusal(), None);
        context.error(error(RDKafkaErrorCode::Authentication), "who is there?");
        let (code, reason) = context.refusal().unwrap();
        assert_eq!(code, RDKafkaErrorCode::Authentication);
        assert_eq!(reason, "who is there?");

        let context = Context::new("test", Arc::default());
        context.note_answer();
        context.error(error(RDKafkaErrorCode::Authentication), "who is there?");
        assert_eq!(context.refusal(), None);
        context.error(error(RDKafkaErrorCode::GroupAuthorizationFailed), "no");
        assert!(context.refusal().is_some());
    }

    #[test]
    fn the_first_undelivered_record_is_remembered_once() {
        let context = Context::new("test", Arc::default());
        assert_eq!(context.take_undelivered(), None);
        lock(&context.undelivered).get_or_insert(RDKafkaErrorCode::MessageTimedOut);
        lock(&context.undelivered).get_or_insert(RDKafkaErrorCode::PurgeQueue);
        assert_eq!(
            context.take_undelivered(),
            Some(RDKafkaErrorCode::MessageTimedOut)
        );
        assert_eq!(context.take_undelivered(), None);
    }
}
