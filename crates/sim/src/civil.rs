//! Months by plain arithmetic, without a time zone database: what London's clocks have done since 1996 at the
//! beginning of a month is an hour of summer time from April to October.

/// The first month of every world, March 2025: months are counted from it.
const FIRST_YEAR: i64 = 2025;
const FIRST_MONTH: i64 = 3;

pub(crate) const SECOND: i64 = 1000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A month, as their number since the first one.
pub(crate) type MonthNo = i32;

fn civil(month: MonthNo) -> (i64, i64) {
    let months = FIRST_YEAR * 12 + FIRST_MONTH - 1 + i64::from(month);
    (months.div_euclid(12), months.rem_euclid(12) + 1)
}

/// When a month begins in London, milliseconds since the epoch.
pub(crate) fn month_start(month: MonthNo) -> i64 {
    let (year, number) = civil(month);
    let summer = if (4..=10).contains(&number) { HOUR } else { 0 };
    days_from_civil(year, number, 1) * DAY - summer
}

/// The month of an instant.
pub(crate) fn month_of(millis: i64) -> MonthNo {
    let days = (millis - month_start(0)).div_euclid(DAY);
    let mut month = MonthNo::try_from(days / 31).expect("a simulated time");
    while month_start(month) > millis {
        month -= 1;
    }
    while month_start(month + 1) <= millis {
        month += 1;
    }
    month
}

/// `2025-03`.
pub(crate) fn month_name(month: MonthNo) -> String {
    let (year, number) = civil(month);
    format!("{year:04}-{number:02}")
}

/// The number of `2025-03`.
pub(crate) fn month_named(name: &str) -> Option<MonthNo> {
    let (year, month) = name.split_once('-')?;
    let (year, month): (i64, i64) = (year.parse().ok()?, month.parse().ok()?);
    MonthNo::try_from((year - FIRST_YEAR) * 12 + month - FIRST_MONTH).ok()
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + days - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_at_midnight_in_london() {
        // 2025-03-01T00:00Z, 2025-03-31T23:00Z, 2025-10-31T00:00Z + 1 day
        assert_eq!(month_start(0), 1_740_787_200_000);
        assert_eq!(month_start(1), 1_743_462_000_000);
        assert_eq!(month_start(8), 1_761_955_200_000);
        for month in -3..40 {
            assert_eq!(month_of(month_start(month)), month);
            assert_eq!(month_of(month_start(month) - 1), month - 1);
            assert_eq!(month_named(&month_name(month)), Some(month));
        }
    }
}
