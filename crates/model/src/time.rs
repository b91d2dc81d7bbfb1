//! Instants, in the one unit that events, records and the broker share.

use std::fmt;
use std::time::Duration;

/// An instant: milliseconds since the Unix epoch, without leap seconds. Every `i64` is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before every instant that can happen.
    pub const MIN: Self = Self(i64::MIN);
    /// After every instant that can happen.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant that many milliseconds after (or before) 1970-01-01T00:00Z.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `by` later, whole milliseconds, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(by)))
    }

    /// The instant `by` earlier, whole milliseconds, at least [`Timestamp::MIN`].
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(by)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(if self > earlier {
            self.0.abs_diff(earlier.0)
        } else {
            0
        })
    }
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds, `2025-03-31T23:30:00.000Z`; outside the years -9999 to 9999,
/// which RFC 3339 cannot say, the milliseconds with their unit.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{} ms since 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_prints_as_rfc_3339_with_milliseconds() {
        assert_eq!(
            Timestamp::from_millis(1_743_463_800_000).to_string(),
            "2025-03-31T23:30:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(-1).to_string(),
            "1969-12-31T23:59:59.999Z"
        );
        assert_eq!(
            Timestamp::MAX.to_string(),
            "9223372036854775807 ms since 1970"
        );
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let hour = Duration::from_secs(3600);
        assert_eq!(
            Timestamp::from_millis(5).saturating_add(hour).as_millis(),
            3_600_005
        );
        assert_eq!(
            Timestamp::from_millis(5).saturating_sub(hour).as_millis(),
            -3_599_995
        );
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.saturating_sub(Duration::MAX), Timestamp::MIN);
    }

    #[test]
    fn the_time_since_something_later_is_zero() {
        let (early, late) = (Timestamp::from_millis(-5), Timestamp::from_millis(7));
        assert_eq!(late.saturating_since(early), Duration::from_millis(12));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(
            Timestamp::MAX.saturating_since(Timestamp::MIN),
            Duration::from_millis(u64::MAX)
        );
    }
}
