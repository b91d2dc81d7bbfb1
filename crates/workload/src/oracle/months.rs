//! The oracle's own months: plain civil arithmetic, one time zone, no table.

use jiff::tz::TimeZone;
use model::{Month, Timestamp};

/// Which month an instant belongs to in one time zone.
#[derive(Debug, Clone)]
pub(super) struct Months(TimeZone);

/// Months since January of year 0.
pub(super) type MonthNumber = i32;

impl Months {
    pub(super) fn new(zone: &str) -> Result<Self, jiff::Error> {
        TimeZone::get(zone).map(Self)
    }

    /// The month in which an instant lies.
    pub(super) fn of(&self, at: Timestamp) -> MonthNumber {
        let instant = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or({
            if at.as_millis() < 0 {
                jiff::Timestamp::MIN
            } else {
                jiff::Timestamp::MAX
            }
        });
        let local = self.0.to_datetime(instant);
        i32::from(local.year()) * 12 + i32::from(local.month()) - 1
    }
}

/// The number of a month by its name.
pub(super) fn number(month: Month) -> MonthNumber {
    i32::from(month.year()) * 12 + i32::from(month.month()) - 1
}

/// The first day of a month, as it is written.
pub(super) fn first_day(month: MonthNumber) -> String {
    format!(
        "{:04}-{:02}-01",
        month.div_euclid(12),
        month.rem_euclid(12) + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month_of(instant: &str) -> String {
        let instant: jiff::Timestamp = instant.parse().unwrap();
        let months = Months::new("Europe/London").unwrap();
        first_day(months.of(Timestamp::from_millis(instant.as_millisecond())))
    }

    #[test]
    fn an_event_belongs_to_the_month_on_the_clocks_of_london() {
        assert_eq!(month_of("2025-03-31T22:59:59.999Z"), "2025-03-01");
        assert_eq!(month_of("2025-03-31T23:00:00Z"), "2025-04-01");
        assert_eq!(month_of("2025-10-31T23:59:59.999Z"), "2025-10-01");
        assert_eq!(month_of("2025-11-01T00:00:00Z"), "2025-11-01");
        assert_eq!(month_of("2024-12-31T23:59:59Z"), "2024-12-01");
    }

    #[test]
    fn names_and_numbers_agree() {
        assert_eq!(first_day(number("2025-12".parse().unwrap())), "2025-12-01");
        assert_eq!(first_day(number("2026-01".parse().unwrap())), "2026-01-01");
    }

    #[test]
    fn instants_beyond_all_calendars_are_in_the_outermost_months() {
        let months = Months::new("Europe/London").unwrap();
        assert!(months.of(Timestamp::MIN) < months.of(Timestamp::from_millis(0)));
        assert!(months.of(Timestamp::MAX) > months.of(Timestamp::from_millis(0)));
    }
}
