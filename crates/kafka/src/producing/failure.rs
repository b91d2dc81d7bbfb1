//! What became of a transaction that failed: a function of where it failed and with what.

use std::fmt;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::trouble::{Trouble, code_of};

/// The steps of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The id is taken.
    Init,
    /// Nothing was sent yet.
    Begin,
    /// Records are sent.
    Send,
    /// The group's offsets are sent.
    Offsets,
    /// The brokers may have been told to commit.
    Commit,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "taking the transactional id",
            Self::Begin => "beginning a transaction",
            Self::Send => "writing",
            Self::Offsets => "committing offsets",
            Self::Commit => "committing",
        })
    }
}

/// An error, with what librdkafka says of it beside its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) is_fatal: bool,
    pub(super) requires_abort: bool,
    pub(super) text: String,
}

impl Failure {
    /// Whether no answer came in time.
    fn is_late(&self) -> bool {
        matches!(
            self.code,
            Code::OperationTimedOut | Code::TimedOutQueue | Code::MessageTimedOut
        )
    }

    /// No answer in time.
    pub(super) fn late(text: String) -> Self {
        Self {
            code: Code::OperationTimedOut,
            is_fatal: false,
            requires_abort: false,
            text,
        }
    }

    /// A record that did not reach the brokers.
    pub(super) fn undelivered(code: Code) -> Self {
        Self {
            code,
            is_fatal: false,
            requires_abort: true,
            text: format!("a record was not delivered: {code}"),
        }
    }
}

impl From<&KafkaError> for Failure {
    fn from(error: &KafkaError) -> Self {
        let (is_fatal, requires_abort, text) = match error {
            KafkaError::Transaction(error) => {
                (error.is_fatal(), error.txn_requires_abort(), error.string())
            }
            other => (code_of(other) == Code::Fatal, false, other.to_string()),
        };
        Self {
            code: code_of(error),
            is_fatal,
            requires_abort,
            text,
        }
    }
}

/// What is to be done, and so what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing was begun; it may be tried again.
    Untouched,
    /// Abort it; then nothing of it happened.
    Abort,
    /// Abort it: the group no longer knows the member.
    AbortForeign,
    /// Replace the producer: nobody knows what happened.
    Replace,
    /// Another process has the id.
    Fenced,
    /// The operator has to do something.
    Setting(&'static str),
    /// The process can't go on.
    World,
}

/// Judges a failure. `is_overdue`: it came after the time that the brokers give a transaction, so that they
/// have fenced the producer themselves.
pub(super) fn judge(stage: Stage, failure: &Failure, is_overdue: bool) -> Verdict {
    match failure.code {
        Code::ProducerFenced | Code::Fenced | Code::InvalidProducerEpoch
            if failure.is_fatal && !is_overdue =>
        {
            return Verdict::Fenced;
        }
        Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::FencedInstanceId
        | Code::FencedMemberEpoch
        | Code::StaleMemberEpoch
            if stage == Stage::Offsets =>
        {
            return Verdict::AbortForeign;
        }
        // The brokers forgot the id, unused for a week. librdkafka calls that abortable.
        Code::UnknownProducerId | Code::InvalidProducerIdMapping => return Verdict::Replace,
        _ => {}
    }
    let trouble = Trouble::of(failure.code);
    if let Trouble::Setting(advice) = trouble {
        return Verdict::Setting(advice);
    }
    if failure.is_fatal {
        return Verdict::Replace;
    }
    match stage {
        Stage::Init if trouble == Trouble::Passing => Verdict::Untouched,
        Stage::Init => Verdict::World,
        Stage::Begin => Verdict::Replace,
        // An abort would not be answered either, and a process that is asked to stop has no time to wait.
        Stage::Send | Stage::Offsets if failure.is_late() => Verdict::Replace,
        Stage::Send | Stage::Offsets => Verdict::Abort,
        Stage::Commit if failure.requires_abort => Verdict::Abort,
        Stage::Commit => Verdict::Replace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABORTABLE: bool = true;

    fn failure(code: Code, is_fatal: bool, requires_abort: bool) -> Failure {
        Failure {
            code,
            is_fatal,
            requires_abort,
            text: String::new(),
        }
    }

    #[test]
    fn a_newer_instance_is_recognised_while_the_brokers_would_still_have_waited() {
        let fenced = failure(Code::Fenced, true, false);
        assert_eq!(judge(Stage::Commit, &fenced, false), Verdict::Fenced);
        assert_eq!(judge(Stage::Send, &fenced, false), Verdict::Fenced);
    }

    #[test]
    fn a_transaction_that_the_brokers_timed_out_costs_the_producer_only() {
        let fenced = failure(Code::Fenced, true, false);
        assert_eq!(judge(Stage::Offsets, &fenced, true), Verdict::Replace);
    }

    #[test]
    fn a_lost_membership_is_told_apart_from_what_may_be_tried_again() {
        for code in [
            Code::IllegalGeneration,
            Code::UnknownMemberId,
            Code::FencedInstanceId,
        ] {
            let failure = failure(code, false, ABORTABLE);
            assert_eq!(
                judge(Stage::Offsets, &failure, false),
                Verdict::AbortForeign
            );
        }
        let passing = failure(Code::RebalanceInProgress, false, ABORTABLE);
        assert_eq!(judge(Stage::Offsets, &passing, false), Verdict::Abort);
    }

    #[test]
    fn a_commit_without_an_answer_has_an_unknown_outcome() {
        let late = failure(Code::OperationTimedOut, false, false);
        assert_eq!(judge(Stage::Commit, &late, false), Verdict::Replace);
        let refused = failure(Code::OperationTimedOut, false, ABORTABLE);
        assert_eq!(judge(Stage::Commit, &refused, false), Verdict::Abort);
    }

    #[test]
    fn what_was_never_told_to_commit_can_be_aborted() {
        let undelivered = Failure::undelivered(Code::NotEnoughReplicas);
        assert_eq!(judge(Stage::Send, &undelivered, false), Verdict::Abort);
        let failed = failure(Code::CoordinatorNotAvailable, false, ABORTABLE);
        assert_eq!(judge(Stage::Offsets, &failed, false), Verdict::Abort);
    }

    #[test]
    fn brokers_that_do_not_answer_are_not_asked_to_abort() {
        let undelivered = Failure::undelivered(Code::MessageTimedOut);
        assert_eq!(judge(Stage::Send, &undelivered, false), Verdict::Replace);
        let late = failure(Code::OperationTimedOut, false, ABORTABLE);
        assert_eq!(judge(Stage::Offsets, &late, false), Verdict::Replace);
    }

    #[test]
    fn a_forgotten_id_is_taken_anew_although_librdkafka_would_abort() {
        let forgotten = failure(Code::InvalidProducerIdMapping, false, ABORTABLE);
        assert_eq!(judge(Stage::Offsets, &forgotten, false), Verdict::Replace);
    }

    #[test]
    fn a_missing_grant_is_said_with_what_to_grant() {
        let refused = failure(Code::TransactionalIdAuthorizationFailed, true, false);
        assert!(matches!(
            judge(Stage::Init, &refused, false),
            Verdict::Setting(advice) if advice.contains("transactional ids")
        ));
    }

    #[test]
    fn brokers_that_are_away_leave_everything_untouched() {
        let away = failure(Code::OperationTimedOut, false, false);
        assert_eq!(judge(Stage::Init, &away, false), Verdict::Untouched);
    }
}
