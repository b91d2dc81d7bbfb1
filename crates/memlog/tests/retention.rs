//! More months than are kept: floors rise, months are sealed, the topic shrinks, all-time counts go on.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::collections::BTreeSet;

use engine::view::keys;
use memlog::MemStore;
use model::{KindId, Month, Reason};
use wire::partials::PartialKey;
use world::{Site, login, order, registration};

const ALL_TIME: &str = "registrations_all_time";

fn month(number: u64) -> Month {
    world::month("2025-03").plus(i32::try_from(number).unwrap())
}

fn text(number: u64) -> String {
    month(number).to_string()
}

/// An instant in the n-th month.
fn in_month(number: u64, day: u64) -> String {
    format!("{}-{day:02}T12:00:00Z", month(number))
}

/// So many months with two logins, an order and two registrations each, the last of them closed.
fn after(months: u64, retention_months: u32) -> Site {
    let mut options = world::site::small_options("2025-03");
    options.retention_months = retention_months;
    options.kinds.set_baseline(KindId(2), 500);
    let mut site = Site::with(options, &[2, 1, 1]);
    for number in 0..months {
        let time = in_month(number, 10);
        site.send(&login(&time, number).icb("QHM"));
        site.send(&login(&time, 7_000).icb("QHM").partition(1));
        site.send(&order(&time, number));
        site.send(&registration(&time, number));
        site.send(&registration(&time, 1_000 + number));
        site.settle_at(&in_month(number + 1, 5));
        assert_eq!(site.revisions(&text(number)).len(), 1, "{}", text(number));
    }
    site
}

fn floors(site: &Site) -> BTreeSet<String> {
    let view = site.processes[0].instance.view();
    view.all_stated()
        .map(|(_, stated)| stated.floor.to_string())
        .collect()
}

/// Months that a table of the first instance's store holds.
fn months_in(site: &Site, table: &str, place: usize) -> BTreeSet<String> {
    let contents = site.processes[0].store.contents();
    let keys = contents
        .keys()
        .map(|key| String::from_utf8(key.clone()).unwrap());
    keys.filter(|key| key.starts_with(table))
        .map(|key| key.split('/').nth(place).unwrap().to_owned())
        .collect()
}

#[test]
fn with_fifteen_months_kept_everything_below_is_dropped_and_nothing_is_miscounted() {
    let site = after(20, 15);
    // The last closed month is number 19, so number 4 is the first that is kept.
    assert_eq!(floors(&site), [text(4)].into());
    let kept: BTreeSet<String> = (4..20).map(text).collect();
    assert_eq!(months_in(&site, "count/", 3), kept);
    assert_eq!(months_in(&site, "page/", 3), kept);
    assert_eq!(months_in(&site, "union/", 2), kept);
    assert_eq!(site.processes[0].instance.view().sealed_before(), month(15));
    for number in 0..20 {
        let month = text(number);
        assert_eq!(
            site.england(&month, ALL_TIME),
            500 + 2 * (number + 1),
            "{month}"
        );
        assert_eq!(site.england(&month, "logins"), 2, "{month}");
        let users = site.england(&month, "unique_users_logging_in_12_months");
        assert_eq!(users, number.min(11) + 2, "{month}");
    }
}

#[test]
fn with_eleven_months_kept_the_window_of_the_latest_month_is_whole() {
    let mut site = after(18, 11);
    assert_eq!(floors(&site), [text(6)].into());
    assert_eq!(site.processes[0].instance.view().sealed_before(), month(17));
    assert_eq!(
        site.england(&text(17), "unique_users_logging_in_12_months"),
        13
    );
    // The first kept month may still revise the latest closed one, and no other.
    site.send(&login(&in_month(6, 11), 60_000).arriving(&in_month(18, 7)));
    site.settle_at(&in_month(18, 9));
    assert_eq!(site.revisions(&text(17)).len(), 2);
    assert_eq!(
        site.england(&text(17), "unique_users_logging_in_12_months"),
        14
    );
    assert_eq!(site.processes[0].host.tally.sealed, 1);
    for number in 0..17 {
        assert_eq!(site.revisions(&text(number)).len(), 1, "{}", text(number));
    }
}

#[test]
fn fewer_months_than_a_window_are_never_kept() {
    let site = after(14, 3);
    assert_eq!(floors(&site), [text(2)].into());
    assert_eq!(
        site.england(&text(13), "unique_users_logging_in_12_months"),
        13
    );
}

#[test]
fn late_events_revise_what_they_may_and_are_too_old_below_the_floor() {
    let mut site = after(20, 15);
    let now = in_month(20, 7);
    site.send(&registration(&in_month(3, 11), 9_001).arriving(&now));
    site.send(&registration(&in_month(4, 11), 9_002).arriving(&now));
    site.send(&login(&in_month(10, 11), 9_003).arriving(&now));
    site.settle_at(&in_month(20, 9));
    let letters = site.cluster.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, Reason::TooOld);
    // Sealed: windows of months before number 15 reach below the floor.
    assert_eq!(site.processes[0].host.tally.sealed, 2);
    for number in 0..15 {
        assert_eq!(site.revisions(&text(number)).len(), 1, "{}", text(number));
    }
    for number in 15..20 {
        let month = text(number);
        assert_eq!(site.revisions(&month).len(), 2, "{month}");
        assert_eq!(
            site.england(&month, ALL_TIME),
            500 + 2 * (number + 1) + 1,
            "{month}"
        );
        assert_eq!(
            site.england(&month, "unique_users_logging_in_12_months"),
            14,
            "{month}"
        );
    }
}

#[test]
fn dropped_cells_become_tombstones_and_the_topic_shrinks() {
    let site = after(20, 15);
    let partials = site.cluster.partials();
    let below = |key: &[u8]| match PartialKey::decode(key).unwrap() {
        PartialKey::Count { month: cell, .. } | PartialKey::Page { month: cell, .. } => {
            cell < month(4)
        }
        _ => false,
    };
    let written: BTreeSet<&[u8]> = partials
        .iter()
        .filter(|(key, value)| value.is_some() && below(key))
        .map(|(key, _)| key.as_slice())
        .collect();
    let dropped: Vec<&[u8]> = partials
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(key, _)| key.as_slice())
        .collect();
    assert_eq!(
        dropped.len(),
        dropped.iter().collect::<BTreeSet<_>>().len(),
        "once each"
    );
    assert_eq!(dropped.iter().copied().collect::<BTreeSet<_>>(), written);
    let before = partials.len();
    site.cluster.compact_partials();
    let after = site.cluster.partials();
    assert!(after.len() * 2 < before, "{before} to {}", after.len());
    assert!(!after.iter().any(|(key, _)| below(key)));
}

#[test]
fn a_view_restored_from_a_compacted_topic_is_the_live_one() {
    let live = after(20, 15);
    live.cluster.compact_partials();
    let fresh = MemStore::default();
    let mut site = live;
    let mut reader = site.try_start(&site.options.clone(), &fresh).unwrap();
    reader.turns(5);
    let tables = |store: &MemStore| {
        let mut contents = store.contents();
        contents.retain(|key, _| {
            [&b"count/"[..], b"page/", b"union/", b"release/", b"window/"]
                .iter()
                .any(|table| key.starts_with(table))
        });
        contents
    };
    assert!(tables(&fresh) == tables(&site.processes[0].store));
    for partition in reader.instance.view().all_stated() {
        let live = site.processes[0]
            .instance
            .view()
            .stated(partition.0)
            .unwrap();
        assert_eq!(partition.1.progress, live.progress);
    }
    drop(reader);
    // It goes on as the live one would, sealed months included.
    site.processes.clear();
    site.start();
    site.send(&login(&in_month(16, 11), 9_003).arriving(&in_month(20, 7)));
    site.settle_at(&in_month(21, 5));
    assert_eq!(site.england(&text(16), "logins"), 3);
    assert_eq!(site.england(&text(20), ALL_TIME), 540);
    assert_eq!(floors(&site), [text(5)].into());
}

#[test]
fn counts_below_the_floor_are_carried_by_each_partition() {
    let site = after(20, 15);
    let view = site.processes[0].instance.view();
    let carried: Vec<u64> = view
        .all_stated()
        .map(|(_, stated)| stated.progress.all_time_below_floor)
        .collect();
    assert_eq!(carried, [4, 4, 4, 8]);
    let (from, to) = keys::counts_of("registrations");
    let contents = site.processes[0].store.contents();
    let kept: u64 = contents
        .range(from..to)
        .map(|(_, value)| u64::from_be_bytes(value.as_slice().try_into().unwrap()))
        .sum();
    assert_eq!(kept + 8, 40);
}

#[test]
fn a_month_close_topic_that_was_lost_is_said_and_no_month_comes_out_as_zero() {
    let mut site = after(18, 11);
    assert!(site.processes[0].instance.view().sealed_before() > month(0));
    site.cluster.recreate_month_close();
    let text = site.contradiction();
    assert!(
        text.contains("the month-close topic has no release of 2025-03, which is sealed"),
        "{text}"
    );
    assert!(site.revisions("2025-03").is_empty());
}
