//! Producers with transactions on the input topics: what they abort is not counted, what they leave open is
//! not silence, and positions go past what no reader sees.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use kafka::{LoadRecord, Loader};
use model::{KindId, Kinds, Month};
use tests::system::{
    Deployment, Feed, MARCH_2025, Operator, Releases, latest_closed_month, logins,
};
use tests::{Broker, installation_or_skip, unique};
use wire::releases::Format;
use workload::Item;

fn send(loader: &mut Loader, deployment: &Deployment, items: &[Item]) {
    for item in items {
        let record = LoadRecord {
            topic: &deployment.topics.inputs[usize::from(item.kind.0)],
            partition: Some(item.partition),
            key: Some(&item.key),
            value: Some(&item.payload),
            headers: &[],
            timestamp: Some(item.timestamp),
        };
        loader.send(&record).unwrap();
    }
    loader.flush().unwrap();
}

#[test]
fn aborted_events_are_not_counted_and_an_open_transaction_is_not_silence() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let deployment = Deployment::new(broker, &Kinds::builtin(), &[2, 1, 1]);
    let topic = deployment.topics.inputs[0].clone();
    let operator = Operator::new(broker, &deployment);
    let mut loader = Loader::transactional(&deployment.cluster, &unique("producer")).unwrap();
    // One transaction that holds, one that does not, in turns: the last thing in the log is a marker.
    for round in 0..4 {
        loader.begin().unwrap();
        let accounts = round * 100..(round + 1) * 100;
        send(&mut loader, &deployment, &logins(0, accounts, MARCH_2025));
        if round % 2 == 0 {
            loader.commit().unwrap();
        } else {
            loader.abort().unwrap();
        }
    }
    // And one that stays open while everything else is silent.
    loader.begin().unwrap();
    send(&mut loader, &deployment, &logins(0, 1000..1050, MARCH_2025));

    let mut instance = deployment.run();
    instance.until("what is committed is counted, past its markers", |_| {
        operator.committed(&topic, 0) == Some(404)
    });
    // Each of the others says that it is idle; the one with the open transaction does not.
    instance.until("all others have stated that they are idle", |_| {
        let partials = operator.partials();
        let others = [
            ("logins", 1),
            ("prescription_orders", 0),
            ("registrations", 0),
        ];
        others.iter().all(|(kind, partition)| {
            let progress = partials.progress(kind, *partition);
            progress.is_some_and(|progress| progress.idle)
        })
    });
    assert_eq!(operator.partials().events("logins"), 200);
    assert!(deployment.releases().read_to_end().is_empty());

    loader.commit().unwrap();
    let last = latest_closed_month();
    let mut subscriber = deployment.releases();
    instance.until("the last month is released", |_| {
        let prefix = format!("{last}/england/");
        let mut keys = subscriber
            .look()
            .iter()
            .filter_map(|record| record.key.as_ref());
        keys.any(|key| key.starts_with(&prefix))
    });
    assert_eq!(instance.stop(), Some(0));
    let releases = Releases::of(subscriber.look(), Format::Protobuf);
    assert!(releases.ids().iter().all(|id| id.revision == 0));
    let march: Month = "2025-03".parse().unwrap();
    let logins = releases.value(march, "england", "E92000001", "logins");
    assert_eq!(logins, Some(250));
    // 400 events, 4 markers, 50 events, 1 marker.
    assert_eq!(operator.committed(&topic, 0), Some(455));
    assert_eq!(operator.high(&topic, 0), Some(455));
}

#[test]
fn topics_drained_at_very_different_speeds_lose_nothing() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let kinds = Kinds::builtin();
    let mut deployment = Deployment::new(broker, &kinds, &[3, 1, 1]);
    deployment.configuration.set("sketch.precision", "10");
    let mut feed = Feed::new(&deployment, &kinds);
    let first: Month = "2025-03".parse().unwrap();
    let last = latest_closed_month();
    let months = u64::try_from(last.since(first)).unwrap() + 1;
    let month = std::time::Duration::from_secs(365 * 24 * 3600 / 12);
    // Of each month a login in two partitions, and thousands in the third: those that are read at once say
    // that all months are over long before the third has been read.
    for number in 0..months {
        let at = MARCH_2025.saturating_add(month * u32::try_from(number).unwrap());
        let accounts = number * 10_000..(number + 1) * 10_000;
        feed.put_all(logins(0, accounts.start..accounts.start + 1, at));
        feed.put_all(logins(1, accounts.start..accounts.start + 1, at));
        feed.put_all(logins(2, accounts, at));
        for kind in [KindId(1), KindId(2)] {
            let mut item = logins(0, number..number + 1, at).remove(0);
            item.kind = kind;
            feed.put(&item);
        }
        feed.flush();
    }
    let first_instance = deployment.run();
    let beside = deployment.file("second-state");
    let configuration = &mut deployment.configuration;
    configuration.set_text("state.dir", beside.to_str().unwrap());
    let mut instances = [first_instance, deployment.run()];
    let mut subscriber = deployment.releases();
    instances[0].until("the last month is released", |_| {
        let prefix = format!("{last}/england/");
        let mut keys = subscriber
            .look()
            .iter()
            .filter_map(|record| record.key.as_ref());
        keys.any(|key| key.starts_with(&prefix))
    });
    for instance in instances {
        assert_eq!(instance.stop(), Some(0));
    }
    assert!(deployment.dead_letters().read_to_end().is_empty());
    let releases = Releases::of(subscriber.look(), Format::Protobuf);
    // Nothing was late: each month waited for the slowest partition.
    assert!(releases.ids().iter().all(|id| id.revision == 0));
    let months = std::iter::successors(Some(first), |month| Some(month.next()));
    for month in months.take_while(|month| *month <= last) {
        for row in feed
            .oracle
            .measures(month)
            .iter()
            .filter(|row| row.measure == "logins")
        {
            let released = releases.value(month, row.level, &row.code, "logins");
            assert_eq!(released, Some(row.value), "{month} {row:?}");
        }
    }
}
