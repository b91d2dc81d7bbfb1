//! Calendar months, as names: which instants belong to one is the [`Calendar`](crate::Calendar)'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A calendar month from [`Month::MIN`] (1970-01) to [`Month::MAX`] (2200-12), in text `2025-03`.
///
/// The range is that of the calendar's table, so that every month has a start and an end.
/// Arithmetic stops at the ends of the range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(u16);

/// What is not a month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month; write it as 2025-03, from 1970-01 to 2200-12")]
pub struct BadMonth(String);

const FIRST_YEAR: u16 = 1970;
const LAST_YEAR: u16 = 2200;

impl Month {
    /// The first month there is, 1970-01.
    pub const MIN: Self = Self(0);
    /// The last month there is, 2200-12.
    pub const MAX: Self = Self((LAST_YEAR - FIRST_YEAR) * 12 + 11);
    /// How many months there are.
    pub(crate) const COUNT: usize = Self::MAX.0 as usize + 1;

    /// The month of that name; none if `month` is not 1 to 12 or the year is out of range.
    #[must_use]
    pub fn new(year: i16, month: u8) -> Option<Self> {
        let year = u16::try_from(year).ok()?;
        let known = (FIRST_YEAR..=LAST_YEAR).contains(&year) && (1..=12).contains(&month);
        known.then(|| Self((year - FIRST_YEAR) * 12 + u16::from(month) - 1))
    }

    /// The year, 1970 to 2200.
    #[must_use]
    pub fn year(self) -> i16 {
        i16::try_from(FIRST_YEAR + self.0 / 12).expect("at most 2200")
    }

    /// The month of the year, 1 to 12.
    #[must_use]
    pub fn month(self) -> u8 {
        u8::try_from(self.0 % 12 + 1).expect("at most 12")
    }

    /// The month after this one; of the last one, itself.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The month before this one; of the first one, itself.
    #[must_use]
    pub fn prev(self) -> Self {
        self.plus(-1)
    }

    /// The month that many months later, or earlier if negative.
    #[must_use]
    pub fn plus(self, months: i32) -> Self {
        let index = i32::from(self.0)
            .saturating_add(months)
            .clamp(0, i32::from(Self::MAX.0));
        Self(u16::try_from(index).expect("clamped to the range"))
    }

    /// How many months this is after `earlier`; negative if it is before it.
    #[must_use]
    pub fn since(self, earlier: Self) -> i32 {
        i32::from(self.0) - i32::from(earlier.0)
    }

    /// This month and those after it up to and with `last`, ascending; nothing if `last` is before
    /// it.
    pub fn through(self, last: Self) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        let end = if last < self { self.0 } else { last.0 + 1 };
        (self.0..end).map(Self)
    }

    /// The place in a table of all months, below [`Month::COUNT`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The month at a place in a table of all months.
    pub(crate) fn at_index(index: usize) -> Self {
        assert!(index < Self::COUNT, "month {index} of {}", Self::COUNT);
        Self(u16::try_from(index).expect("checked above"))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.month())
    }
}

impl fmt::Debug for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Month {
    type Err = BadMonth;

    /// Reads exactly what is written: four digits, a hyphen, two digits.
    fn from_str(text: &str) -> Result<Self, BadMonth> {
        let parse = || {
            let (year, month) = text.split_once('-')?;
            let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
                return None;
            }
            Self::new(year.parse().ok()?, month.parse().ok()?)
        };
        parse().ok_or_else(|| BadMonth(text.to_owned()))
    }
}

impl TryFrom<String> for Month {
    type Error = BadMonth;

    fn try_from(text: String) -> Result<Self, BadMonth> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_is_written_as_year_and_month() {
        assert_eq!(Month::new(2025, 3).unwrap().to_string(), "2025-03");
        assert_eq!(month("2025-03"), Month::new(2025, 3).unwrap());
        for text in [
            "",
            "2025",
            "2025-3",
            "2025-13",
            "2025-00",
            "+025-03",
            "2025-03-01",
            "1969-12",
            "2201-01",
        ] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_crosses_years_and_stops_at_the_ends() {
        assert_eq!(month("2025-12").next(), month("2026-01"));
        assert_eq!(month("2026-01").prev(), month("2025-12"));
        assert_eq!(month("2026-03").plus(-11), month("2025-04"));
        assert_eq!(month("2026-03").since(month("2025-03")), 12);
        assert_eq!(Month::MAX.next(), Month::MAX);
        assert_eq!(Month::MIN.plus(i32::MIN), Month::MIN);
    }

    #[test]
    fn a_run_of_months_has_both_its_ends() {
        let run: Vec<String> = month("2025-11")
            .through(month("2026-01"))
            .map(String::from)
            .collect();
        assert_eq!(run, ["2025-11", "2025-12", "2026-01"]);
        assert_eq!(month("2025-11").through(month("2025-10")).len(), 0);
        assert_eq!(Month::MIN.through(Month::MAX).len(), Month::COUNT);
    }

    proptest! {
        /// For all m: parse(print(m)) = m, and the order of the texts is the order of the months.
        #[test]
        fn text_keeps_identity_and_order(a in 0..Month::COUNT, b in 0..Month::COUNT) {
            let (a, b) = (Month::at_index(a), Month::at_index(b));
            prop_assert_eq!(month(&a.to_string()), a);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(b.plus(a.since(b)), a);
        }
    }
}
