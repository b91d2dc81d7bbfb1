//! The same world with one thing done wrong, to see that the invariants find it.
//!
//! Each mistake is made where the engine meets its surroundings, so the engine stays as it is: a port that
//! answers from memory, a transaction without its offsets, a write in two halves.

use std::time::Duration;

use engine::Options;

use crate::invariants::Violation;
use crate::world::{Setting, run};

/// Something done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variant {
    /// The group's offsets are committed before the transaction, outside of it.
    OffsetsOutsideTheTransaction,
    /// A partition is taken from where the view happens to be.
    PartitionTakenBeforeTheViewCaughtUp,
    /// A partition is taken as soon as the positions are equal, without reading the partials to their end.
    PartitionTakenAtEqualPositions,
    /// Offsets are fetched while a transaction that moves them is pending.
    OffsetsThatAreNotStable,
    /// A count that is read is applied whatever its checkpoint's number.
    OlderPartialAppliedOverNewer,
    /// The view reads what is not committed.
    UncommittedRecordsRead,
    /// The leader decides on what it has read, without asking where the topics end.
    LeaderThatTrustsItsMemory,
    /// A leader does not fence the one before it.
    LeaderThatDoesNotFence,
    /// A commit that was refused is taken for a success.
    FencedErrorSwallowed,
    /// A checkpoint is committed without a proof of membership.
    CommitWithoutMembership,
    /// A checkpoint is committed as the member that the client is now, whoever was given the partitions.
    ProofOfAnotherMember,
    /// An unknown outcome is taken for an abort.
    UnknownTakenForAborted,
    /// An unknown outcome is taken for a commit.
    UnknownTakenForCommitted,
    /// Registers are written without the count of their cell.
    CellWithoutItsCount,
    /// Dead letters are written before the transaction, outside of it.
    DeadLetterOutsideTheCheckpoint,
    /// The window of identities is not restored.
    WindowLostOnRestore,
    /// The view writes its position before what it read.
    PositionWrittenBeforeItsRecords,
    /// A view of another filling is kept.
    ViewOfAnotherFillingKept,
    /// Revisions do not wait.
    RevisionWithoutItsGate,
    /// Months do not wait for stragglers.
    CloseWithoutGrace,
    /// A partition is idle at its last stable offset.
    IdleBeforeOpenTransactions,
    /// A month is dropped while releases still need it. Of one process, not of one world: nothing else may be
    /// simulated beside it.
    #[cfg(feature = "variants")]
    FloorRaisedTooEarly,
}

impl Variant {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::OffsetsOutsideTheTransaction,
        Self::PartitionTakenBeforeTheViewCaughtUp,
        Self::PartitionTakenAtEqualPositions,
        Self::OffsetsThatAreNotStable,
        Self::OlderPartialAppliedOverNewer,
        Self::UncommittedRecordsRead,
        Self::LeaderThatTrustsItsMemory,
        Self::LeaderThatDoesNotFence,
        Self::FencedErrorSwallowed,
        Self::CommitWithoutMembership,
        Self::ProofOfAnotherMember,
        Self::UnknownTakenForAborted,
        Self::UnknownTakenForCommitted,
        Self::CellWithoutItsCount,
        Self::DeadLetterOutsideTheCheckpoint,
        Self::WindowLostOnRestore,
        Self::PositionWrittenBeforeItsRecords,
        Self::ViewOfAnotherFillingKept,
        Self::RevisionWithoutItsGate,
        Self::CloseWithoutGrace,
        Self::IdleBeforeOpenTransactions,
        #[cfg(feature = "variants")]
        Self::FloorRaisedTooEarly,
    ];

    /// Begins or ends to do wrong what is done inside of the engine.
    #[cfg(feature = "variants")]
    pub(crate) fn switch(self, on: bool) {
        if self == Self::FloorRaisedTooEarly {
            engine::closing::FLOOR_IS_RAISED_TOO_EARLY
                .store(on, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[cfg(not(feature = "variants"))]
    #[expect(clippy::unused_self, reason = "the feature gives it something to do")]
    pub(crate) const fn switch(self, _on: bool) {}

    /// What an instance is told instead of its options.
    pub(crate) fn options(self, options: &mut Options) {
        match self {
            Self::RevisionWithoutItsGate => options.revision_interval = Duration::ZERO,
            Self::CloseWithoutGrace => options.grace = Duration::ZERO,
            _ => {}
        }
    }
}

/// The first of the standard seeds whose world finds a variant, and how.
#[must_use]
pub fn find(variant: Variant, seeds: u64) -> Option<(u64, Violation)> {
    (0..seeds).find_map(|seed| {
        let setting = Setting {
            variant: Some(variant),
            ..Setting::of(seed)
        };
        Some((seed, run(&setting).violation?))
    })
}
