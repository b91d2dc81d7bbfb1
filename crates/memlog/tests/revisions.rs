//! Late events: a closed month gets a revision with a reason, or nothing, and never changes silently.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use world::{Site, login, order, registration};

const LOGINS: &str = "logins";

fn close(revision: u32) -> (u32, String) {
    (revision, "close".into())
}

fn late(revision: u32) -> (u32, String) {
    (revision, "late_events".into())
}

/// March 2025 closed with three logins of two accounts.
fn closed() -> Site {
    let mut site = Site::new("2025-03");
    for account in [1, 2, 2] {
        site.send(&login("2025-03-10T12:00:00Z", account).icb("QHM"));
    }
    site.settle_at("2025-04-04T00:30:00Z");
    assert_eq!(site.revisions("2025-03"), [close(0)]);
    site
}

#[test]
fn a_late_event_revises_a_closed_month() {
    let mut site = closed();
    site.send(
        &login("2025-03-31T20:00:00Z", 3)
            .icb("QHM")
            .arriving("2025-04-04T09:00:00Z"),
    );
    site.settle();
    assert_eq!(
        site.revisions("2025-03"),
        [close(0)],
        "a day has not passed"
    );
    site.settle_at("2025-04-05T02:00:00Z");
    assert_eq!(site.revisions("2025-03"), [close(0), late(1)]);
    assert_eq!(site.england("2025-03", LOGINS), 4);
    assert_eq!(site.value("2025-03", "QHM", "unique_users_logging_in"), 3);
    assert_eq!(
        site.records("2025-03").len(),
        2 * 52,
        "the whole month again"
    );
    assert!(site.revisions("2025-04").is_empty());
}

#[test]
fn nothing_is_published_when_nothing_differs() {
    let mut site = closed();
    let login_ = login("2025-03-10T12:00:00Z", 3)
        .id("once")
        .arriving("2025-04-04T09:00:00Z");
    site.send(&login_);
    site.settle_at("2025-04-06");
    assert_eq!(site.revisions("2025-03"), [close(0), late(1)]);
    // A duplicate, a dead letter and an event of the open month say nothing new of it.
    site.send(&login_.arriving("2025-04-06T10:00:00Z"));
    site.send(
        &login("2025-03-01T00:00:00Z", 4)
            .no_account()
            .arriving("2025-04-06T10:00:00Z"),
    );
    site.send(&login("2025-04-06T10:00:00Z", 5));
    site.settle_at("2025-04-08");
    site.restart(false);
    site.settle_at("2025-04-10");
    assert_eq!(site.revisions("2025-03"), [close(0), late(1)]);
    // It was looked at once, and is not looked at again before something changes.
    let begun = site.seen("ReleaseBegins");
    site.settle_at("2025-04-11");
    assert_eq!(site.seen("ReleaseBegins"), begun);
}

#[test]
fn revisions_are_a_revision_interval_apart() {
    let mut site = closed();
    for (hour, account) in (0..50_u64).zip(100..) {
        let time = format!("2025-04-{:02}T{:02}:00:00Z", 5 + hour / 24, hour % 24);
        site.send(&login("2025-03-20T00:00:00Z", account).arriving(&time));
        site.settle();
    }
    site.settle_at("2025-04-20");
    let revisions = site.revisions("2025-03");
    assert_eq!(revisions, [close(0), late(1), late(2), late(3), late(4)]);
    assert_eq!(site.england("2025-03", LOGINS), 53);
    let mut released: Vec<i64> = site
        .records("2025-03")
        .iter()
        .map(|record| record.released_at.unwrap().seconds)
        .collect();
    released.dedup();
    assert!(
        released.windows(2).all(|pair| pair[1] - pair[0] >= 86_400),
        "{released:?}"
    );
}

#[test]
fn a_revision_waits_until_every_watermark_is_past_the_month_again() {
    let mut site = closed();
    // A partition that is added has no watermark until its owner has found it idle.
    site.cluster.advance_to(world::at("2025-04-10"));
    let open = site.cluster.begin();
    site.cluster.add_partition(model::KindId(1));
    let added = order("2025-03-30T00:00:00Z", 9)
        .partition(1)
        .arriving("2025-04-10T00:00:00Z");
    site.cluster
        .append_in(open, added.to, added.record(&site.options));
    site.send(&login("2025-03-15T00:00:00Z", 7).arriving("2025-04-10T00:01:00Z"));
    site.settle_at("2025-04-12");
    assert_eq!(
        site.revisions("2025-03"),
        [close(0)],
        "the open transaction may hold more of March"
    );
    site.cluster.end(open, true);
    site.settle();
    assert_eq!(site.revisions("2025-03"), [close(0), late(1)]);
    assert_eq!(site.england("2025-03", "prescription_orders"), 1);
}

#[test]
fn a_late_event_takes_the_watermark_of_its_partition_back() {
    let mut site = closed();
    // Orders were idle when March closed. A late one comes, and then a transaction that stays open.
    site.send(&order("2025-03-30T00:00:00Z", 8).arriving("2025-04-10T00:00:00Z"));
    let open = site.cluster.begin();
    let inside = order("2025-03-30T00:00:00Z", 9).arriving("2025-04-10T00:00:00Z");
    site.cluster
        .append_in(open, inside.to, inside.record(&site.options));
    site.settle_at("2025-04-12");
    assert_eq!(site.revisions("2025-03"), [close(0)]);
    site.cluster.end(open, true);
    site.settle();
    assert_eq!(site.revisions("2025-03"), [close(0), late(1)]);
    assert_eq!(site.england("2025-03", "prescription_orders"), 2);
}

#[test]
fn a_late_registration_revises_the_all_time_count_of_every_later_month_that_may_be() {
    let mut site = Site::new("2025-03");
    site.options.kinds.set_baseline(model::KindId(2), 1000);
    site.restart(true);
    site.send(&registration("2025-03-10T12:00:00Z", 1));
    // Twelve months on: March 2025 is in no 12-month window of March 2026 any more.
    site.settle_at("2026-04-05");
    assert_eq!(site.england("2026-03", "registrations_all_time"), 1001);
    site.send(&registration("2025-03-11T12:00:00Z", 2).arriving("2026-04-06T00:00:00Z"));
    site.settle_at("2026-04-08");
    for month in ["2025-03", "2025-09", "2026-02", "2026-03"] {
        assert_eq!(
            site.england(month, "registrations_all_time"),
            1002,
            "{month}"
        );
        assert_eq!(site.revisions(month), [close(0), late(1)], "{month}");
    }
    assert_eq!(site.england("2026-03", "registrations"), 0);
}

#[test]
fn twelve_month_users_of_later_months_are_revised_too() {
    let mut site = closed();
    site.settle_at("2025-07-05");
    site.send(&login("2025-03-11T00:00:00Z", 50).arriving("2025-07-06T00:00:00Z"));
    site.settle_at("2025-07-08");
    for month in ["2025-03", "2025-04", "2025-05", "2025-06"] {
        assert_eq!(
            site.england(month, "unique_users_logging_in_12_months"),
            3,
            "{month}"
        );
        assert_eq!(site.revisions(month), [close(0), late(1)], "{month}");
    }
    assert_eq!(site.england("2025-06", LOGINS), 0);
}

#[test]
fn the_reason_is_settings_when_they_changed_since_the_last_release() {
    let mut site = closed();
    let partials = site.cluster.partials();
    let (key, value) = partials.iter().find(|(key, _)| key == b"settings").unwrap();
    let recorded: wire::v1::Settings = wire::partials::decode(value.as_ref().unwrap()).unwrap();
    site.processes.clear();
    site.options.kinds.set_baseline(model::KindId(2), 77);
    site.cluster.advance_to(world::at("2025-04-08"));
    let mut settings = engine::settings::of(&site.options, 2, 2);
    settings.number = 2;
    settings.filling.clone_from(&recorded.filling);
    site.cluster.write_partial(&engine::ports::Partial {
        partition: 0,
        key: key.clone(),
        value: Some(wire::partials::encode(&settings)),
    });
    site.restart(false);
    site.settle();
    assert_eq!(
        site.revisions("2025-03"),
        [close(0), (1, "settings".into())]
    );
    assert_eq!(site.england("2025-03", "registrations_all_time"), 77);
    site.send(&login("2025-03-11T00:00:00Z", 50).arriving("2025-04-09T00:00:00Z"));
    site.settle_at("2025-04-12");
    assert_eq!(site.revisions("2025-03").last(), Some(&late(2)));
}

#[test]
fn a_closed_month_is_shown_as_released_until_it_is_revised() {
    let mut site = closed();
    let before = site.records("2025-03");
    site.send(
        &login("2025-03-31T20:00:00Z", 3)
            .icb("QHM")
            .arriving("2025-04-04T09:00:00Z"),
    );
    site.settle();
    let (from, to) = engine::view::keys::releases_of(world::month("2025-03"));
    let stored: Vec<wire::v1::MonthClose> = site.processes[0]
        .store
        .contents()
        .range(from..to)
        .map(|(_, value)| wire::releases::decode(value).unwrap())
        .collect();
    assert_eq!(stored.len(), before.len());
    assert!(stored.iter().all(|record| before.contains(record)));
}

#[test]
fn the_clock_of_the_gate_is_the_last_release() {
    let mut site = closed();
    site.options.revision_interval = Duration::from_hours(1);
    site.restart(true);
    site.send(&login("2025-03-31T20:00:00Z", 3).arriving("2025-04-04T03:00:00Z"));
    site.settle();
    assert_eq!(site.revisions("2025-03"), [close(0), late(1)]);
}
