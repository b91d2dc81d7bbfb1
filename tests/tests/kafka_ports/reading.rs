//! What is handed over of the input topics, through rebalances and beside transactions.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::Error;
use engine::ports::{Input, Source as _};
use kafka::{Loader, Source};
use model::{InputPartition, Offset};
use tests::{Broker, installation_or_skip, unique, wait_at_most, wait_for, wait_until};

use crate::world::{Member, SLICE, SOON, World, input, send};

#[test]
fn partitions_at_their_end_lose_nothing_in_a_rebalance() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 2);
    world.load(0, 5);
    world.load(1, 5);
    let (mut first, mut second) = (world.source(), world.source());
    first.source.join().unwrap();
    first.until("it is at the end of both", |member| member.ends.len() == 2);

    second.from = first.ends.clone();
    second.source.join().unwrap();
    wait_until("each has one partition", SOON, || {
        first.turn();
        second.turn();
        first.owned.len() == 1 && second.owned.len() == 1
    });
    world.load(0, 1);
    world.load(1, 1);
    wait_until("both read on", SOON, || {
        first.turn();
        second.turn();
        let reads = |member: &Member| member.read.values().map(Vec::len).sum::<usize>();
        reads(&first) + reads(&second) >= 12
    });
    let kept = *first.owned.first().unwrap();
    assert_eq!(first.read[&kept], [0, 1, 2, 3, 4, 5]);
    assert_eq!(second.read.values().flatten().collect::<Vec<_>>(), [&5]);
    first.source.leave();
    second.until("it has all", |member| member.owned.len() == 2);
    second.source.leave();
}

#[test]
fn a_partition_at_its_end_is_read_again_from_where_it_is_sent_back_beside_a_new_one() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 2);
    world.load(0, 3);
    world.load(1, 3);
    let mut member = world.source();
    member.source.join().unwrap();
    wait_until(
        "both partitions are assigned",
        SOON,
        || matches!(member.source.poll(SLICE).unwrap(), Input::Assigned(both) if both.len() == 2),
    );
    member.owned.extend([input(0), input(1)]);
    member.source.assign(&[(input(0), Offset(0))]).unwrap();
    member.until("it is at the end of one", |member| {
        member.ends.contains_key(&input(0))
    });
    // As after a transaction of unknown outcome, while another partition can be taken at last.
    let from = [(input(0), Offset(1)), (input(1), Offset(0))];
    member.source.assign(&from).unwrap();
    member.ends.clear();
    member.until("it is at the end of both", |member| member.ends.len() == 2);
    assert_eq!(member.read[&input(0)], [0, 1, 2, 1, 2]);
    assert_eq!(member.read[&input(1)], [0, 1, 2]);
    member.source.leave();
}

#[test]
fn every_record_is_read_once_through_many_rebalances() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let world = World::new(broker, 6);
    // So that a rebalance is noticed in a tenth of a second and not in three.
    let cluster = world.with(&broker.bootstrap(), &[("heartbeat.interval.ms", "100")]);
    let mut loader = Loader::new(&world.cluster).unwrap();
    let mut members: Vec<Member> = Vec::new();
    let mut read: BTreeMap<InputPartition, Vec<i64>> = BTreeMap::new();
    for round in 0..8 {
        let leaver = (round % 3 == 2).then(|| members.remove(0));
        let mut joiner = world.member(&cluster);
        joiner.source.join().unwrap();
        members.push(joiner);
        if let Some(mut leaver) = leaver {
            take(&mut read, &mut leaver);
            leaver.source.leave();
        }
        wait_until("the partitions are shared out again", SOON, || {
            for partition in 0..6 {
                send(&mut loader, &world.topics.inputs[0], partition, 3);
            }
            loader.flush().unwrap();
            for member in &mut members {
                member.from = positions(&read);
                member.turn();
                take(&mut read, member);
            }
            let owned: Vec<usize> = members.iter().map(|member| member.owned.len()).collect();
            owned.iter().sum::<usize>() == 6 && owned.iter().all(|count| *count > 0)
        });
    }
    let loaded = ends(&mut members[0], 6);
    wait_until("all is read", SOON, || {
        for member in &mut members {
            member.turn();
            take(&mut read, member);
        }
        positions(&read) == loaded
    });
    for (partition, offsets) in read {
        let all: Vec<i64> = (0..loaded[&partition].0).collect();
        assert_eq!(offsets, all, "{partition:?}");
    }
    for mut member in members {
        member.source.leave();
    }
}

/// Moves what a member has read to what all have read.
fn take(all: &mut BTreeMap<InputPartition, Vec<i64>>, member: &mut Member) {
    for (partition, offsets) in std::mem::take(&mut member.read) {
        all.entry(partition).or_default().extend(offsets);
    }
}

/// Where the next owner of each partition goes on.
fn positions(read: &BTreeMap<InputPartition, Vec<i64>>) -> BTreeMap<InputPartition, Offset> {
    let next = |offsets: &Vec<i64>| Offset(offsets.last().map_or(0, |last| last + 1));
    read.iter()
        .map(|(partition, offsets)| (*partition, next(offsets)))
        .collect()
}

/// The ends of the input as the brokers know them.
fn ends(member: &mut Member, partitions: u32) -> BTreeMap<InputPartition, Offset> {
    let partitions: Vec<InputPartition> = (0..partitions).map(input).collect();
    let bounds = wait_for("the bounds are known", SOON, || {
        member.source.bounds(&partitions).unwrap()
    });
    let highs = bounds.iter().map(|bounds| bounds.high);
    partitions.into_iter().zip(highs).collect()
}

#[test]
fn a_position_is_past_aborted_records_and_markers_and_never_past_an_open_transaction() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 1);
    let topic = &world.topics.inputs[0];
    let mut loader = Loader::transactional(&world.cluster, &unique("load")).unwrap();
    for is_kept in [true, false] {
        loader.begin().unwrap();
        send(&mut loader, topic, 0, 3);
        if is_kept {
            loader.commit().unwrap();
        } else {
            loader.abort().unwrap();
        }
    }
    let mut member = world.source();
    member.source.join().unwrap();
    member.until("it is at the end", |member| {
        member.ends.get(&input(0)) == Some(&Offset(8))
    });
    assert_eq!(member.read[&input(0)], [0, 1, 2]);

    loader.begin().unwrap();
    send(&mut loader, topic, 0, 2);
    loader.flush().unwrap();
    let bounds = wait_for("the bounds are known", SOON, || {
        member.source.bounds(&[input(0)]).unwrap()
    });
    assert_eq!((bounds[0].low, bounds[0].high), (Offset(0), Offset(10)));
    loader.commit().unwrap();
    member.until("it is at the new end", |member| {
        member.ends[&input(0)] == Offset(11)
    });
    assert_eq!(member.read[&input(0)], [0, 1, 2, 8, 9]);
    member.source.leave();
}

#[test]
fn a_log_that_ends_before_the_position_is_a_contradiction() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 1);
    world.load(0, 3);
    let mut source = Source::new(&world.cluster, world.topics.inputs.clone()).unwrap();
    source.join().unwrap();
    wait_until("it is assigned", SOON, || {
        matches!(source.poll(SLICE).unwrap(), Input::Assigned(_))
    });
    source.assign(&[(input(0), Offset(100))]).unwrap();
    let error = wait_for("it is told", SOON, || source.poll(SLICE).err());
    assert!(
        matches!(&error, Error::Contradiction(text) if text.contains("at offset 100")),
        "{error}"
    );
    source.leave();
}

#[test]
fn a_leader_that_is_elected_in_a_rebalance_has_lost_nothing_of_a_partition_at_its_end() {
    elect_in_a_rebalance(true);
}

#[test]
fn nor_if_the_rebalance_is_noticed_later() {
    elect_in_a_rebalance(false);
}

/// A broker that comes back is elected anew. librdkafka asks it where the leader before it ended, and compares that to
/// where it believes to be.
fn elect_in_a_rebalance(is_noticed_before: bool) {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut broker = Broker::start(kafka, &[]);
    let world = World::new(&broker, 2);
    world.load(0, 3);
    world.load(1, 3);
    // So that it learns soon who leads.
    let refresh = [("topic.metadata.refresh.interval.ms", "200")];
    let mut first = world.member(&world.with(&broker.bootstrap(), &refresh));
    let mut second = world.source();
    first.source.join().unwrap();
    first.until("it is at the end of both", |member| member.ends.len() == 2);
    second.from = first.ends.clone();
    second.source.join().unwrap();
    // A rebalance that waits is known without being taken note of.
    wait_until("one is asked back", SOON, || {
        second.turn();
        !first.source.is_member()
    });
    let mut owed = None;
    if is_noticed_before {
        owed = asked_back(&mut first);
        assert!(owed.is_some());
    }
    broker.kill();
    broker.restart();
    // Nothing tells when the leader was asked.
    let told = wait_at_most(Duration::from_secs(3), || {
        second.turn();
        let told = is_noticed_before && first.turn();
        told.then_some(())
    });
    assert_eq!(told, None);
    let owed =
        owed.unwrap_or_else(|| wait_for("one is asked back", SOON, || asked_back(&mut first)));
    first.owned.retain(|partition| !owed.contains(partition));
    first.source.unassign(&owed).unwrap();
    world.load(0, 1);
    world.load(1, 1);
    wait_until("both read on", SOON, || {
        first.turn();
        second.turn();
        let reads = |member: &Member| member.read.values().map(Vec::len).sum::<usize>();
        reads(&first) + reads(&second) >= 8
    });
    let kept = *first.owned.first().unwrap();
    assert_eq!(first.read[&kept], [0, 1, 2, 3]);
    assert_eq!(second.read[&owed[0]], [3]);
    first.source.leave();
    second.source.leave();
}

fn asked_back(member: &mut Member) -> Option<Vec<InputPartition>> {
    match member.source.poll(SLICE).unwrap() {
        Input::Revoked(owed) => Some(owed),
        _ => None,
    }
}

#[test]
fn whoever_wants_no_records_is_told_of_rebalances_and_reads_on_later_from_where_it_was() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let world = World::new(Broker::shared(kafka), 2);
    world.load(0, 3);
    world.load(1, 3);
    let mut first = world.source();
    let mut second = world.source();
    first.source.join().unwrap();
    first.until("it has read both", |member| member.ends.len() == 2);
    // Some of this is fetched, and perhaps not handed over, by the time that it is not wanted any more.
    world.load(0, 40);
    world.load(1, 40);
    first.until("it reads on", |member| {
        member.read.values().any(|read| read.len() > 3)
    });
    second.from = (0..2).map(|of| (input(of), Offset(3))).collect();
    second.source.join().unwrap();
    let owed = wait_for("one is asked back", SOON, || {
        second.turn();
        match first.source.poll_group(SLICE).unwrap() {
            Input::Revoked(owed) => Some(owed),
            Input::Nothing => None,
            other => panic!("{other:?}"),
        }
    });
    let read_of_owed = first.read[&owed[0]].len();
    second
        .from
        .insert(owed[0], Offset(i64::try_from(read_of_owed).unwrap()));
    first.owned.retain(|partition| !owed.contains(partition));
    first.source.unassign(&owed).unwrap();
    let kept = *first.owned.first().unwrap();
    wait_until("both read the rest", SOON, || {
        first.turn();
        second.turn();
        let read = second.read.get(&owed[0]).map_or(0, Vec::len);
        first.read[&kept].len() >= 43 && read_of_owed + read >= 43
    });
    let all: Vec<i64> = (0..43).collect();
    assert_eq!(first.read[&kept], all);
    let by_second = second.read.remove(&owed[0]).unwrap_or_default();
    assert_eq!([&*first.read[&owed[0]], &*by_second].concat(), all);
    first.source.leave();
    second.source.leave();
}
