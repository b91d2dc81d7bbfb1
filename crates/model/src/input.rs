//! Where an event stands in the input, and why one is not counted.

use std::fmt;

/// The place of a record in its partition, as Kafka counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A kind of event, by its place in [`Kinds`](crate::Kinds).
///
/// It means something only together with the table it came from: whatever is stored or published
/// names a kind by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(pub u8);

/// One partition of one input topic. A kind has one topic, so the kind names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputPartition {
    /// The kind whose topic it is a partition of.
    pub kind: KindId,
    /// The partition's number in its topic.
    pub partition: u32,
}

/// Why a record was not counted and became a dead letter: the first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The value is longer than the configured maximum.
    TooLarge,
    /// There is no value.
    Empty,
    /// The value is not a message of its topic, or its content type is unknown.
    Undecodable,
    /// The event names no account.
    NoAccount,
    /// The event does not say when it occurred.
    NoTime,
    /// It occurred after its record's own timestamp, by more than the allowed skew.
    AheadOfRecord,
    /// The record's timestamp is more than a day ahead of the clock.
    AheadOfClock,
    /// It occurred before the first month that is published.
    BeforeFirstMonth,
    /// It occurred in a month that its partition no longer keeps.
    TooOld,
}

impl Reason {
    /// All of them, in the order in which they are looked for; a reason's place is `reason as
    /// usize`.
    pub const ALL: [Self; 9] = [
        Self::TooLarge,
        Self::Empty,
        Self::Undecodable,
        Self::NoAccount,
        Self::NoTime,
        Self::AheadOfRecord,
        Self::AheadOfClock,
        Self::BeforeFirstMonth,
        Self::TooOld,
    ];

    /// Its name in dead letters and metrics. A promise: it does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::Undecodable => "undecodable",
            Self::NoAccount => "no_account",
            Self::NoTime => "no_time",
            Self::AheadOfRecord => "ahead_of_record",
            Self::AheadOfClock => "ahead_of_clock",
            Self::BeforeFirstMonth => "before_first_month",
            Self::TooOld => "too_old",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_place() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason}");
        }
    }
}
