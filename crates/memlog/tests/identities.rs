//! Duplicates: an event is counted once, over batches, restarts, generations and encodings.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use world::{Site, at, login, order};

const LOGINS: &str = "logins";

/// An instant so many minutes after noon.
fn minutes(minutes: i64) -> String {
    model::Timestamp::from_millis(at("2025-03-10T12:00:00Z").as_millis() + minutes * 60_000)
        .to_string()
}

/// What was counted and what was dropped, in March.
fn outcome(mut site: Site) -> (u64, u64) {
    let duplicates = site.processes[0].host.tally.duplicates;
    site.settle();
    let duplicates = duplicates.max(site.processes[0].host.tally.duplicates);
    site.settle_at("2025-04-05");
    (site.england("2025-03", LOGINS), duplicates)
}

#[test]
fn a_duplicate_in_the_next_batch_or_after_a_restart_is_known() {
    for restart in [None, Some(true), Some(false)] {
        let mut site = Site::new("2025-03");
        let first = login(&minutes(0), 1).session("s");
        site.send(&first);
        site.settle();
        if let Some(keeps_disk) = restart {
            site.restart(keeps_disk);
        }
        site.send(&first);
        site.send(&first);
        assert_eq!(outcome(site), (1, 2), "{restart:?}");
    }
}

#[test]
fn it_makes_no_difference_in_which_encoding_a_session_comes() {
    let mut site = Site::new("2025-03");
    let event = login(&minutes(0), 1).session("s").id("1");
    site.send(&event);
    site.send(&event.clone().cloud_event("/app"));
    site.send(&event.clone().id("2"));
    site.send(&event.session("t"));
    site.settle();
    assert_eq!(outcome(site), (2, 2));
}

#[test]
fn ids_of_different_forms_are_different() {
    let site = Site::new("2025-03");
    site.send(&login(&minutes(0), 1).session("x"));
    site.send(&login(&minutes(0), 1).id("x"));
    site.send(&login(&minutes(0), 1).id("x").cloud_event("/a"));
    site.send(&login(&minutes(0), 1).id("x").cloud_event("/b"));
    site.send(&login(&minutes(1), 1).id("x").cloud_event("/b"));
    assert_eq!(outcome(site), (4, 1));
}

#[test]
fn events_without_an_identity_are_counted() {
    let site = Site::new("2025-03");
    for _ in 0..5 {
        site.send(&login(&minutes(0), 1));
    }
    assert_eq!(outcome(site), (5, 0));
}

#[test]
fn an_identity_is_remembered_for_a_generation_and_forgotten_after_two() {
    let mut site = Site::new("2025-03");
    let first = login(&minutes(0), 1).session("first");
    site.send(&first);
    site.send(&login(&minutes(59), 2).session("a"));
    // The first generation has ended, and is remembered as the previous one.
    site.send(&login(&minutes(61), 3).session("b"));
    site.settle();
    site.restart(false);
    site.send(&first.clone().arriving(&minutes(100)));
    site.settle();
    assert_eq!(site.processes[0].host.tally.duplicates, 1);
    site.send(&login(&minutes(125), 4).session("c"));
    site.settle();
    site.restart(false);
    site.send(&first.arriving(&minutes(200)));
    site.settle();
    assert_eq!(site.processes[0].host.tally.duplicates, 0, "forgotten");
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", LOGINS), 5);
}

#[test]
fn each_partition_remembers_its_own() {
    let site = Site::with(world::site::small_options("2025-03"), &[2, 1, 1]);
    let event = login(&minutes(0), 1).session("s").id("e");
    site.send(&event);
    site.send(&event.partition(1));
    site.send(&order(&minutes(0), 1).id("e"));
    assert_eq!(outcome(site), (2, 0));
}

#[test]
fn a_generation_of_many_slices_survives_a_restart() {
    let mut site = Site::new("2025-03");
    site.options.deduplication_events_max = 1000;
    site.restart(false);
    let event = |number: usize| login(&minutes(0), 1).session(&format!("{number}"));
    for number in 0..2700 {
        site.send(&event(number));
        if number % 400 == 399 {
            site.cluster
                .advance_to(site.cluster.now().saturating_add(Duration::from_secs(40)));
            site.turns(6);
        }
    }
    site.settle();
    site.restart(false);
    // 700 are in the current generation, 1000 in the previous one; the first thousand are forgotten.
    for number in [1000, 1255, 1256, 1999, 2000, 2699] {
        site.send(&event(number));
    }
    site.settle();
    assert_eq!(site.processes[0].host.tally.duplicates, 6);
    site.send(&event(999));
    site.settle();
    assert_eq!(site.processes[0].host.tally.counted, 1);
}
