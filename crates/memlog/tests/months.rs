//! Months: where they begin, when they close, and how many a figure covers.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use world::{Site, at, login, order};

const LOGINS: &str = "logins";
const USERS_12: &str = "unique_users_logging_in_12_months";

/// Counts of a month around its boundaries, of logins that occurred at these instants.
fn counts<const N: usize>(
    first_month: &str,
    events: &[&str],
    close_at: &str,
    months: [&str; N],
) -> [u64; N] {
    let mut site = Site::new(first_month);
    for event in events {
        site.send(&login(event, 1));
    }
    site.settle_at(close_at);
    months.map(|month| site.england(month, LOGINS))
}

#[test]
fn a_month_begins_at_midnight_in_london() {
    let events = [
        "2025-03-31T22:59:59.999Z",
        "2025-03-31T23:00:00Z",
        "2025-03-31T23:30:00Z",
        "2025-04-30T22:59:59.999Z",
        "2025-04-30T23:00:00Z",
    ];
    assert_eq!(
        counts(
            "2025-03",
            &events,
            "2025-06-04",
            ["2025-03", "2025-04", "2025-05"]
        ),
        [1, 3, 1]
    );
}

#[test]
fn in_winter_that_is_midnight_in_utc() {
    let events = [
        "2025-10-31T23:59:59.999Z",
        "2025-11-01T00:00:00Z",
        "2025-12-31T23:59:59.999Z",
        "2026-01-01T00:00:00Z",
    ];
    let months = ["2025-10", "2025-11", "2025-12", "2026-01"];
    assert_eq!(
        counts("2025-10", &events, "2026-02-04", months),
        [1, 1, 1, 1]
    );
}

#[test]
fn february_2028_has_29_days() {
    let events = [
        "2028-01-31T23:59:59.999Z",
        "2028-02-29T23:59:59.999Z",
        "2028-03-01T00:00:00Z",
    ];
    let months = ["2028-01", "2028-02", "2028-03"];
    assert_eq!(counts("2028-01", &events, "2028-04-04", months), [1, 1, 1]);
}

#[test]
fn nothing_is_released_before_the_first_event_was_counted() {
    let mut site = Site::new("2025-03");
    site.send(&login("2025-03-03T00:00:00Z", 1).no_account());
    site.send(&login("2025-02-03T00:00:00Z", 1).arriving("2025-03-03T00:00:00Z"));
    site.settle_at("2025-08-10");
    assert!(site.cluster.released().is_empty());
    assert_eq!(site.cluster.dead_letters().len(), 2);
    site.send(&login("2025-08-10T12:00:00Z", 1));
    site.settle();
    for month in ["2025-03", "2025-04", "2025-05", "2025-06", "2025-07"] {
        assert_eq!(site.records(month).len(), 52, "{month}");
        let values = site.records(month);
        let mut values = values.iter().flat_map(|record| &record.measures);
        assert!(
            values.all(|measure| measure.value == 0 && measure.upper_95 == 0),
            "{month}"
        );
    }
    assert!(site.records("2025-08").is_empty());
}

#[test]
fn a_month_waits_for_its_end_and_grace_by_event_time() {
    let mut site = Site::new("2025-03");
    site.send(&login("2025-03-10T00:00:00Z", 1));
    // Every topic says something just before the boundary, 72 hours behind 2025-03-31T23:00Z.
    for event in [
        login("2025-04-03T22:59:59.999Z", 1),
        order("2025-04-03T22:59:59.999Z", 1),
    ] {
        site.send(&event);
    }
    site.turns(100);
    assert!(site.cluster.released().is_empty());
    site.settle_at("2025-04-03T22:59:00Z");
    assert_eq!(site.revisions("2025-03").len(), 1, "idleness let it close");
    let released_at = site.records("2025-03")[0].released_at.unwrap();
    assert!(released_at.seconds * 1000 >= at("2025-04-03T23:04:59Z").as_millis());
}

#[test]
fn an_event_at_the_boundary_closes_the_month_without_waiting_for_silence() {
    let mut site = Site::new("2025-03");
    site.settle();
    for kind in 0..3 {
        site.send(&world::events::event(kind, "2025-04-03T23:00:00Z", 1));
    }
    site.turns(5);
    site.cluster.advance_to(at("2025-04-03T23:00:31Z"));
    site.turns(10);
    assert_eq!(site.revisions("2025-03").len(), 1);
    assert_eq!(site.england("2025-03", LOGINS), 0);
}

#[test]
fn twelve_month_figures_say_how_many_months_they_cover() {
    let mut site = Site::new("2025-03");
    for month in 0..14_u64 {
        let (year, number) = (2025 + (month + 2) / 12, (month + 2) % 12 + 1);
        let time = format!("{year}-{number:02}-15T12:00:00Z");
        // An account of its own every month, and one that comes back every time.
        site.send(&login(&time, 100 + month));
        site.send(&login(&time, 1));
        site.settle();
    }
    site.settle_at("2026-05-05");
    let of = |month: &str| {
        let measure = site.measure(month, "E92000001", USERS_12);
        (measure.value, measure.months_covered)
    };
    assert_eq!(of("2025-03"), (2, 1));
    assert_eq!(of("2025-04"), (3, 2));
    assert_eq!(of("2026-01"), (12, 11));
    assert_eq!(of("2026-02"), (13, 12));
    assert_eq!(of("2026-03"), (13, 12), "March 2025 has left the window");
    assert_eq!(of("2026-04"), (13, 12));
    assert_eq!(
        site.measure("2026-04", "E92000001", LOGINS).months_covered,
        0
    );
    assert_eq!(site.england("2026-04", "unique_users_logging_in"), 2);
}
