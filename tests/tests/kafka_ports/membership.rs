//! Who may commit: members of the group, for as long as it has not let them go.

use engine::Error;
use engine::ports::{Checkpoints as _, CommitError, Input, Source as _, Transaction};
use kafka::{Checkpoints, Source};
use model::Offset;
use tests::{
    Broker, Proxy, Toxiproxy, installation_or_skip, toxiproxy_or_skip, unique, wait_for, wait_until,
};

use crate::world::{SLICE, SOON, World, input, partial};

#[test]
fn a_static_member_that_was_replaced_is_told_so() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let world = World::new(broker, 1);
    let cluster = world.with(&broker.bootstrap(), &[("group.instance.id", "appmi-0")]);
    let (mut older, mut newer) = (world.member(&cluster), world.member(&cluster));
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
    let cluster = world.with(&broker.bootstrap(), &session);
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

/// Sessions of the classic protocol are the client's to set, those of KIP-848 the broker's.
const SESSION: &str = "2000";

#[test]
fn a_member_that_is_let_go_while_it_owes_a_partition_commits_nothing_more() {
    let Some((kafka, program)) = installation_or_skip().zip(toxiproxy_or_skip()) else {
        return;
    };
    let toxiproxy = Toxiproxy::start(&program);
    let properties = [
        ("group.consumer.min.heartbeat.interval.ms", "200"),
        ("group.consumer.heartbeat.interval.ms", "200"),
        ("group.consumer.min.session.timeout.ms", SESSION),
        ("group.consumer.session.timeout.ms", SESSION),
    ];
    let (broker, proxy) = toxiproxy.broker(kafka, &properties);
    let classic = [
        ("session.timeout.ms", SESSION),
        ("heartbeat.interval.ms", "200"),
    ];
    for protocol in [&classic[..], &[("group.protocol", "consumer")]] {
        for name in [&[][..], &[("group.instance.id", "appmi-0")]] {
            is_let_go(&broker, &proxy, protocol, name);
        }
    }
}

fn is_let_go(broker: &Broker, proxy: &Proxy, protocol: &[(&str, &str)], name: &[(&str, &str)]) {
    let world = World::new(broker, 2);
    world.load(0, 4);
    world.load(1, 4);
    let properties = [protocol, name].concat();
    let mut first = world.member(&world.with(&proxy.bootstrap(), &properties));
    let mut second = world.member(&world.with(&broker.bootstrap(), protocol));
    let mut of_first = world.checkpoints(&unique("id"), &first);
    let mut of_second = world.checkpoints(&unique("id"), &second);
    first.source.join().unwrap();
    first.until("it is at the end of both", |member| member.ends.len() == 2);
    of_first.commit(&up_to(2)).unwrap();

    second.source.join().unwrap();
    let owed = wait_for("one is asked back", SOON, || {
        second.turn();
        match first.source.poll(SLICE).unwrap() {
            Input::Revoked(owed) => Some(owed),
            _ => None,
        }
    });
    assert_eq!(owed.len(), 1);
    proxy.cut();
    second.until("it has both", |member| member.ends.len() == 2);
    of_second.commit(&up_to(4)).unwrap();
    proxy.heal();

    // Before it gives one back it commits what it has counted.
    wait_until("it is not known any more", SOON, || {
        matches!(of_first.commit(&up_to(3)), Err(CommitError::NotMember(_)))
    });
    first.source.unassign(&owed).unwrap();
    // It joins anew by itself, and librdkafka may not say that the rest was lost.
    wait_until("it is told", SOON, || {
        second.turn();
        let committed = of_first.commit(&up_to(3));
        assert!(committed.is_err(), "{protocol:?} {name:?}");
        match first.source.poll(SLICE) {
            Ok(Input::Lost(_)) | Err(Error::World(_)) => true,
            Ok(Input::Nothing | Input::End { .. }) => false,
            other => panic!("{protocol:?} {name:?}: {other:?}"),
        }
    });
    let committed = wait_for("the offsets are known", SOON, || {
        second.source.committed(&[input(0), input(1)]).unwrap()
    });
    assert_eq!(committed, [Some(Offset(4)); 2], "{protocol:?} {name:?}");
    second.source.leave();
}

fn up_to(offset: i64) -> Transaction {
    Transaction {
        partials: vec![partial(0, "k", "v")],
        offsets: vec![(input(0), Offset(offset)), (input(1), Offset(offset))],
        ..Transaction::default()
    }
}
