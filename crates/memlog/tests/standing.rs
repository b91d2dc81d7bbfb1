//! What an operator is told: how things stand, what holds a month open, what is assigned and not counted.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

use std::time::Duration;

use memlog::MemStore;
use model::Offset;
use world::site::small_options;
use world::{Site, at, login, month};

mod world;

/// Turns that are ten seconds apart.
fn wait(site: &mut Site, turns: usize) {
    for _ in 0..turns {
        site.turns(1);
        let now = site.cluster.now();
        site.cluster
            .advance_to(now.saturating_add(Duration::from_secs(10)));
    }
}

#[test]
fn the_leader_says_which_partition_holds_a_month_open() {
    let mut site = Site::with(small_options("2025-03"), &[1, 1, 1]);
    site.start();
    site.send(&login("2025-03-01T00:00:00Z", 1));
    site.settle();
    let mut frozen = site.processes.pop().unwrap();
    let standings = |site: &Site| site.processes[0].host.standings.clone();
    let last = standings(&site).pop().unwrap();
    assert_eq!(last.partition_counts, [1, 1, 1]);
    assert_eq!(last.closed_until, at("2025-03-01T00:00:00Z"));
    let lowest = last.lowest.unwrap();
    assert_eq!((lowest.watermark, lowest.holds_open), (None, None));
    assert_eq!(lowest.partition, Site::partition(1, 0));
    assert!(!lowest.is_counted_here, "the other instance has it");

    // March ends at 23:00 in UTC; with grace it waits until 2025-04-03T23:00.
    site.settle_at("2025-04-03T22:00:00Z");
    assert!(
        standings(&site).iter().all(|standing| standing
            .lowest
            .is_none_or(|lowest| lowest.holds_open.is_none())),
        "it is not over yet"
    );
    site.settle_at("2025-04-10T00:00:00Z");
    let lowest = standings(&site).pop().unwrap().lowest.unwrap();
    assert_eq!(lowest.holds_open, Some(month("2025-03")));
    assert_eq!(lowest.partition, Site::partition(1, 0));
    assert_eq!(lowest.watermark, None);

    frozen.source.expire();
    site.settle();
    let last = standings(&site).pop().unwrap();
    let lowest = last.lowest.unwrap();
    assert_eq!(lowest.holds_open, None, "{lowest:?}");
    assert!(lowest.watermark > Some(at("2025-04-03T23:00:00Z")));
    assert!(lowest.is_counted_here);
    assert_eq!(last.closed_until, at("2025-03-31T23:00:00Z"));
    let of_other = frozen.host.standings.pop().unwrap();
    assert_eq!(of_other.lowest, None, "it does not lead");
}

#[test]
fn a_partition_whose_offset_is_pending_is_told_of_again_and_again() {
    let mut site = Site::new("2025-03");
    site.send(&login("2025-03-01T00:00:00Z", 1));
    site.settle();
    let logins = Site::partition(0, 0);
    let committed = site.cluster.committed(logins).unwrap();
    let open = site.cluster.begin();
    site.cluster
        .write_offsets_of_nobody(open, &[(logins, committed)])
        .unwrap();
    site.restart(true);
    wait(&mut site, 20);
    let process = &site.processes[0];
    // The broker does not say which of those asked for is pending: all wait, each is told of after 15 s and
    // then once a minute.
    let told = process.seen("WaitingLong");
    assert_eq!(told, 3 * 3, "{:#?}", process.host.seen);
    let says = "WaitingLong { partition: InputPartition { kind: KindId(0), partition: 0 }, waited: 20s, \
                waits_for: GroupOffset }";
    assert_eq!(process.seen(says), 1, "{:#?}", process.host.seen);
    site.cluster.end(open, true);
    wait(&mut site, 20);
    let process = &site.processes[0];
    assert_eq!(process.seen("Took"), 3);
    assert_eq!(process.seen("WaitingLong"), told, "no longer");
}

#[test]
fn a_partition_whose_partials_have_not_been_read_is_told_of() {
    let mut site = Site::new("2025-03");
    site.settle();
    let next = site.start_on(&MemStore::default());
    for _ in 0..5 {
        next.turns(1);
    }
    next.journal.hold(true);
    site.send(&login("2025-03-01T00:00:00Z", 1));
    wait(&mut site, 6);
    // The first instance is killed, and what it has committed last is still to be read.
    site.processes.remove(0);
    wait(&mut site, 10);
    let process = &site.processes[0];
    assert!(
        process.seen("WaitingLong") > 0
            && process.host.seen.iter().any(|seen| {
                seen.starts_with("WaitingLong") && seen.contains("waits_for: View { records_left: ")
            }),
        "{:#?}",
        process.host.seen
    );
    site.processes[0].journal.hold(false);
    site.settle();
    assert_eq!(
        site.cluster.committed(Site::partition(0, 0)),
        Some(Offset(1))
    );
}

#[test]
fn codes_that_the_reference_data_lacks_are_told_once_an_hour() {
    let mut site = Site::new("2025-03");
    let time = "2025-03-01T00:00:00Z";
    for event in [
        login(time, 1).practice("A99999").icb("QXX"),
        login(time, 2).practice(" a99999 "),
        login(time, 3).icb("QXX"),
        login(time, 4).practice("A90001"),
        login(time, 5).icb("QHM"),
        login(time, 6),
        login(time, 7).practice("9434765919"),
        login(time, 8).practice("A40001"),
        // An account's id in the wrong place.
        login(time, 9).account("b12345").practice("B12345"),
    ] {
        site.send(&event);
    }
    site.turns(20);
    let seen = |site: &Site| {
        let seen = site.processes[0].host.seen.iter();
        let told = seen.filter(|seen| seen.starts_with("UnknownGeography"));
        told.cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        seen(&site).len(),
        0,
        "what comes within a minute is one sample"
    );
    site.send(&login("2025-03-01T00:00:30Z", 1).practice("A99999"));
    wait(&mut site, 10);
    let says = "UnknownGeography(Sample { events: 8, codes: [(\"A99999\", 3), (\"A90001\", 1), (\"QXX\", 1)], \
                without_code: 1, malformed: 2 })";
    assert_eq!(seen(&site), [says]);
    site.send(&login("2025-03-01T00:50:00Z", 1).icb("QXX"));
    wait(&mut site, 12);
    assert_eq!(seen(&site).len(), 1, "within the hour");
    site.send(&login("2025-03-01T01:01:00Z", 1).icb("QYY"));
    wait(&mut site, 12);
    let says = "UnknownGeography(Sample { events: 2, codes: [(\"QXX\", 1), (\"QYY\", 1)], \
                without_code: 0, malformed: 0 })";
    assert_eq!(seen(&site)[1..], [says]);
}

#[test]
fn however_many_codes_are_lacking_only_so_many_events_are_looked_at() {
    let mut site = Site::new("2025-03");
    site.processes[0].source.set_run_records_max(1);
    for account in 0..1200 {
        let code = format!("X{account:05}");
        site.send(&login("2025-03-01T00:00:00Z", account).practice(&code));
    }
    site.turns(1300);
    assert_eq!(site.processes[0].host.tally.unknown_geography, 1200);
    wait(&mut site, 10);
    let says = "UnknownGeography(Sample { events: 1000, codes: [(\"X00000\", 1), (\"X00001\", 1), ";
    assert_eq!(site.seen(says), 1);
}
