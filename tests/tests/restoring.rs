//! Getting ready: how far it is can be seen, and partitions that are added while it runs are counted too.

use std::time::{Duration, Instant};

use model::Kinds;
use tests::system::{Deployment, Feed, MARCH_2025, Operator, logins};
use tests::{Broker, installation_or_skip};

const DONE: Option<i32> = Some(0);
/// Members ask for new partitions every ten seconds, and then the group balances.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

fn deployment(broker: &Broker) -> (Deployment, Operator, Feed) {
    let kinds = Kinds::builtin();
    let mut deployment = Deployment::new(broker, &kinds, &[1, 1, 1]);
    deployment
        .configuration
        .set_text("months.idle_timeout", "24h");
    let operator = Operator::new(broker, &deployment);
    let feed = Feed::new(&deployment, &kinds);
    (deployment, operator, feed)
}

#[test]
fn a_lost_state_directory_is_restored_and_readyz_says_how_far_it_is() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (deployment, operator, mut feed) = deployment(Broker::shared(kafka));
    feed.put_all(logins(0, 0..1000, MARCH_2025));
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.get("/readyz").0, 200);
    assert_eq!(instance.stop(), DONE);

    deployment.lose_state();
    // It reads to the end that the topic had at its start, and somebody's transaction is open there.
    let held_up = operator.hold_up(&deployment.topics.partials, 0);
    let mut instance = deployment.run();
    instance.until("it says how many records are left", |instance| {
        let (status, _, text) = instance.get("/readyz");
        assert_eq!(status, 503, "{text}");
        let (_, left) = text.split_once("from the topics: ").unwrap();
        let left = left.strip_suffix(" records are left\n");
        left.is_some_and(|left| left.parse::<u64>().unwrap() >= 1)
    });
    instance.until_logged("reading the owned topics into the view records_left=");
    assert!(instance.metrics().sum("appmi_view_records_left", &[]) >= 1.0);
    assert_eq!(instance.metrics().sum("appmi_partitions_owned", &[]), 0.0);
    held_up.let_go();
    instance.until("it is ready", |instance| instance.get("/readyz").0 == 200);
    instance.until_logged("counting from here");
    feed.put_all(logins(0, 1000..1010, MARCH_2025));
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(operator.partials().events("logins"), 1010);
    assert_eq!(instance.stop(), DONE);
}

#[test]
fn partitions_that_are_added_while_it_runs_are_counted_and_waited_for() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let (deployment, operator, mut feed) = deployment(broker);
    feed.put_all(logins(0, 0..100, MARCH_2025));
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    let topic = &deployment.topics.inputs[0];
    operator.add_partitions(topic, 3);
    let added = Instant::now();
    // Clients of their own: the first ones still know one partition.
    let (operator, mut feed) = (
        Operator::new(broker, &deployment),
        Feed::new(&deployment, &Kinds::builtin()),
    );
    feed.put_all(logins(1, 100..200, MARCH_2025));
    feed.put_all(logins(2, 200..300, MARCH_2025));
    instance.until("the new partitions are in checkpoints", |_| {
        operator.has_counted_all()
    });
    let took = added.elapsed();
    assert!(took < TAKEN_WITHIN, "{took:?}");
    assert_eq!(operator.partials().events("logins"), 300);
    assert_eq!(instance.stop(), DONE);
}
