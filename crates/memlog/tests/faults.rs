//! Transactions that end badly, instances that come and go: nothing is lost and nothing is doubled.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use memlog::MemStore;
use model::Month;
use world::{Fault, Site, at, login, order, registration};

const LOGINS: &str = "logins";

/// Sends so many events to every topic, with a turn of every instance between them.
fn send(site: &mut Site, events: u64) {
    for number in 0..events {
        let now = site.cluster.now().saturating_add(Duration::from_secs(7));
        let now = now.to_string();
        let partitions = 3;
        let partition = u32::try_from(number % partitions).unwrap();
        site.send(&login(&now, number).partition(partition));
        site.send(&order(&now, number));
        site.send(&registration(&now, number).no_account());
        site.turns(2);
    }
}

fn site() -> Site {
    Site::with(world::site::small_options("2025-03"), &[3, 1, 1])
}

/// What came out of March, and that every dead letter came once.
fn assert_exact(site: &mut Site, events: u64) {
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", LOGINS), events);
    assert_eq!(site.england("2025-03", "prescription_orders"), events);
    assert_eq!(site.revisions("2025-03").len(), 1);
    let letters = site.cluster.dead_letters();
    let offsets: std::collections::BTreeSet<_> =
        letters.iter().map(|letter| letter.offset).collect();
    assert_eq!(
        (letters.len() as u64, offsets.len() as u64),
        (events, events)
    );
}

#[test]
fn every_end_of_a_checkpoint_leaves_each_event_counted_once() {
    for fault in [
        Fault::Aborted,
        Fault::NotMember,
        Fault::UnknownCommitted,
        Fault::UnknownAborted,
    ] {
        let mut site = site();
        for _ in 0..6 {
            site.processes[0]
                .checkpoint_faults
                .borrow_mut()
                .extend([Fault::None, fault, fault]);
            send(&mut site, 30);
        }
        assert!(site.seen("CheckpointFailed") >= 3, "{fault:?}");
        assert_exact(&mut site, 180);
    }
}

#[test]
fn a_statement_of_unknown_outcome_is_found_again_by_its_number() {
    for fault in [Fault::UnknownCommitted, Fault::UnknownAborted] {
        let mut site = site();
        site.send(&login("2025-03-10T00:00:00Z", 1));
        site.settle();
        // Idle statements do not move positions, so no offset tells whether they were committed.
        site.processes[0]
            .checkpoint_faults
            .borrow_mut()
            .extend([fault; 3]);
        site.settle_at("2025-04-03T23:10:00Z");
        // Each time it is taken anew it has to be silent anew.
        site.settle();
        site.settle();
        assert_eq!(site.revisions("2025-03").len(), 1, "{fault:?}");
        site.send(&order("2025-04-04T12:00:00Z", 1));
        site.send(&login("2025-04-04T12:00:00Z", 1));
        // Another instance, which has only what was published.
        site.restart(false);
        site.settle_at("2025-05-05");
        assert_eq!(site.england("2025-04", LOGINS), 1, "{fault:?}");
        assert_eq!(
            site.england("2025-04", "prescription_orders"),
            1,
            "{fault:?}"
        );
    }
}

#[test]
fn a_checkpoint_that_left_the_position_is_read_before_the_partition_is_taken() {
    let mut site = Site::new("2025-03");
    site.send(&login("2025-03-10T00:00:00Z", 1));
    site.settle();
    let options = site.options.clone();
    let mut next = site.try_start(&options, &MemStore::default()).unwrap();
    next.turns(3);
    next.journal.hold(true);
    // The first owner states its partitions to be idle and leaves; the next one does not see it yet.
    site.cluster.advance_to(at("2025-04-03T23:10:00Z"));
    site.turns(20);
    let before = next.seen("Took");
    site.processes.remove(0).stop().unwrap();
    site.processes.push(next);
    site.send(&login("2025-04-03T23:11:00Z", 2));
    site.settle();
    assert_eq!(site.seen("Took"), before, "it waits for what was published");
    site.processes[0].journal.hold(false);
    site.settle();
    assert_eq!(site.seen("Took"), 3);
    site.restart(false);
    site.settle_at("2025-05-05");
    assert_eq!(site.england("2025-04", LOGINS), 1);
}

#[test]
fn aborted_transactions_leave_records_that_nobody_reads() {
    let mut site = site();
    for aborts in 0..4 {
        send(&mut site, 20);
        site.cluster.abort_next(aborts);
    }
    site.cluster.abort_next(3);
    assert_exact(&mut site, 80);
    turn_until_release(&mut site, "2025-05-03T23:10:00Z");
    site.cluster.abort_next(1);
    site.settle();
    assert_eq!(site.records("2025-04").len(), 52);
    assert!(site.seen("ReleaseFailed") > 0 && site.seen("CheckpointFailed") > 0);
}

/// Moves the clock and turns until an instance has taken the release id and reads before it decides.
fn turn_until_release(site: &mut Site, time: &str) {
    site.cluster.advance_to(at(time));
    let begun = site.seen("ReleaseBegins");
    while site.seen("ReleaseBegins") == begun {
        site.turns(1);
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_secs(2)));
    }
}

#[test]
fn every_end_of_a_release_publishes_each_month_once() {
    for fault in [
        Fault::Aborted,
        Fault::NotMember,
        Fault::UnknownCommitted,
        Fault::UnknownAborted,
    ] {
        let mut site = site();
        send(&mut site, 3);
        site.processes[0]
            .release_faults
            .borrow_mut()
            .extend([fault, Fault::None, fault, fault]);
        site.settle_at("2025-07-05");
        for month in ["2025-03", "2025-04", "2025-05", "2025-06"] {
            assert_eq!(site.records(month).len(), 52, "{month} {fault:?}");
        }
        assert!(site.seen("ReleaseFailed") >= 3, "{fault:?}");
    }
}

#[test]
fn instances_join_leave_and_crash_without_a_count_lost_or_doubled() {
    let mut site = site();
    let mut expected = 0;
    for round in 0..12 {
        send(&mut site, 10);
        expected += 10;
        match round % 4 {
            0 | 1 => {
                site.start();
            }
            2 => {
                let process = site.processes.remove(0);
                process.stop().unwrap();
            }
            _ => drop(site.processes.remove(0)),
        }
    }
    assert_exact(&mut site, expected);
}

#[test]
fn a_frozen_instance_that_wakes_up_commits_nothing() {
    let mut site = site();
    site.start();
    send(&mut site, 20);
    for _ in 0..3 {
        let mut frozen = site.processes.remove(0);
        frozen.source.expire();
        send(&mut site, 20);
        frozen.turns(3);
        site.processes.push(frozen);
        send(&mut site, 20);
    }
    assert_exact(&mut site, 140);
    assert!(site.seen("CheckpointFailed(\"not a member") + site.seen("Released") > 0);
}

#[test]
fn a_leader_that_dies_between_taking_and_publishing_is_followed_by_another() {
    let mut site = site();
    site.start();
    send(&mut site, 5);
    site.settle();
    turn_until_release(&mut site, "2025-04-03T23:10:00Z");
    assert!(site.revisions("2025-03").is_empty());
    site.processes.remove(0);
    site.settle();
    assert_eq!(site.revisions("2025-03").len(), 1);
    assert_eq!(site.records("2025-03").len(), 52);
}

#[test]
fn a_leader_that_does_not_know_that_it_was_replaced_is_fenced() {
    let mut site = site();
    site.start();
    send(&mut site, 5);
    site.settle();
    turn_until_release(&mut site, "2025-04-03T23:10:00Z");
    let mut zombie = site.processes.remove(0);
    zombie.source.expire();
    site.settle();
    assert_eq!(site.revisions("2025-03").len(), 1);
    // It goes on from where it was: its decision is made, its id is taken.
    zombie.turns(1);
    site.processes.push(zombie);
    site.settle_at("2025-05-10");
    assert_eq!(site.records("2025-03").len(), 52);
    assert_eq!(site.records("2025-04").len(), 52);
}

#[test]
fn a_group_of_three_releases_what_one_would() {
    let mut one = site();
    let mut three = site();
    three.start();
    three.start();
    for site in [&mut one, &mut three] {
        send(site, 40);
        site.settle_at("2025-05-10");
    }
    for month in ["2025-03", "2025-04"] {
        let of = |site: &Site| -> Vec<_> {
            let records = site.records(month).into_iter();
            records
                .map(|record| (record.code, record.measures))
                .collect()
        };
        assert_eq!(of(&one), of(&three));
    }
    let members = three.processes.len();
    assert_eq!(members, 3);
}

#[test]
fn an_instance_that_starts_with_any_disk_goes_on_from_what_is_published() {
    let mut site = site();
    send(&mut site, 20);
    site.settle();
    let old = MemStore::default();
    {
        let mut early = site.try_start(&site.options.clone(), &old).unwrap();
        early.turns(10);
    }
    send(&mut site, 20);
    site.processes.clear();
    site.start_on(&old);
    send(&mut site, 20);
    assert_exact(&mut site, 60);
    let closed: Vec<Month> = site.processes[0]
        .instance
        .view()
        .all_closed()
        .map(|(month, _)| month)
        .collect();
    assert_eq!(closed, [world::month("2025-03")]);
}

#[test]
fn nothing_is_taken_before_it_is_known_that_the_partials_were_filled_anew() {
    let mut site = site();
    send(&mut site, 20);
    site.settle();
    // The instance stands still, is given up by the group, and an operator begins to count anew.
    site.processes[0].source.expire();
    site.cluster.empty_partials();
    site.cluster.forget_group();
    let mut settings = engine::settings::of(&site.options, 2, 2);
    settings.number = 1;
    settings.filling = vec![9; 16];
    site.cluster.write_partial(&engine::ports::Partial {
        partition: 0,
        key: b"settings".to_vec(),
        value: Some(wire::partials::encode(&settings)),
    });
    // It goes on, and what was published meanwhile takes its time to arrive.
    site.processes[0].journal.hold(true);
    let taken = site.seen("Took");
    site.turns(20);
    assert_eq!(site.seen("Took"), taken);
    site.processes[0].journal.hold(false);
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", LOGINS), 20, "counted anew");
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut site = site();
    send(&mut site, 20);
    site.settle();
    site.processes[0]
        .checkpoint_faults
        .borrow_mut()
        .push_back(Fault::Aborted);
    send(&mut site, 20);
    site.turns(3);
    site.processes[0].host.behind = Duration::from_hours(6);
    site.settle();
    assert_eq!(site.cluster.lag(), 0, "committed within minutes");
}

#[test]
fn nothing_more_is_counted_than_fits_as_long_as_nothing_can_be_committed() {
    for (include_payload, limits) in [
        (false, limits(|limits| limits.letters = 100)),
        (true, limits(|limits| limits.letter_bytes = 100 * 9)),
    ] {
        let mut site = site();
        site.options.include_payload = include_payload;
        site.restart(true);
        let process = &mut site.processes[0];
        process.instance.set_limits(limits);
        process.source.set_run_records_max(20);
        let faults = process.checkpoint_faults.clone();
        faults.borrow_mut().extend([Fault::Aborted; 10_000]);
        let now = site.cluster.now().to_string();
        for number in 0..3000 {
            let partition = u32::try_from(number % 3).unwrap();
            site.send(&login(&now, number).partition(partition).no_account());
        }
        for _ in 0..600 {
            site.turns(1);
            site.cluster
                .advance_to(site.cluster.now().saturating_add(Duration::from_secs(1)));
        }
        let taken = site.processes[0].host.tally.dead_letters;
        assert!((100..=3 * 120).contains(&taken), "{taken}");
        assert!(site.seen("CheckpointFailed") > 100);
        // It is still a member that gives back what it is asked for.
        site.start();
        site.turns(20);
        assert!(site.processes[0].seen("Released") >= 2);
        faults.borrow_mut().clear();
        site.settle();
        let letters = site.cluster.dead_letters();
        let places: std::collections::BTreeSet<_> = letters
            .iter()
            .map(|letter| (letter.partition, letter.offset))
            .collect();
        assert_eq!((letters.len(), places.len()), (3000, 3000));
    }
}

#[test]
fn no_more_registers_are_held_than_fit_as_long_as_nothing_can_be_committed() {
    let mut site = site();
    let process = &mut site.processes[0];
    process
        .instance
        .set_limits(limits(|limits| limits.delta_bytes = 4096));
    process.source.set_run_records_max(20);
    let faults = process.checkpoint_faults.clone();
    faults.borrow_mut().extend([Fault::Aborted; 10_000]);
    let now = site.cluster.now().to_string();
    for number in 0..3000 {
        site.send(&login(&now, number));
    }
    for _ in 0..600 {
        site.turns(1);
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_secs(1)));
    }
    let counted = site.processes[0].host.tally.counted;
    assert!((20..1000).contains(&counted), "{counted}");
    faults.borrow_mut().clear();
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", LOGINS), 3000);
}

fn limits(set: impl FnOnce(&mut engine::Limits)) -> engine::Limits {
    let mut limits = engine::Limits::default();
    set(&mut limits);
    limits
}
