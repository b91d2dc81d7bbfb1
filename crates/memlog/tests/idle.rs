//! Silence: a quiet partition does not hold a month open, one that nobody reads does.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use memlog::Cluster;
use model::{InputPartition, Offset};
use wire::partials::PartialKey;
use wire::v1::Progress;
use world::{Site, at, login, order, registration};

/// The progress of an input partition, every record of it, in order.
fn progress(cluster: &Cluster, kind: &str, partition: u32) -> Vec<Progress> {
    let wanted = PartialKey::Progress { kind, partition }.encode();
    let partials = cluster.partials();
    let found = partials.iter().filter(|(key, _)| *key == wanted);
    found
        .map(|(_, value)| wire::partials::decode(value.as_ref().unwrap()).unwrap())
        .collect()
}

fn idle_statements(cluster: &Cluster, kind: &str) -> usize {
    let progress = progress(cluster, kind, 0);
    progress.iter().filter(|progress| progress.idle).count()
}

/// Orders are quiet; logins come every half day, registrations too.
fn run_until(site: &mut Site, from: &str, days: i64) {
    for half_day in 0..days * 2 {
        let time = at(from).as_millis() + half_day * 43_200_000;
        let text = model::Timestamp::from_millis(time).to_string();
        site.send(&login(&text, 1));
        site.send(&registration(&text, 1));
        site.turns(4);
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_mins(7)));
        site.turns(6);
    }
}

#[test]
fn a_partition_is_stated_to_be_idle_only_when_that_lets_a_month_close() {
    let mut site = Site::new("2025-03");
    run_until(&mut site, "2025-03-01", 155);
    for month in ["2025-03", "2025-04", "2025-05", "2025-06"] {
        assert_eq!(site.revisions(month).len(), 1, "{month}");
    }
    assert_eq!(idle_statements(&site.cluster, "prescription_orders"), 4);
    assert_eq!(idle_statements(&site.cluster, "logins"), 0);
    assert_eq!(idle_statements(&site.cluster, "registrations"), 0);
    assert_eq!(progress(&site.cluster, "prescription_orders", 0).len(), 4);
}

#[test]
fn one_statement_lets_all_months_of_a_backlog_close() {
    let mut site = Site::new("2025-03");
    site.cluster.advance_to(at("2026-01-10"));
    for month in 3..=12 {
        let time = format!("2025-{month:02}-10T00:00:00Z");
        site.send(&login(&time, 1).arriving("2026-01-10T00:00:00Z"));
    }
    site.settle();
    assert_eq!(site.revisions("2025-12").len(), 1);
    for kind in ["logins", "prescription_orders", "registrations"] {
        assert_eq!(idle_statements(&site.cluster, kind), 1, "{kind}");
    }
}

#[test]
fn dead_letters_and_duplicates_do_not_end_idleness() {
    let mut site = Site::new("2025-03");
    let known = order("2025-03-31T12:00:00Z", 1).id("known");
    site.send(&known);
    site.settle();
    site.cluster.advance_to(at("2025-04-02T22:50:00Z"));
    // March ends at 23:00 in UTC; with grace it waits until 2025-04-03T23:00.
    for minute in 0..60 {
        let now = at("2025-04-03T22:50:00Z").as_millis() + minute * 60_000;
        let now = model::Timestamp::from_millis(now).to_string();
        site.send(&known.clone().arriving(&now));
        site.send(&registration(&now, 1).no_account());
        site.send(&login(&now, 1));
        site.turns(12);
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_secs(2)));
        site.turns(2);
    }
    assert_eq!(site.revisions("2025-03").len(), 1);
    let released_at = site.records("2025-03")[0].released_at.unwrap().seconds * 1000;
    assert!(released_at <= at("2025-04-03T23:10:00Z").as_millis());
    assert_eq!(site.processes[0].host.tally.duplicates, 60);
    assert_eq!(site.cluster.dead_letters().len(), 60);
}

#[test]
fn an_open_transaction_of_a_producer_is_not_silence() {
    let mut site = Site::new("2025-03");
    site.send(&login("2025-03-10T00:00:00Z", 1));
    site.settle();
    let open = site.cluster.begin();
    let inside = order("2025-03-20T00:00:00Z", 1);
    site.cluster
        .append_in(open, inside.to, inside.record(&site.options));
    site.settle_at("2025-04-10");
    assert!(site.revisions("2025-03").is_empty());
    assert_eq!(site.cluster.committed(inside.to), None);
    site.cluster.end(open, true);
    site.settle();
    assert_eq!(site.england("2025-03", "prescription_orders"), 1);
    assert_eq!(site.revisions("2025-03").len(), 1);
}

#[test]
fn a_statement_does_not_outlast_the_silence_that_it_is_about() {
    let mut site = Site::new("2025-03");
    let known = order("2025-03-31T12:00:00Z", 1).id("known");
    site.send(&known);
    site.settle_at("2025-04-10");
    assert_eq!(idle_statements(&site.cluster, "prescription_orders"), 1);
    // A duplicate has to be committed; behind it a transaction is open, with what nobody knows.
    let open = site.cluster.begin();
    site.send(&known.clone().arriving("2025-04-10T06:00:00Z"));
    site.cluster
        .append_in(open, known.to, known.record(&site.options));
    site.settle();
    let last = progress(&site.cluster, "prescription_orders", 0)
        .pop()
        .unwrap();
    assert!(!last.idle && last.position == 2, "{last:?}");
    site.cluster.end(open, false);
    site.settle();
    let last = progress(&site.cluster, "prescription_orders", 0)
        .pop()
        .unwrap();
    assert!(last.idle && last.position == 4, "{last:?}");
}

#[test]
fn what_a_former_owner_stated_still_holds_for_the_next_one() {
    let mut site = Site::new("2025-03");
    let known = order("2025-03-31T12:00:00Z", 1).id("known");
    site.send(&known);
    site.settle_at("2025-04-10");
    site.restart(false);
    site.send(&known.arriving("2025-04-10T06:00:00Z"));
    site.settle();
    let progress = progress(&site.cluster, "prescription_orders", 0);
    assert_eq!(progress.last().unwrap().position, 2);
    assert!(!progress[0].idle);
    assert!(
        progress[1..].iter().all(|progress| progress.idle),
        "{progress:?}"
    );
}

#[test]
fn the_position_goes_past_aborted_records_and_markers() {
    let mut site = Site::new("2025-03");
    let to: InputPartition = Site::partition(0, 0);
    site.send(&login("2025-03-01T00:00:00Z", 1));
    let aborted = login("2025-03-01T00:00:00Z", 2).record(&site.options);
    site.cluster.append_aborted(to, vec![aborted; 5]);
    site.settle();
    assert_eq!(site.cluster.committed(to), Some(Offset(7)));
    assert_eq!(site.cluster.lag(), 0);
    site.settle_at("2025-04-04");
    assert_eq!(site.england("2025-03", "logins"), 1);
}

#[test]
fn a_partition_that_nobody_reads_holds_a_month_open() {
    let mut site = Site::new("2025-03");
    site.start();
    site.send(&login("2025-03-01T00:00:00Z", 1));
    site.settle();
    let mut frozen = site.processes.pop().unwrap();
    site.settle_at("2025-05-20");
    assert!(
        site.revisions("2025-03").is_empty(),
        "half of the topics have no reader"
    );
    frozen.source.expire();
    site.settle();
    assert_eq!(site.revisions("2025-03").len(), 1);
    assert_eq!(site.revisions("2025-04").len(), 1);
}

#[test]
fn an_event_ahead_of_the_clock_does_not_hold_a_month_open_that_its_time_has_passed() {
    let mut site = Site::new("2025-03");
    // With its grace March is closed from 2025-04-03T23:00 on. That is when this occurred, by a clock that is ahead.
    let ahead = "2025-04-03T23:04:00Z";
    for event in [login(ahead, 1), order(ahead, 1), registration(ahead, 1)] {
        site.send(&event.arriving("2025-04-03T22:59:00Z"));
    }
    site.turns(20);
    site.cluster.advance_to(at("2025-04-03T22:59:40Z"));
    site.turns(20);
    assert_eq!(site.cluster.lag(), 0, "it is committed before the end");
    site.settle_at("2025-04-03T23:10:00Z");
    assert_eq!(site.revisions("2025-03").len(), 1);
}
