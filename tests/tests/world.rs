//! What the world does to a deployment: logs that lose records, topics that are not the same any more, other
//! settings, offsets moved by hand, a broker that is away. appmi stops with a sentence, or loses nothing.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::fs;

use model::Kinds;
use tests::system::{Deployment, Feed, MARCH_2025, Operator, SOON, logins};
use tests::{Broker, installation_or_skip, wait_until};

/// What `sysexits.h` calls data that contradicts itself, and wrong settings.
const DATA: Option<i32> = Some(65);
const CONFIGURATION: Option<i32> = Some(78);

/// A deployment whose months do not close while it is looked at, with what belongs to it.
struct Scene {
    deployment: Deployment,
    operator: Operator,
    feed: Feed,
    topic: String,
}

impl Scene {
    fn new(broker: &Broker, login_partitions: u32) -> Self {
        let kinds = Kinds::builtin();
        let mut deployment = Deployment::new(broker, &kinds, &[login_partitions, 1, 1]);
        deployment
            .configuration
            .set_text("months.idle_timeout", "24h");
        deployment.configuration.set("sketch.precision", "10");
        Self {
            operator: Operator::new(broker, &deployment),
            feed: Feed::new(&deployment, &kinds),
            topic: deployment.topics.inputs[0].clone(),
            deployment,
        }
    }

    /// As [`new`](Self::new), with ten logins counted by a process that has stopped.
    fn with_ten_counted(broker: &Broker) -> Self {
        let mut scene = Self::new(broker, 1);
        scene.feed.put_all(logins(0, 0..10, MARCH_2025));
        scene.count_all();
        scene
    }

    /// Runs until everything is counted, and stops.
    fn count_all(&self) {
        let mut instance = self.deployment.run();
        let operator = &self.operator;
        instance.until("everything is in checkpoints", |_| {
            operator.has_counted_all()
        });
        assert_eq!(instance.stop(), Some(0));
    }

    /// Runs until it ends by itself: with that code, and a sentence with all of these in it.
    fn refused(&self, code: Option<i32>, says: &[&str]) {
        let mut instance = self.deployment.run();
        let ended = instance.code(SOON);
        let log = instance.log();
        assert_eq!(ended, code, "{log}");
        for text in says {
            assert!(log.contains(text), "`{text}` is not said:\n{log}");
        }
    }

    /// Deletes the logins topic and creates another of the same name.
    fn recreate_topic(&self) {
        let admin = self.deployment.admin();
        assert!(admin.delete_topic(&self.topic).unwrap());
        wait_until("the topic can be created again", SOON, || {
            let settings = [("retention.ms", "-1")];
            admin
                .create_topic(&self.topic, 1, Some(1), &settings)
                .unwrap_or(false)
        });
    }
}

#[test]
fn a_log_truncated_under_the_position_stops_it() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::with_ten_counted(Broker::shared(kafka));
    scene.feed.put_all(logins(0, 10..20, MARCH_2025));
    // Up to the position nothing is lost.
    scene.operator.truncate(&scene.topic, 0, 10);
    scene.count_all();
    scene.feed.put_all(logins(0, 20..30, MARCH_2025));
    scene.operator.truncate(&scene.topic, 0, 25);
    let says = ["was truncated", &scene.topic, "begins at 25", "up to 20"];
    scene.refused(DATA, &says);
    assert_eq!(scene.operator.committed(&scene.topic, 0), Some(20));
}

#[test]
fn a_log_truncated_under_a_running_process_stops_it() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::new(Broker::shared(kafka), 1);
    scene.feed.put_all(logins(0, 0..10, MARCH_2025));
    let mut instance = scene.deployment.run();
    let operator = &scene.operator;
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    // Frozen, it reads no further than what its last request is answered with: the first of these at most.
    instance.freeze();
    scene.feed.put_all(logins(0, 10..15, MARCH_2025));
    scene.feed.put_all(logins(0, 15..20, MARCH_2025));
    scene.operator.truncate(&scene.topic, 0, 18);
    instance.thaw();
    assert_eq!(instance.code(SOON), DATA, "{}", instance.log());
    let log = instance.log();
    assert!(log.contains("truncated"), "{log}");
    assert!(scene.operator.committed(&scene.topic, 0) <= Some(15));
}

#[test]
fn another_topic_of_the_same_name_is_not_taken_for_the_first() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::with_ten_counted(Broker::shared(kafka));
    scene.recreate_topic();
    // Longer than the first one was: its offsets alone would not tell.
    scene.feed.put_all(logins(0, 10..40, MARCH_2025));
    scene.refused(DATA, &["another one of the same name", &scene.topic]);
    assert_eq!(scene.operator.partials().events("logins"), 10);
}

#[test]
fn another_topic_of_the_same_name_is_noticed_while_running() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::new(Broker::shared(kafka), 1);
    scene.feed.put_all(logins(0, 0..10, MARCH_2025));
    let mut instance = scene.deployment.run();
    let operator = &scene.operator;
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    scene.recreate_topic();
    // A client of its own: the first one's still knows the former topic.
    let mut feed = Feed::new(&scene.deployment, &Kinds::builtin());
    feed.put_all(logins(0, 10..40, MARCH_2025));
    assert_eq!(instance.code(SOON), DATA, "{}", instance.log());
    // And it stays so: the records name the topic that they were counted from.
    scene.refused(DATA, &["another one of the same name", &scene.topic]);
}

#[test]
fn counts_of_other_settings_are_not_continued() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::with_ten_counted(Broker::shared(kafka));
    let good = scene.deployment.configuration.clone();
    let other_key = scene.deployment.file("other.key");
    fs::write(&other_key, [3; 32]).unwrap();
    let other_key = format!("\"{}\"", other_key.display());
    let changes = [
        ("privacy.key_file", other_key.as_str()),
        ("sketch.precision", "11"),
        ("months.time_zone", "\"UTC\""),
        ("months.first_month", "\"2025-02\""),
    ];
    for (key, value) in changes {
        scene.deployment.configuration = good.clone();
        scene.deployment.configuration.set(key, value);
        let says = [
            key,
            "is recorded as",
            "restore the recorded value, or count anew",
        ];
        scene.refused(CONFIGURATION, &says);
        // The same without a state that could help.
        scene.deployment.lose_state();
        scene.refused(CONFIGURATION, &says);
        scene.deployment.lose_state();
    }
    scene.deployment.configuration = good;
    scene.feed.put_all(logins(0, 10..15, MARCH_2025));
    scene.count_all();
    assert_eq!(scene.operator.partials().events("logins"), 15);
}

#[test]
fn an_offset_moved_by_hand_contradicts_what_was_counted() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let scene = Scene::with_ten_counted(Broker::shared(kafka));
    for to in [4, 11] {
        scene.operator.move_offset(&scene.topic, 0, to);
        let committed = format!("is {to}, the partials topic says 10");
        scene.refused(DATA, &["the group's committed offset of", &committed]);
    }
    scene.operator.move_offset(&scene.topic, 0, 10);
    scene.count_all();
}

#[test]
fn a_broker_that_vanishes_is_waited_for_and_nothing_is_lost() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut broker = Broker::start(kafka, &[]);
    let mut scene = Scene::new(&broker, 2);
    scene.feed.put_all(logins(0, 0..1000, MARCH_2025));
    let mut instance = scene.deployment.run();
    let operator = &scene.operator;
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    for round in 1..3 {
        // Some of it may be counted and not committed when the broker goes.
        let accounts = round * 1000..(round + 1) * 1000;
        scene.feed.put_all(logins(0, accounts.clone(), MARCH_2025));
        let told = instance.log().matches("no broker can be reached").count();
        broker.kill();
        instance.until("it says that the broker is away", |instance| {
            instance.log().matches("no broker can be reached").count() > told
        });
        broker.restart();
        scene.feed.put_all(logins(1, accounts, MARCH_2025));
        let operator = &scene.operator;
        instance.until("everything is in checkpoints", |_| {
            operator.has_counted_all()
        });
    }
    assert_eq!(instance.stop(), Some(0));
    assert_eq!(scene.operator.partials().events("logins"), 5000);
}
