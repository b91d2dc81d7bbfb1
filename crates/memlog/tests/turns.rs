//! A turn is bounded: few questions and one transaction, however many partitions there are.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use engine::Limits;
use world::{Fault, Site, login};

const PARTITIONS: u32 = 12;

fn site() -> Site {
    Site::with(
        world::site::small_options("2025-03"),
        &[PARTITIONS, PARTITIONS, 4],
    )
}

/// A login of now in every partition.
fn send_everywhere(site: &Site) {
    let now = site.cluster.now().to_string();
    for partition in 0..PARTITIONS {
        site.send(&login(&now, partition.into()).partition(partition));
    }
}

/// The questions of each of so many turns, ten seconds apart.
fn questions(site: &mut Site, turns: usize) -> Vec<Vec<usize>> {
    let mut questions = Vec::new();
    for _ in 0..turns {
        site.processes[0].source.asked.clear();
        site.turns(1);
        questions.push(site.processes[0].source.asked.clone());
        let now = site.cluster.now();
        site.cluster
            .advance_to(now.saturating_add(Duration::from_secs(10)));
    }
    questions
}

#[test]
fn what_silent_partitions_take_to_close_a_month_is_asked_in_two_questions() {
    let mut site = site();
    let questions_to_take = questions(&mut site, 10);
    assert!(
        questions_to_take.contains(&vec![28, 1]),
        "all are taken with one question, one is measured: {questions_to_take:?}"
    );
    send_everywhere(&site);
    site.settle();
    site.cluster.advance_to(world::at("2025-04-03T23:10:00Z"));
    let questions = questions(&mut site, 20);
    assert!(
        questions.contains(&vec![1, 28, 28]),
        "one is measured, the silent ones are found, and looked at once more: {questions:?}"
    );
    assert!(
        questions.iter().all(|of_turn| of_turn.len() <= 3),
        "{questions:?}"
    );
    assert_eq!(site.revisions("2025-03").len(), 1);
}

#[test]
fn partitions_without_anything_to_commit_are_not_asked_about_for_a_checkpoint() {
    let mut site = site();
    send_everywhere(&site);
    site.settle_at("2025-04-05");
    assert_eq!(site.revisions("2025-03").len(), 1);
    // All are idle; a dead letter changes one of them.
    let now = site.cluster.now().to_string();
    site.send(&login(&now, 1).no_account());
    let questions = questions(&mut site, 10);
    assert!(questions.contains(&vec![1, 1]), "{questions:?}");
    assert!(
        questions
            .iter()
            .flatten()
            .all(|partitions| *partitions == 1),
        "{questions:?}"
    );
}

#[test]
fn the_first_question_that_is_not_answered_is_the_last_of_its_turn() {
    let mut site = site();
    send_everywhere(&site);
    site.settle();
    let all = (0..3).flat_map(|kind| (0..PARTITIONS).map(move |of| Site::partition(kind, of)));
    site.processes[0].source.leaderless = all.collect();
    site.cluster.advance_to(world::at("2025-04-03T23:10:00Z"));
    let questions = questions(&mut site, 20);
    assert!(
        questions.iter().all(|of_turn| of_turn.len() <= 1),
        "{questions:?}"
    );
    assert!(site.revisions("2025-03").is_empty());
    site.processes[0].source.leaderless.clear();
    site.settle();
    assert_eq!(site.revisions("2025-03").len(), 1);
}

#[test]
fn a_partition_without_a_leader_keeps_no_other_one_from_being_taken_or_measured() {
    let mut site = site();
    let leaderless = Site::partition(0, 5);
    site.processes[0].source.leaderless.insert(leaderless);
    send_everywhere(&site);
    let questions = questions(&mut site, 60);
    assert_eq!(site.seen("Took"), 27);
    assert!(site.seen("Measured") >= 10);
    assert!(
        questions.iter().any(|of_turn| of_turn.as_slice() == [1, 1]),
        "{questions:?}"
    );
    site.processes[0].source.leaderless.clear();
    site.settle_at("2025-04-05");
    assert_eq!(site.seen("Took"), 28);
    assert_eq!(site.england("2025-03", "logins"), u64::from(PARTITIONS));
}

/// A site whose transactions hold one partition each, with a checkpoint due in every logins partition.
fn site_with_small_transactions() -> Site {
    let mut site = site();
    site.processes[0].instance.set_limits(Limits {
        transaction_bytes: 1,
        ..Limits::default()
    });
    site.turns(10);
    send_everywhere(&site);
    site.turns(30);
    let now = site.cluster.now();
    site.cluster
        .advance_to(now.saturating_add(Duration::from_secs(31)));
    site
}

#[test]
fn a_turn_commits_one_transaction_and_the_next_ones_the_rest() {
    let mut site = site_with_small_transactions();
    for turn in 1..=PARTITIONS as usize {
        // What comes in meanwhile is for the next checkpoint.
        send_everywhere(&site);
        site.turns(1);
        assert_eq!(site.seen("CheckpointBegins"), turn);
    }
    let committed: BTreeSet<u32> = (0..PARTITIONS)
        .filter(|of| site.cluster.committed(Site::partition(0, *of)).is_some())
        .collect();
    assert_eq!(committed.len(), PARTITIONS as usize, "each once");
    site.settle();
    assert_eq!(site.cluster.lag(), 0);
}

#[test]
fn a_checkpoint_that_fails_on_its_way_goes_on_where_it_failed() {
    for fault in [
        Fault::Aborted,
        Fault::UnknownCommitted,
        Fault::UnknownAborted,
    ] {
        let mut site = site_with_small_transactions();
        site.processes[0]
            .checkpoint_faults
            .borrow_mut()
            .extend([Fault::None, Fault::None, fault]);
        site.settle_at("2025-04-05");
        assert_eq!(site.seen("CheckpointFailed"), 1, "{fault:?}");
        assert_eq!(site.england("2025-03", "logins"), u64::from(PARTITIONS));
    }
}

#[test]
fn whoever_gives_partitions_back_commits_all_of_them_first() {
    let mut site = site_with_small_transactions();
    site.turns(3);
    assert_eq!(site.seen("CheckpointBegins"), 3);
    let second = site.start();
    second.turns(5);
    site.processes[0].turns(1);
    let released = site.processes[0].seen("Released");
    assert_eq!(released, 14, "half of them");
    let mut logins = 0;
    for partition in (0..PARTITIONS).map(|of| Site::partition(0, of)) {
        let begin = format!("Released {{ partition: {partition:?}, lost: false }}");
        if site.processes[0].seen(&begin) == 1 {
            logins += 1;
            assert!(site.cluster.committed(partition).is_some());
        }
    }
    assert_eq!(logins, PARTITIONS / 2);
    let stopped = site.processes.remove(0).stop().unwrap();
    let begun = stopped
        .seen
        .iter()
        .filter(|seen| seen.starts_with("CheckpointBegins"));
    assert_eq!(begun.count(), PARTITIONS as usize);
    assert_eq!(site.cluster.lag(), 0);
}
