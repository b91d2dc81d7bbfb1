//! Which month an instant belongs to, in a time zone.

use crate::{Month, Timestamp};

/// The months of one time zone, as a table of their starts.
///
/// A month starts at the first instant of its first civil day: at 00:00 on the zone's clocks; after
/// the gap where clocks skip midnight, and at the first midnight where they show it twice. So every
/// instant is in exactly one month, and months follow each other without a gap.
///
/// [`Calendar::month_of`] runs for every event. The table makes it a division and two comparisons,
/// where asking the time zone each time would be a search through its transitions.
#[derive(Clone)]
pub struct Calendar {
    zone: String,
    /// The start of every month in milliseconds, and behind the last one its end.
    starts: Box<[i64; Month::COUNT + 1]>,
}

/// A name that the time zone database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{zone}` is not a time zone; write its name in the IANA database, such as Europe/London")]
pub struct UnknownZone {
    zone: String,
}

/// The mean month of the Gregorian calendar: 146,097 days in 4,800 months.
const MEAN_MONTH_MILLIS: i64 = 146_097 * 24 * 60 * 60 * 1000 / 4800;

impl Calendar {
    /// The calendar of a zone of the IANA database, which is compiled in.
    ///
    /// # Errors
    /// If there is no zone of that name.
    pub fn new(zone: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone {
            zone: zone.to_owned(),
        };
        let database = jiff::tz::TimeZoneDatabase::bundled();
        let tz = database.get(zone).map_err(|_| unknown())?;
        let start_of = |year: i16, month: u8| {
            let day = i8::try_from(month).expect("at most 12");
            let day = jiff::civil::date(year, day, 1);
            let zoned = day
                .to_zoned(tz.clone())
                .expect("years 1970 to 2201 are within jiff's range");
            zoned.timestamp().as_millisecond()
        };
        let mut starts = Box::new([0; Month::COUNT + 1]);
        for month in Month::MIN.through(Month::MAX) {
            starts[month.index()] = start_of(month.year(), month.month());
        }
        starts[Month::COUNT] = start_of(Month::MAX.year() + 1, 1);
        Ok(Self {
            zone: zone.to_owned(),
            starts,
        })
    }

    /// The month of that instant. Before [`Month::MIN`] and after [`Month::MAX`] it is these two.
    #[inline]
    #[must_use]
    pub fn month_of(&self, instant: Timestamp) -> Month {
        let (first, end) = (self.starts[0], self.starts[Month::COUNT]);
        let millis = instant.as_millis().clamp(first, end - 1);
        let guess = usize::try_from((millis - first) / MEAN_MONTH_MILLIS).expect("clamped");
        // Months keep within three days of their mean pace, so the guess is off by at most one. A
        // test looks at both sides of every month's edge in every zone.
        let guess = guess.min(Month::COUNT - 1);
        let early = usize::from(millis >= self.starts[guess + 1]);
        let late = usize::from(millis < self.starts[guess]);
        Month::at_index(guess + early - late)
    }

    /// The first instant of the month.
    #[must_use]
    pub fn start_of(&self, month: Month) -> Timestamp {
        Timestamp::from_millis(self.starts[month.index()])
    }

    /// The first instant that is no longer in the month: the start of the next one.
    #[must_use]
    pub fn end_of(&self, month: Month) -> Timestamp {
        Timestamp::from_millis(self.starts[month.index() + 1])
    }

    /// The name that the zone was asked for by.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }
}

impl std::fmt::Debug for Calendar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Calendar").field(&self.zone).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONES: [&str; 9] = [
        "Europe/London",
        "America/St_Johns",
        "Pacific/Apia",
        "Asia/Kolkata",
        "UTC",
        "Africa/Casablanca",
        "America/Havana",
        "Asia/Amman",
        "Australia/Lord_Howe",
    ];

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn london(text: &str) -> String {
        Calendar::new("Europe/London")
            .unwrap()
            .month_of(at(text))
            .to_string()
    }

    fn instants() -> impl Strategy<Value = Timestamp> {
        let (from, to) = (
            at("1969-01-01T00:00Z").as_millis(),
            at("2202-01-01T00:00Z").as_millis(),
        );
        (from..to).prop_map(Timestamp::from_millis)
    }

    #[test]
    fn a_month_begins_and_ends_on_the_clocks_of_london() {
        assert_eq!(london("2025-03-31T22:59:59.999Z"), "2025-03");
        assert_eq!(london("2025-03-31T23:00:00Z"), "2025-04");
        assert_eq!(london("2025-03-31T23:30:00Z"), "2025-04");
        assert_eq!(london("2025-10-31T23:30:00Z"), "2025-10");
        assert_eq!(london("2025-10-31T23:59:59.999Z"), "2025-10");
        assert_eq!(london("2025-11-01T00:00:00Z"), "2025-11");
    }

    #[test]
    fn february_has_a_leap_day_and_the_year_ends_at_midnight() {
        assert_eq!(london("2028-02-29T23:59:59.999Z"), "2028-02");
        assert_eq!(london("2028-03-01T00:00:00Z"), "2028-03");
        assert_eq!(london("2027-03-01T00:00:00Z"), "2027-03");
        assert_eq!(london("2027-12-31T23:59:59.999Z"), "2027-12");
        assert_eq!(london("2028-01-01T00:00:00Z"), "2028-01");
    }

    #[test]
    fn british_standard_time_counts_until_1971() {
        assert_eq!(london("1970-01-31T23:00:00Z"), "1970-02");
    }

    #[test]
    fn outside_the_table_the_ends_go_on() {
        let calendar = Calendar::new("Europe/London").unwrap();
        assert_eq!(calendar.month_of(Timestamp::MIN), Month::MIN);
        assert_eq!(calendar.month_of(Timestamp::MAX), Month::MAX);
        assert_eq!(calendar.month_of(calendar.end_of(Month::MAX)), Month::MAX);
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused() {
        for zone in ["", "Europe/Londn", "../UTC"] {
            let problem = Calendar::new(zone).unwrap_err().to_string();
            assert!(
                problem.contains(zone) && problem.contains("is not a time zone"),
                "{problem}"
            );
        }
    }

    /// For every zone z and month m: the instants of m are [start(m), end(m)), and end(m) = start(m
    /// + 1).
    #[test]
    fn every_month_holds_both_its_edges_in_every_zone() {
        assert!(jiff::tz::TimeZoneDatabase::bundled().available().count() > 400);
        for zone in jiff::tz::TimeZoneDatabase::bundled().available() {
            let calendar = Calendar::new(zone.as_str()).unwrap();
            for month in Month::MIN.through(Month::MAX) {
                let (start, end) = (calendar.start_of(month), calendar.end_of(month));
                let last = Timestamp::from_millis(end.as_millis() - 1);
                assert!(start < end, "{zone} {month}");
                assert_eq!(calendar.month_of(start), month, "{zone}");
                assert_eq!(calendar.month_of(last), month, "{zone}");
                assert!(month == Month::MAX || calendar.start_of(month.next()) == end);
            }
        }
    }

    fn calendars() -> Vec<Calendar> {
        ZONES
            .iter()
            .map(|zone| Calendar::new(zone).unwrap())
            .collect()
    }

    /// For all t within the table: start(month(t)) <= t < end(month(t)); a <= b => month(a) <=
    /// month(b).
    #[test]
    fn an_instant_is_in_one_month_and_months_follow_time() {
        let calendars = calendars();
        proptest!(|(a in instants(), b in instants())| {
            for calendar in &calendars {
                let (first, last) = (calendar.month_of(a.min(b)), calendar.month_of(a.max(b)));
                prop_assert!(first <= last);
                prop_assert!(first == Month::MIN || calendar.start_of(first) <= a.min(b));
                prop_assert!(first == Month::MAX || a.min(b) < calendar.end_of(first));
            }
        });
    }

    /// For all t: month(t) is the month of the zone's civil date at t. Where clocks are put back
    /// over a midnight, the civil date goes back too, and the month does not: there it may be the
    /// next one.
    #[test]
    fn the_month_is_that_of_the_civil_date() {
        let calendars = calendars();
        let agrees = |calendar: &Calendar, t: Timestamp| {
            let tz = jiff::tz::TimeZone::get(calendar.zone()).unwrap();
            let zoned = jiff::Timestamp::from_millisecond(t.as_millis())
                .unwrap()
                .to_zoned(tz);
            let month = calendar.month_of(t);
            let folded = || {
                zoned
                    .time_zone()
                    .to_ambiguous_timestamp(zoned.datetime())
                    .is_ambiguous()
            };
            match Month::new(zoned.year(), zoned.month().unsigned_abs()) {
                Some(civil) => month == civil || folded() && month == civil.next(),
                None => month == Month::MIN || month == Month::MAX,
            }
        };
        proptest!(|(t in instants(), month in 0..Month::COUNT, near in -7_200_000..7_200_000_i64)| {
            for calendar in &calendars {
                prop_assert!(agrees(calendar, t), "{} {t}", calendar.zone());
                let edge = calendar.start_of(Month::at_index(month));
                let t = Timestamp::from_millis(edge.as_millis() + near);
                prop_assert!(agrees(calendar, t), "{} {t}", calendar.zone());
            }
        });
    }
}
