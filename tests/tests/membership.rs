//! How instances share the work: static members that come back without anybody noticing, and the group protocol of
//! KIP-848.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use model::Kinds;
use tests::system::{Deployment, Feed, Instance, MARCH_2025, Operator, logins};
use tests::{Broker, installation_or_skip};

const DONE: Option<i32> = Some(0);

/// A deployment whose months do not close while it is looked at.
struct Scene {
    deployment: Deployment,
    operator: Operator,
    feed: Feed,
    accounts: u64,
}

impl Scene {
    fn new(broker: &Broker) -> Self {
        let kinds = Kinds::builtin();
        let mut deployment = Deployment::new(broker, &kinds, &[4, 2, 1]);
        deployment
            .configuration
            .set_text("months.idle_timeout", "24h");
        deployment.configuration.set("sketch.precision", "10");
        Self {
            operator: Operator::new(broker, &deployment),
            feed: Feed::new(&deployment, &kinds),
            deployment,
            accounts: 0,
        }
    }

    /// Puts logins into every partition.
    fn put(&mut self) {
        for partition in 0..4 {
            let accounts = self.accounts..self.accounts + 50;
            self.accounts = accounts.end;
            self.feed.put_all(logins(partition, accounts, MARCH_2025));
        }
    }

    /// Starts an instance with a state directory of its own.
    fn run(&mut self, name: &str) -> Instance {
        let state = self.deployment.file(&format!("state-{name}"));
        self.deployment
            .configuration
            .set_text("state.dir", state.to_str().unwrap());
        self.deployment.run()
    }

    #[track_caller]
    fn assert_counted(&self) {
        let counted = self.operator.partials().events("logins");
        assert_eq!(counted, self.accounts);
    }
}

/// How many partitions it counts.
fn owned(instance: &mut Instance) -> f64 {
    instance.metrics().sum("appmi_partitions_owned", &[])
}

/// How often it was told of assignments and revocations.
fn rebalances(instance: &Instance) -> usize {
    let log = instance.log();
    let told = log.lines().filter(|line| line.contains("kafka::source"));
    told.count()
}

#[test]
fn a_static_member_that_comes_back_moves_no_partition() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::new(Broker::shared(kafka));
    let configuration = &mut scene.deployment.configuration;
    configuration.set_property("session.timeout.ms", "45000");
    let mut instances: BTreeMap<&str, Instance> = BTreeMap::new();
    for name in ["appmi-0", "appmi-1"] {
        let configuration = &mut scene.deployment.configuration;
        configuration.set_property("group.instance.id", name);
        instances.insert(name, scene.run(name));
    }
    for instance in instances.values_mut() {
        instance.until("it has its share", |instance| {
            (3.0..=4.0).contains(&owned(instance))
        });
    }
    scene.put();
    instances
        .get_mut("appmi-0")
        .unwrap()
        .until("everything is in checkpoints", |_| {
            scene.operator.has_counted_all()
        });
    // Each in turn, for one of them leads the group.
    for (name, other) in [("appmi-0", "appmi-1"), ("appmi-1", "appmi-0")] {
        let mut restarted = instances.remove(name).unwrap();
        let share = owned(&mut restarted);
        let untouched = instances.get_mut(other).unwrap();
        let (theirs, told) = (owned(untouched), rebalances(untouched));
        assert_eq!(share + theirs, 7.0);
        assert_eq!(restarted.stop(), DONE);
        scene.put();
        scene
            .deployment
            .configuration
            .set_property("group.instance.id", name);
        let mut restarted = scene.run(name);
        restarted.until("it has its partitions again", |instance| {
            owned(instance) == share
        });
        let operator = &scene.operator;
        restarted.until("everything is in checkpoints", |_| {
            operator.has_counted_all()
        });
        let untouched = instances.get_mut(other).unwrap();
        assert_eq!(owned(untouched), theirs);
        assert_eq!(rebalances(untouched), told, "{}", untouched.log());
        scene.assert_counted();
        instances.insert(name, restarted);
    }
    for (_, instance) in instances {
        assert_eq!(instance.stop(), DONE);
    }
}

#[test]
fn two_processes_with_the_same_instance_id_are_told_apart() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::new(Broker::shared(kafka));
    scene
        .deployment
        .configuration
        .set_property("group.instance.id", "appmi-0");
    let mut first = scene.run("first");
    first.until("it has everything", |instance| owned(instance) == 7.0);
    let mut second = scene.run("second");
    second.until("it has everything", |instance| owned(instance) == 7.0);
    assert_eq!(first.code(Duration::from_secs(60)), Some(75));
    assert!(first.log().contains("fenced"), "{}", first.log());
    scene.put();
    second.until("everything is in checkpoints", |_| {
        scene.operator.has_counted_all()
    });
    scene.assert_counted();
    assert_eq!(second.stop(), DONE);
}

#[test]
fn in_the_protocol_of_kip_848_instances_join_and_leave_under_load() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    // Else a change takes five seconds, and a death 45. A member of the classic protocol would ask for 45 seconds
    // and be refused.
    let broker = Broker::start(
        kafka,
        &[
            ("group.max.session.timeout.ms", "10000"),
            ("group.consumer.min.heartbeat.interval.ms", "300"),
            ("group.consumer.heartbeat.interval.ms", "300"),
            ("group.consumer.min.session.timeout.ms", "3000"),
            ("group.consumer.session.timeout.ms", "6000"),
        ],
    );
    let mut scene = Scene::new(&broker);
    let configuration = &mut scene.deployment.configuration;
    configuration.unset_property("session.timeout.ms");
    configuration.unset_property("heartbeat.interval.ms");
    configuration.set_property("group.protocol", "consumer");
    let mut first = scene.run("first");
    first.until("it has everything", |instance| owned(instance) == 7.0);
    let answer = scene.deployment.appmi(&["reset", "--yes"]);
    assert_eq!(answer.code, Some(75), "{answer:?}");
    for round in 0..6 {
        scene.put();
        let mut second = scene.run("second");
        second.until("it has a share", |instance| owned(instance) >= 2.0);
        scene.put();
        first.until("the other has the rest", |instance| {
            owned(instance) + owned(&mut second) == 7.0
        });
        scene.put();
        // Stopped, and killed: then its session has to be over.
        if round % 2 == 0 {
            assert_eq!(second.stop(), DONE);
        } else {
            second.kill();
        }
        scene.put();
        first.until("it has everything again", |instance| owned(instance) == 7.0);
        let operator = &scene.operator;
        first.until("everything is in checkpoints", |_| {
            operator.has_counted_all()
        });
        scene.assert_counted();
    }
    // A frozen one that is given up for dead starts again or goes on, and nothing is counted twice.
    let mut second = scene.run("second");
    second.until("it has a share", |instance| owned(instance) >= 2.0);
    second.freeze();
    scene.put();
    first.until("it has everything again", |instance| owned(instance) == 7.0);
    second.thaw();
    scene.put();
    let operator = &scene.operator;
    first.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    scene.assert_counted();
    assert_eq!(first.stop(), DONE);
    assert_eq!(second.stop(), DONE);
}
