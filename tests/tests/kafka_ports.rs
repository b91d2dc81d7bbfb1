//! The ports on a real broker: what the engine relies on, and what librdkafka does about it.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use engine::Error;
use engine::ports::{
    Checkpoints as _, CommitError, DeadLetter, Input, Journal as _, LeaderRecord, Partial,
    Published, PublishedRecord, Releases as _, Source as _, Transaction,
};
use kafka::{
    Admin, Checkpoints, Cluster, Counts, Found, Journal, LoadRecord, Loader, Releases, Role,
    Source, Topics,
};
use model::{InputPartition, KindId, Offset, Reason};
use tests::{Broker, installation_or_skip, unique, wait_for, wait_until};

const SOON: Duration = Duration::from_secs(30);
const SLICE: Duration = Duration::from_millis(50);

/// Topics and a group of a test's own.
struct World {
    cluster: Cluster,
    topics: Topics,
}

impl World {
    fn new(broker: &Broker, inputs: u32) -> Self {
        let name = unique("ports");
        let cluster = Cluster::new(&broker.bootstrap(), &name, []).unwrap();
        let topics = Topics {
            inputs: vec![format!("{name}.logins")],
            partials: format!("{name}.partials"),
            month_close: format!("{name}.month-close"),
            dead_letters: format!("{name}.dead-letters"),
        };
        let counts = Counts {
            inputs: Some(inputs),
            partials: 3,
            month_close: 1,
            dead_letters: 1,
            replication: Some(1),
        };
        let created = Admin::new(&cluster).unwrap().create(&topics, &counts);
        assert_eq!(created.unwrap().len(), 4);
        Self { cluster, topics }
    }

    /// The same group, with properties of a process's own.
    fn with(&self, broker: &Broker, properties: &[(&str, &str)]) -> Cluster {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let properties = properties.iter().map(owned);
        Cluster::new(&broker.bootstrap(), self.cluster.group_id(), properties).unwrap()
    }

    fn load(&self, partition: u32, count: usize) {
        let mut loader = Loader::new(&self.cluster).unwrap();
        send(&mut loader, &self.topics.inputs[0], partition, count);
        loader.flush().unwrap();
    }

    fn source(&self) -> Member {
        Member::new(Source::new(&self.cluster, self.topics.inputs.clone()).unwrap())
    }

    fn checkpoints(&self, id: &str, member: &Member) -> Checkpoints {
        let membership = member.source.membership();
        Checkpoints::new(&self.cluster, id, membership, self.topics.clone())
    }

    fn journal(&self) -> Journal {
        Journal::new(&self.cluster, self.topics.clone()).unwrap()
    }
}

fn send(loader: &mut Loader, topic: &str, partition: u32, count: usize) {
    for _ in 0..count {
        let record = LoadRecord {
            topic,
            partition: Some(partition),
            key: Some(b"account"),
            value: Some(b"event"),
            headers: &[("content-type", "application/x-protobuf")],
            timestamp: None,
        };
        loader.send(&record).unwrap();
    }
}

fn input(partition: u32) -> InputPartition {
    InputPartition {
        kind: KindId(0),
        partition,
    }
}

/// A member of the group that reads whatever it is assigned, from where it or nobody was.
struct Member {
    source: Source,
    from: BTreeMap<InputPartition, Offset>,
    owned: BTreeSet<InputPartition>,
    read: BTreeMap<InputPartition, Vec<i64>>,
    ends: BTreeMap<InputPartition, Offset>,
}

impl Member {
    fn new(source: Source) -> Self {
        Self {
            source,
            from: BTreeMap::new(),
            owned: BTreeSet::new(),
            read: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Takes one thing; whether there was one.
    fn turn(&mut self) -> bool {
        match self.source.poll(SLICE).unwrap() {
            Input::Nothing => return false,
            Input::Run { partition, records } => {
                assert!(self.owned.contains(&partition), "{partition:?} is not ours");
                for record in &records {
                    assert_eq!(record.payload, b"event");
                    assert_eq!(
                        record.content_type,
                        Some(b"application/x-protobuf".as_slice())
                    );
                    assert!(record.timestamp.is_some());
                }
                let read = self.read.entry(partition).or_default();
                read.extend(records.iter().map(|record| record.offset.0));
            }
            Input::End {
                partition,
                position,
            } => {
                self.ends.insert(partition, position);
            }
            Input::Assigned(partitions) => {
                let from: Vec<_> = partitions
                    .iter()
                    .map(|partition| (*partition, self.begin(*partition)))
                    .collect();
                self.source.assign(&from).unwrap();
                self.owned.extend(partitions);
            }
            Input::Lost(partitions) => panic!("{partitions:?} were lost"),
            Input::Revoked(partitions) => {
                for partition in &partitions {
                    self.owned.remove(partition);
                    self.ends.remove(partition);
                }
                self.source.unassign(&partitions).unwrap();
            }
        }
        true
    }

    fn begin(&self, partition: InputPartition) -> Offset {
        self.from.get(&partition).copied().unwrap_or(Offset(0))
    }

    fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        wait_until(what, SOON, || {
            self.turn();
            condition(self)
        });
    }
}

fn partial(partition: u32, key: &str, value: &str) -> Partial {
    Partial {
        partition,
        key: key.into(),
        value: Some(value.into()),
    }
}

/// Everything that was published and its positions, read from the beginning to the ends as they are now.
fn published(journal: &mut Journal) -> (Vec<PublishedRecord>, BTreeMap<Published, Offset>) {
    journal.start(&[]).unwrap();
    let ends = wait_for("the ends are known", SOON, || journal.ends().unwrap());
    let (mut records, mut positions) = (Vec::new(), BTreeMap::new());
    wait_until("the journal was read to its ends", SOON, || {
        let batch = journal.poll(SLICE).unwrap();
        records.extend(batch.records);
        positions.extend(batch.positions);
        ends.iter()
            .all(|(at, end)| positions.get(at).is_some_and(|position| position >= end))
    });
    (records, positions)
}

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
    let cluster = world.with(broker, &[("heartbeat.interval.ms", "100")]);
    let mut loader = Loader::new(&world.cluster).unwrap();
    let mut members: Vec<Member> = Vec::new();
    let mut read: BTreeMap<InputPartition, Vec<i64>> = BTreeMap::new();
    for round in 0..8 {
        let leaver = (round % 3 == 2).then(|| members.remove(0));
        let mut joiner = Member::new(Source::new(&cluster, world.topics.inputs.clone()).unwrap());
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
    let mut ends = BTreeMap::new();
    for partition in (0..partitions).map(input) {
        let bounds = wait_for("the bounds are known", SOON, || {
            member.source.bounds(partition).unwrap()
        });
        ends.insert(partition, bounds.high);
    }
    ends
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
        member.source.bounds(input(0)).unwrap()
    });
    assert_eq!((bounds.low, bounds.high), (Offset(0), Offset(10)));
    loader.commit().unwrap();
    member.until("it is at the new end", |member| {
        member.ends[&input(0)] == Offset(11)
    });
    assert_eq!(member.read[&input(0)], [0, 1, 2, 8, 9]);
    member.source.leave();
}

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
fn a_static_member_that_was_replaced_is_told_so() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let world = World::new(broker, 1);
    let cluster = world.with(broker, &[("group.instance.id", "appmi-0")]);
    let member = || Member::new(Source::new(&cluster, world.topics.inputs.clone()).unwrap());
    let (mut older, mut newer) = (member(), member());
    let mut checkpoints = world.checkpoints(&unique("id"), &older);
    older.source.join().unwrap();
    older.until("it is at the end", |member| !member.ends.is_empty());
    newer.source.join().unwrap();
    newer.until("it is at the end", |member| !member.ends.is_empty());
    let refused = checkpoints
        .commit(&Transaction {
            partials: vec![partial(0, "k", "v")],
            offsets: vec![(input(0), Offset(0))],
            ..Transaction::default()
        })
        .unwrap_err();
    assert!(matches!(refused, CommitError::NotMember(_)), "{refused:?}");
    let error = wait_for("the older is told", SOON, || older.source.poll(SLICE).err());
    assert!(matches!(error, Error::World(_)), "{error:?}");
    assert!(!older.source.is_member());
    newer.source.leave();
}

#[test]
fn a_session_that_ran_out_is_a_loss_although_a_partition_is_added_before_that_is_noticed() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut broker = Broker::start(kafka, &[]);
    let world = World::new(&broker, 2);
    let session = [
        ("session.timeout.ms", "1000"),
        ("heartbeat.interval.ms", "200"),
    ];
    let cluster = world.with(&broker, &session);
    let mut source = Source::new(&cluster, world.topics.inputs.clone()).unwrap();
    let (id, topics) = (unique("id"), world.topics);
    let mut checkpoints = Checkpoints::new(&cluster, &id, source.membership(), topics);
    source.join().unwrap();
    wait_until(
        "both partitions are assigned",
        SOON,
        || matches!(source.poll(SLICE).unwrap(), Input::Assigned(both) if both.len() == 2),
    );

    broker.freeze();
    let transaction = Transaction {
        offsets: vec![(input(0), Offset(0))],
        ..Transaction::default()
    };
    wait_until("the session is over", SOON, || {
        let committed = checkpoints.commit(&transaction);
        matches!(committed, Err(CommitError::NotMember(_)))
    });
    source.assign(&[(input(0), Offset(0))]).unwrap();
    let lost = wait_for("it is told", SOON, || match source.poll(SLICE).unwrap() {
        Input::Lost(partitions) => Some(partitions),
        Input::Nothing => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(lost.len(), 2);
    broker.thaw();
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
    assert_eq!(member.source.bounds(input(0)).unwrap(), None);
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

#[test]
fn topics_are_created_once_and_their_faults_are_named() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let world = World::new(broker, 2);
    let admin = Admin::new(&world.cluster).unwrap();
    assert_eq!(admin.brokers().unwrap(), 1);
    let found: Vec<_> = admin
        .inspect(&world.topics)
        .unwrap()
        .into_iter()
        .map(|inspection| inspection.found)
        .collect();
    let good = |partitions| Found::Good { partitions };
    assert_eq!(found, [good(2), good(3), good(1), good(1)]);

    let mut topics = world.topics.clone();
    topics.month_close = world.topics.dead_letters.clone();
    topics.inputs.push(unique("missing"));
    let inspected = admin.inspect(&topics).unwrap();
    assert_eq!(inspected[1].found, Found::Missing);
    assert!(inspected[1].faults()[0].contains("correct its name"));
    assert_eq!(inspected[3].role, Role::MonthClose);
    assert!(inspected[3].faults()[0].contains("must be \"compact\""));

    // The same name again is another topic.
    let name = &world.topics.dead_letters;
    let mut source = Source::new(&world.cluster, vec![name.clone()]).unwrap();
    let mut id = |_| {
        source
            .bounds(input(0))
            .ok()
            .flatten()
            .map(|bounds| bounds.topic_id)
    };
    let before = wait_for("the id is known", SOON, || id(()));
    assert!(admin.delete_topic(name).unwrap());
    wait_until("it can be created again", SOON, || {
        admin.create_topic(name, 1, None, &[]).unwrap_or(false)
    });
    wait_until("the id is another", SOON, || {
        id(()).is_some_and(|after| after != before)
    });
    assert_eq!(admin.group_members(world.cluster.group_id()).unwrap(), 0);
}
