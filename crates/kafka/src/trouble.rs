//! What an error of librdkafka's means: wait, correct a setting, or stop.

use engine::Error;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tracing::warn;

/// Who can do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody has to: it passes.
    Passing,
    /// The operator; what is to be done.
    Setting(&'static str),
    /// A restart may help.
    World,
}

impl Trouble {
    /// What an error code means, whichever request it answers.
    pub(crate) fn of(code: Code) -> Self {
        if passes(code) {
            return Self::Passing;
        }
        advice(code).map_or(Self::World, Self::Setting)
    }
}

/// Whether the brokers come to terms by themselves.
fn passes(code: Code) -> bool {
    use Code as C;
    matches!(
        code,
        C::BrokerTransportFailure
            | C::Resolve
            | C::AllBrokersDown
            | C::OperationTimedOut
            | C::TimedOutQueue
            | C::MessageTimedOut
            | C::WaitingForCoordinator
            | C::WaitCache
            | C::InProgress
            | C::PreviousInProgress
            | C::Retry
            | C::NodeUpdate
            | C::BrokerDestroy
            | C::DestroyBroker
            | C::Outdated
            | C::UnknownPartition
            | C::UnknownTopic
            | C::UnknownTopicOrPartition
            | C::UnknownTopicId
            | C::LeaderNotAvailable
            | C::NotLeaderForPartition
            | C::RequestTimedOut
            | C::BrokerNotAvailable
            | C::ReplicaNotAvailable
            | C::NetworkException
            | C::CoordinatorLoadInProgress
            | C::CoordinatorNotAvailable
            | C::NotCoordinator
            | C::NotController
            | C::NotEnoughReplicas
            | C::NotEnoughReplicasAfterAppend
            | C::RebalanceInProgress
            | C::KafkaStorageError
            | C::FencedLeaderEpoch
            | C::UnknownLeaderEpoch
            | C::OffsetNotAvailable
            | C::PreferredLeaderNotAvailable
            | C::EligibleLeadersNotAvailable
            | C::ConcurrentTransactions
            | C::UnstableOffsetCommit
            | C::ThrottlingQuotaExceeded
            | C::ListenerNotFound
            | C::RebootstrapRequired
    )
}

/// What the operator can do.
fn advice(code: Code) -> Option<&'static str> {
    use Code as C;
    match code {
        C::TopicAuthorizationFailed => Some(
            "grant the user Read on the input topics, Read and Write on partials and month-close, Write on dead letters, \
             and DescribeConfigs on all of them",
        ),
        C::GroupAuthorizationFailed => {
            Some("grant the user Read on the group, and for appmi reset Delete on the group")
        }
        C::TransactionalIdAuthorizationFailed => Some(
            "grant the user Write on transactional ids that begin with the group's id and a hyphen",
        ),
        C::ClusterAuthorizationFailed => Some("grant the user IdempotentWrite on the cluster"),
        C::Authentication
        | C::SaslAuthenticationFailed
        | C::UnsupportedSASLMechanism
        | C::IllegalSASLState => Some("check the sasl properties in [kafka.properties]"),
        C::SSL => Some("check the ssl properties in [kafka.properties]"),
        C::UnsupportedVersion | C::UnsupportedFeature => {
            Some("appmi needs Apache Kafka 2.8 or newer with message format 2")
        }
        C::MessageSizeTooLarge | C::MessageBatchTooLarge | C::InvalidMessageSize => Some(
            "set max.message.bytes of the topic to 1048588 or more: records have up to 512 KiB",
        ),
        C::InvalidTransactionTimeout => {
            Some("set transaction.max.timeout.ms of the brokers to 10000 or more")
        }
        C::InvalidRequiredAcks | C::PolicyViolation | C::InvalidConfig => {
            Some("the brokers refuse what appmi asks for")
        }
        _ => None,
    }
}

/// What stops the process, if `error` does: while it passes there is none.
pub(crate) fn stopping(what: &str, error: &KafkaError) -> Option<Error> {
    stopping_code(what, code_of(error))
}

/// As [`stopping`], of an error code.
pub(crate) fn stopping_code(what: &str, code: Code) -> Option<Error> {
    match Trouble::of(code) {
        Trouble::Passing => None,
        Trouble::Setting(advice) => Some(Error::Configuration(format!("{what}: {code}: {advice}"))),
        Trouble::World => Some(Error::World(format!("{what}: {code}"))),
    }
}

/// What an error that comes in place of a record means for whoever reads at `place`. What passes by itself
/// is none and has been logged. `remedy` is for a log that does not reach the position.
pub(crate) fn unreadable(place: &str, code: Code, text: &str, remedy: &str) -> Option<Error> {
    match code {
        code if is_beyond_the_log(code) => Some(Error::Contradiction(format!(
            "{place}: the log does not reach this position ({text}): {remedy}"
        ))),
        Code::BadMessage
        | Code::BadCompression
        | Code::NotImplemented
        | Code::InvalidMessage
        | Code::MessageSizeTooLarge
        | Code::InvalidMessageSize => Some(Error::Contradiction(format!(
            "{place}: a batch of records can't be read, and appmi skips nothing silently: {text}"
        ))),
        _ => {
            let stopping = stopping_code(place, code);
            if stopping.is_none() {
                warn!("{place}: {text}");
            }
            stopping
        }
    }
}

/// Whether an error says that a log does not reach where it is to be read.
pub(crate) fn is_beyond_the_log(code: Code) -> bool {
    matches!(
        code,
        Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation
    )
}

/// The code that an error carries; [`Code::Fail`] where it carries none.
pub(crate) fn code_of(error: &KafkaError) -> Code {
    if let KafkaError::Transaction(error) = error {
        return error.code();
    }
    error.rdkafka_error_code().unwrap_or(Code::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_away_stops_nothing() {
        for code in [
            Code::AllBrokersDown,
            Code::BrokerTransportFailure,
            Code::NotLeaderForPartition,
            Code::UnstableOffsetCommit,
            Code::CoordinatorNotAvailable,
            Code::DestroyBroker,
        ] {
            assert_eq!(stopping_code("reading", code), None, "{code:?}");
        }
    }

    #[test]
    fn what_an_operator_can_correct_says_how() {
        let error = stopping_code("reading", Code::GroupAuthorizationFailed);
        let Some(Error::Configuration(text)) = error else {
            panic!("{error:?}");
        };
        assert!(text.contains("grant the user Read on the group"), "{text}");
    }

    #[test]
    fn a_reader_never_goes_on_behind_what_it_could_not_read() {
        for code in [
            Code::AutoOffsetReset,
            Code::LogTruncation,
            Code::BadCompression,
            Code::BadMessage,
        ] {
            let error = unreadable("logins [0] at offset 7", code, "", "restore the topic");
            assert!(matches!(error, Some(Error::Contradiction(_))), "{error:?}");
        }
        let passing = unreadable("logins [0]", Code::NotLeaderForPartition, "", "");
        assert_eq!(passing, None);
    }

    #[test]
    fn what_nobody_foresaw_stops_the_process() {
        let error = stopping_code("reading", Code::Inconsistent);
        assert!(matches!(error, Some(Error::World(_))), "{error:?}");
    }
}
