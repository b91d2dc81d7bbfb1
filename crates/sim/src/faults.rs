//! What can go wrong, how often, and how much of it a run allows.

use std::collections::BTreeSet;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A process dies before, after or in the middle of a call.
    Crash,
    /// A process stands still in the middle of a call while the others go on, at times longer than its session.
    Pause,
    /// A call fails in a way that ends the process.
    Refusal,
    /// A question to the brokers is not answered in time.
    NoAnswer,
    /// A transaction is aborted, and that is known.
    Aborted,
    /// The request to commit does not arrive, or arrives late.
    CommitLost,
    /// The answer to a commit is lost.
    AnswerLost,
    /// Another process takes the transactional id.
    Fenced,
    /// A session times out.
    Expired,
    /// The client of a member that the group has let go joins anew before its process looks.
    JoinedAnew,
    /// A machine is cut off from the brokers for a while: nothing is answered, and the group gives it up.
    CutOff,
    /// The group's assignor gives partitions to other members.
    Rebalance,
    /// `kill -9` between two turns.
    Kill,
    /// The power fails: unsynced writes are lost.
    PowerLoss,
    /// An instance is asked to stop.
    Stop,
    /// The disk is full for a while.
    DiskFull,
    /// The disk is gone for a while.
    DiskGone,
    /// A restart with an empty directory.
    DiskLost,
    /// A restart with an old copy of the directory.
    OldDisk,
    /// A restart with another instance's directory.
    OtherDisk,
    /// A machine's clock jumps, up to twelve hours from the true time.
    ClockJump,
    /// A stretch of an owned topic is compacted.
    Compaction,
    /// Tombstones in it have expired.
    ExpiredTombstones,
    /// Input records that were committed are deleted.
    Truncation,
    /// The brokers forget the group's offsets.
    ForgottenGroup,
    /// A transaction whose outcome nobody knows is committed later.
    LateCommit,
    /// An operator changes how many months are kept.
    SettingsChanged,
    /// An operator empties the partials topic, to count anew.
    Reset,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Crash,
        Self::Pause,
        Self::Refusal,
        Self::NoAnswer,
        Self::Aborted,
        Self::CommitLost,
        Self::AnswerLost,
        Self::Fenced,
        Self::Expired,
        Self::JoinedAnew,
        Self::CutOff,
        Self::Rebalance,
        Self::Kill,
        Self::PowerLoss,
        Self::Stop,
        Self::DiskFull,
        Self::DiskGone,
        Self::DiskLost,
        Self::OldDisk,
        Self::OtherDisk,
        Self::ClockJump,
        Self::Compaction,
        Self::ExpiredTombstones,
        Self::Truncation,
        Self::ForgottenGroup,
        Self::LateCommit,
        Self::SettingsChanged,
        Self::Reset,
    ];

    /// How often, in a hundred thousand occasions in ordinary weather.
    pub(crate) fn rate(self) -> u32 {
        match self {
            Self::Crash | Self::Refusal => 40,
            Self::Pause => 150,
            Self::NoAnswer => 2000,
            Self::Aborted | Self::CommitLost | Self::AnswerLost => 2000,
            Self::Fenced => 200,
            Self::DiskLost
            | Self::OldDisk
            | Self::OtherDisk
            | Self::LateCommit
            | Self::JoinedAnew => 12_000,
            Self::ExpiredTombstones => 25_000,
            Self::Compaction => 10_000,
            Self::Expired
            | Self::CutOff
            | Self::Rebalance
            | Self::Kill
            | Self::PowerLoss
            | Self::Stop
            | Self::ClockJump
            | Self::Truncation => 6000,
            Self::DiskFull
            | Self::DiskGone
            | Self::ForgottenGroup
            | Self::SettingsChanged
            | Self::Reset => 3000,
        }
    }
}

/// What of the faults that a seed would bring is left out, to find the few that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Kinds of faults that never happen.
    pub without: BTreeSet<Fault>,
    /// How many faults happen at most.
    pub faults_max: Option<u64>,
}
