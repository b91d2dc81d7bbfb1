//! When things happen: the days of London, the weight of each, the hours, and how a month's total
//! falls on its days.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use model::Month;

use crate::rng::Rng;

/// Where days begin.
const ZONE: &str = "Europe/London";
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Logins by weekday, Monday first, as parts of each other (an assumption: surgeries are busiest on Mondays).
const WEEK: [u64; 7] = [120, 113, 108, 106, 104, 75, 70];
/// Orders per login by weekday, in per cent of the mean.
const ORDERS: [u32; 7] = [122, 110, 105, 100, 100, 75, 80];
/// Logins by hour of the day, local time, as parts of 100.
const HOURS: [u8; 24] = [
    1, 1, 0, 0, 1, 1, 3, 6, 9, 9, 8, 6, 6, 5, 5, 5, 5, 5, 5, 5, 5, 4, 3, 2,
];

/// A day in London: 23, 24 or 25 hours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day {
    /// Milliseconds since the epoch; the end is the next day's start.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Days since 1970, for seeds.
    pub(crate) number: u64,
    weekday: usize,
}

impl Day {
    /// An instant of the day, by the hours' weights.
    pub(crate) fn instant(&self, rng: &mut Rng) -> i64 {
        let mut part = u8::try_from(rng.below(100)).expect("below 100");
        let mut hour = 0;
        for weight in HOURS {
            if part < weight {
                break;
            }
            part -= weight;
            hour += 1;
        }
        let at = self.start + rng.between(hour * HOUR, (hour + 1) * HOUR);
        // The day on which clocks go forward has no 24th hour.
        if at < self.end { at } else { at - 12 * HOUR }
    }

    /// How many orders a login brings on this day, in per cent of the mean.
    pub(crate) fn orders_percent(&self) -> u32 {
        ORDERS[self.weekday]
    }
}

/// The days of a month, and how much of it has passed by each.
#[derive(Debug)]
pub(crate) struct Days {
    pub(crate) days: Vec<Day>,
    /// Weight of all days before; one more than days.
    passed: Vec<u64>,
}

impl Days {
    /// The days of the month.
    pub(crate) fn of(month: Month) -> Self {
        let zone = TimeZone::get(ZONE).expect("the time zones are built in");
        let month = i8::try_from(month.month()).map(|number| (month.year(), number));
        let (year, month) = month.expect("at most 12");
        let first = Date::new(year, month, 1).expect("a month has a first day");
        let start = |date: Date| {
            let midnight = date
                .to_zoned(zone.clone())
                .expect("a day that can be a timestamp");
            midnight.timestamp().as_millisecond()
        };
        let dates = first.series(jiff::Span::new().days(1));
        let days: Vec<Day> = dates
            .take_while(|date| date.month() == month)
            .map(|date| Day {
                start: start(date),
                end: start(date.tomorrow().expect("not the last day of time")),
                number: (date - Date::constant(1970, 1, 1))
                    .get_days()
                    .unsigned_abs()
                    .into(),
                weekday: usize::try_from(date.weekday().since(Weekday::Monday)).expect("0 to 6"),
            })
            .collect();
        let mut passed = vec![0];
        for day in &days {
            passed.push(passed[passed.len() - 1] + WEEK[day.weekday]);
        }
        Self { days, passed }
    }

    /// How many of a month's total have happened when that many days have passed. The phase, any number,
    /// shifts where the steps fall, so that small totals of many zones do not all fall on one day.
    pub(crate) fn by(&self, days: usize, total: u64, phase: u64) -> u64 {
        let all = self.passed[self.passed.len() - 1];
        let part = u128::from(total) * u128::from(self.passed[days]) + u128::from(phase % all);
        u64::try_from(part / u128::from(all)).expect("at most the total")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(month: &str) -> Days {
        Days::of(month.parse().unwrap())
    }

    #[test]
    fn the_days_of_a_month_follow_each_other_and_know_summer_time() {
        let march = days("2025-03");
        assert_eq!(march.days.len(), 31);
        assert!(
            march
                .days
                .windows(2)
                .all(|pair| pair[0].end == pair[1].start)
        );
        // Clocks go forward on 30 March 2025, so April begins at 23:00 UTC.
        assert_eq!(march.days[29].end - march.days[29].start, 23 * HOUR);
        assert_eq!(march.days[30].end, 1_743_462_000_000);
        assert_eq!(
            days("2025-10").days[25].end - days("2025-10").days[25].start,
            25 * HOUR
        );
        assert_eq!(march.days[0].weekday, 5, "1 March 2025 is a Saturday");
    }

    #[test]
    fn a_total_falls_on_the_days_without_a_rest() {
        let march = days("2025-03");
        for (total, phase) in [(0, 9), (1, 0), (7, 12_345), (1_000_003, u64::MAX)] {
            assert_eq!(march.by(0, total, phase), 0);
            assert_eq!(march.by(31, total, phase), total);
            assert!(
                (0..31).all(|day| march.by(day, total, phase) <= march.by(day + 1, total, phase))
            );
        }
    }

    #[test]
    fn an_instant_is_within_its_day() {
        assert_eq!(
            HOURS.iter().map(|weight| u32::from(*weight)).sum::<u32>(),
            100
        );
        let mut rng = Rng::new(1, &[]);
        for day in days("2025-03").days {
            assert!((0..2_000).all(|_| (day.start..day.end).contains(&day.instant(&mut rng))));
        }
    }
}
