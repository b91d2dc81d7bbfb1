//! What is committed: checkpoints and releases, whole or not at all, by nobody who was fenced.

use std::time::{Duration, Instant};

use engine::Error;
use engine::ports::{
    Checkpoints as _, CommitError, DeadLetter, Journal as _, LeaderRecord, Partial, Published,
    Releases as _, Source as _, Transaction,
};
use kafka::Releases;
use model::{Offset, Reason};
use tests::{Broker, installation_or_skip, unique, wait_until};

use crate::world::{SLICE, SOON, World, input, partial, published};

#[test]
fn a_checkpoint_is_all_of_its_records_and_the_offset() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 1);
    world.load(0, 7);
    let mut member = world.source();
    let mut checkpoints = world.checkpoints(&unique("id"), &member);
    let transaction = Transaction {
        partials: vec![
            partial(0, "logins/0/2025-03/count", "7"),
            partial(2, "logins/0/progress", "p"),
            Partial {
                partition: 2,
                key: b"gone".to_vec(),
                value: None,
            },
        ],
        dead_letters: vec![DeadLetter {
            partition: input(0),
            offset: Offset(3),
            reason: Reason::NoTime,
            payload: None,
        }],
        offsets: vec![(input(0), Offset(7))],
    };
    let outside = checkpoints.commit(&transaction).unwrap_err();
    assert!(matches!(outside, CommitError::NotMember(_)), "{outside}");

    member.source.join().unwrap();
    member.until("it has read all", |member| {
        member.ends.contains_key(&input(0))
    });
    assert!(member.source.is_member());
    assert_eq!(
        member.source.committed(&[input(0)]).unwrap(),
        Some(vec![None])
    );
    checkpoints.commit(&transaction).unwrap();
    wait_until("the offset is stable", SOON, || {
        member.source.committed(&[input(0)]).unwrap() == Some(vec![Some(Offset(7))])
    });

    let mut journal = world.journal();
    assert_eq!(journal.partition_counts(), (3, 1));
    let (records, positions) = published(&mut journal);
    let seen: Vec<_> = records
        .iter()
        .map(|record| (record.at, record.key.as_slice(), record.value.as_deref()))
        .collect();
    assert_eq!(seen.len(), 3);
    assert!(seen.contains(&(Published::Partials(2), b"gone", None)));
    assert_eq!(positions[&Published::Partials(0)], Offset(2), "one marker");
    assert_eq!(positions[&Published::Partials(1)], Offset(0));
    assert_eq!(positions[&Published::Partials(2)], Offset(3));

    // Again from where it is: nothing new. From beyond: another topic.
    let at: Vec<_> = positions.into_iter().collect();
    journal.start(&at).unwrap();
    checkpoints.commit(&transaction).unwrap();
    let mut more = Vec::new();
    wait_until("the second checkpoint is read", SOON, || {
        more.extend(journal.poll(SLICE).unwrap().records);
        more.len() == 3
    });
    let beyond = journal.start(&[(Published::MonthClose(0), Offset(1))]);
    assert!(matches!(beyond, Err(Error::Contradiction(_))), "{beyond:?}");
    member.source.leave();
}

#[test]
fn a_newer_instance_fences_an_older_one_of_the_same_id() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 1);
    let mut member = world.source();
    member.source.join().unwrap();
    member.until("it is at the end", |member| !member.ends.is_empty());
    let id = unique("id");
    let mut older = world.checkpoints(&id, &member);
    let mut newer = world.checkpoints(&id, &member);
    let transaction = Transaction {
        partials: vec![partial(0, "k", "v")],
        offsets: vec![(input(0), Offset(0))],
        ..Transaction::default()
    };
    older.commit(&transaction).unwrap();
    newer.commit(&transaction).unwrap();
    let fenced = older.commit(&transaction).unwrap_err();
    assert!(
        matches!(&fenced, CommitError::Fatal(Error::World(text)) if text.starts_with("fenced by a newer instance")),
        "{fenced:?}"
    );
    member.source.leave();
}

#[test]
fn a_leader_that_was_fenced_publishes_nothing() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 1);
    let record = |key: &str| LeaderRecord {
        to: Published::MonthClose(0),
        key: key.into(),
        value: Some(b"v".to_vec()),
        headers: vec![("appmi-release", "2025-03/0".into())],
    };
    let mut former = Releases::new(&world.cluster, world.topics.clone());
    let mut leader = Releases::new(&world.cluster, world.topics.clone());
    former.take().unwrap();
    leader.take().unwrap();
    let fenced = former.publish(&[record("former")]).unwrap_err();
    assert!(matches!(fenced, CommitError::Unknown(_)), "{fenced:?}");
    leader.publish(&[record("leader")]).unwrap();
    let untaken = former.publish(&[record("former")]).unwrap_err();
    assert!(matches!(untaken, CommitError::Unknown(_)), "{untaken:?}");
    let (records, _) = published(&mut world.journal());
    let keys: Vec<_> = records.into_iter().map(|record| record.key).collect();
    assert_eq!(keys, [b"leader"]);
}

#[test]
fn a_broker_that_is_away_costs_time_and_nothing_else() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut broker = Broker::start(kafka, &[]);
    let world = World::new(&broker, 2);
    world.load(0, 3);
    let mut member = world.source();
    let mut checkpoints = world.checkpoints(&unique("id"), &member);
    member.source.join().unwrap();
    member.until("it is at both ends", |member| member.ends.len() == 2);
    let transaction = Transaction {
        partials: vec![partial(0, "k", "v")],
        offsets: vec![(input(0), Offset(3))],
        ..Transaction::default()
    };
    checkpoints.commit(&transaction).unwrap();

    broker.kill();
    let begun = Instant::now();
    let error = checkpoints.commit(&transaction).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(12), "{error:?}");
    assert!(
        matches!(error, CommitError::Aborted(_) | CommitError::Unknown(_)),
        "{error:?}"
    );
    assert_eq!(member.source.bounds(&[input(0)]).unwrap(), None);
    assert_eq!(member.source.committed(&[input(0)]).unwrap(), None);
    member.turn();

    broker.restart();
    wait_until("a checkpoint is committed again", SOON, || {
        member.turn();
        checkpoints.commit(&transaction).is_ok()
    });
    world.load(0, 2);
    member.until("it reads on", |member| {
        member.read[&input(0)] == [0, 1, 2, 3, 4]
    });

    broker.freeze();
    let begun = Instant::now();
    member.source.leave();
    drop(member);
    drop(checkpoints);
    assert!(begun.elapsed() < Duration::from_secs(6));
    broker.thaw();
}
