//! Counting anew from the input topics: what was released stays, and only what comes out differently is revised.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::{BTreeMap, BTreeSet};

use model::{Kinds, Month};
use tests::system::{
    Answer, Comparison, Deployment, Feed, Instance, MARCH_2025, Operator, Releases, SOON,
    Subscriber, latest_closed_month, logins, workload_options,
};
use tests::{Broker, installation_or_skip, wait_until};
use wire::releases::{Format, ReleaseId};
use workload::{Profile, Workload};

const DONE: Option<i32> = Some(0);
/// What `sysexits.h` calls a temporary failure, and wrong settings.
const WORLD: Option<i32> = Some(75);
const CONFIGURATION: Option<i32> = Some(78);

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

#[track_caller]
fn assert_answer(answer: &Answer, code: Option<i32>, says: &[&str]) {
    assert_eq!(answer.code, code, "{answer:?}");
    for text in says {
        let is_said = answer.stdout.contains(text) || answer.stderr.contains(text);
        assert!(is_said, "`{text}` in {answer:?}");
    }
}

/// A deployment with two months of events that have been released, and a late login.
struct Scene {
    deployment: Deployment,
    operator: Operator,
    feed: Feed,
    subscriber: Subscriber,
}

impl Scene {
    fn new(broker: &Broker) -> (Self, Instance) {
        let kinds = Kinds::builtin();
        let mut deployment = Deployment::new(broker, &kinds, &[3, 2, 1]);
        deployment
            .configuration
            .set("months.retention_months", "120");
        deployment.configuration.set("sketch.precision", "12");
        let mut feed = Feed::new(&deployment, &kinds);
        feed.put_all(Workload::new(
            Profile::published(),
            &workload_options(10_000, 2, 1),
        ));
        let mut scene = Self {
            operator: Operator::new(broker, &deployment),
            subscriber: deployment.releases(),
            feed,
            deployment,
        };
        let mut instance = scene.deployment.run();
        let last = latest_closed_month();
        instance.until("the last month is released", |_| {
            scene.ids().contains(&ReleaseId {
                month: last,
                revision: 0,
            })
        });
        scene.feed.put_all(logins(0, 70_000..70_001, MARCH_2025));
        instance.until("the late login is shown", |_| {
            scene.ids().iter().any(|id| id.revision == 1)
        });
        (scene, instance)
    }

    fn ids(&mut self) -> BTreeSet<ReleaseId> {
        let received = self.subscriber.look();
        let ids = received
            .iter()
            .map(|record| record.header(wire::headers::RELEASE).parse().unwrap());
        ids.collect()
    }

    fn run_until_counted(&mut self) -> Instance {
        let mut instance = self.deployment.run();
        instance.until("everything is in checkpoints", |_| {
            self.operator.has_counted_all()
        });
        instance
    }

    /// The reasons of the last revisions.
    fn reasons(&self) -> BTreeMap<String, String> {
        let received = self.deployment.releases().read_to_end();
        let records = received
            .iter()
            .map(|record| wire::releases::decode(&record.value).unwrap());
        records
            .map(|record| (record.month, record.reason))
            .collect()
    }

    fn releases(&self) -> Releases {
        Releases::of(&self.deployment.releases().read_to_end(), Format::Protobuf)
    }
}

fn refuse_while_somebody_counts(scene: &Scene) {
    let answer = scene.deployment.appmi(&["reset", "--yes"]);
    assert_answer(
        &answer,
        WORLD,
        &["has members", "stop every instance first"],
    );
    // Looking is allowed.
    let answer = scene.deployment.appmi(&["reset"]);
    assert_answer(&answer, DONE, &["nothing was changed", "stay the record"]);
}

fn recount_an_unchanged_log(scene: &mut Scene) {
    let topic = scene.deployment.topics.inputs[0].clone();
    let position = scene.operator.committed(&topic, 0);
    assert!(position.is_some());
    let answer = scene.deployment.appmi(&["reset"]);
    assert_answer(&answer, DONE, &["nothing was changed"]);
    assert_eq!(scene.operator.committed(&topic, 0), position);
    assert!(scene.deployment.state_dir().join("CURRENT").exists());

    let answer = scene.deployment.appmi(&["reset", "--yes"]);
    assert_answer(&answer, DONE, &["done"]);
    assert_eq!(scene.operator.committed(&topic, 0), None);
    assert!(!scene.deployment.state_dir().join("CURRENT").exists());
    // It may be interrupted and repeated.
    assert_answer(
        &scene.deployment.appmi(&["reset", "--yes"]),
        DONE,
        &["done"],
    );
    let mut instance = scene.run_until_counted();
    assert_eq!(scene.operator.committed(&topic, 0), position);
    instance.until("it says that it has counted anew", |instance| {
        instance.log().contains("releases go on")
    });
    assert!(
        instance
            .log()
            .contains("nothing is released until that is done")
    );
    assert_eq!(instance.stop(), DONE);
}

#[test]
fn a_recount_comes_out_the_same_and_what_differs_is_revised_with_its_reason() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (mut scene, instance) = Scene::new(Broker::shared(kafka));
    refuse_while_somebody_counts(&scene);
    assert_eq!(instance.stop(), DONE);
    let before = scene.ids();
    recount_an_unchanged_log(&mut scene);
    assert_eq!(scene.ids(), before);

    // The same once more, with one figure of every month that comes out differently.
    let baseline = ("registrations.baseline", "1000");
    scene.deployment.configuration.set(baseline.0, baseline.1);
    assert_answer(
        &scene.deployment.appmi(&["reset", "--yes"]),
        DONE,
        &["done"],
    );
    let mut instance = scene.run_until_counted();
    let last = before.iter().map(|id| (id.month, id.revision));
    let last: BTreeMap<Month, u32> = last.collect();
    let all: BTreeSet<ReleaseId> = last
        .iter()
        .map(|(month, revision)| ReleaseId {
            month: *month,
            revision: revision + 1,
        })
        .chain(before.clone())
        .collect();
    instance.until("every month is revised", |_| scene.ids().len() >= all.len());
    assert_eq!(instance.stop(), DONE);
    assert_eq!(scene.ids(), all);
    assert!(scene.reasons().values().all(|reason| reason == "recount"));
    let releases = scene.releases();
    let total = releases.value(
        month("2025-03"),
        "england",
        "E92000001",
        "registrations_all_time",
    );
    let registered = releases.value(month("2025-03"), "england", "E92000001", "registrations");
    assert_eq!(total.unwrap(), registered.unwrap() + 1000);
    // Every other figure is the oracle's still.
    let mut kinds = Kinds::builtin();
    kinds.set_baseline(kinds.by_name("registrations").unwrap(), 1000);
    let mut feed = Feed::new(&scene.deployment, &kinds);
    for item in Workload::new(Profile::published(), &workload_options(10_000, 2, 1)).chain(logins(
        0,
        70_000..70_001,
        MARCH_2025,
    )) {
        feed.oracle.observe(&item);
    }
    Comparison::of(&releases, &feed.oracle, releases.months()).assert_intervals_hold();
}

#[test]
fn closed_months_that_the_topics_no_longer_have_whole_are_listed_and_sealed() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (mut scene, instance) = Scene::new(Broker::shared(kafka));
    assert_eq!(instance.stop(), DONE);
    let before = scene.ids();
    let topic = scene.deployment.topics.inputs[0].clone();
    scene.operator.truncate(&topic, 0, 5);
    let lines = [
        &format!("{topic}/0 begins at offset 5"),
        "2025-04 is its first whole month",
        "sealed, never to be revised",
        "2025-03, 2025-04",
        "2026-02",
        "lack the events that are gone",
    ];
    assert_answer(&scene.deployment.appmi(&["reset"]), DONE, &lines);
    let answer = scene.deployment.appmi(&["reset", "--yes"]);
    assert_answer(&answer, DONE, &lines);
    // April 2025 is in the 12-month windows up to March 2026.
    assert!(!answer.stdout.contains("2026-03,"), "{answer:?}");
    let mut instance = scene.run_until_counted();
    // A login of a month that is not sealed shows that releasing is done with.
    let open = latest_closed_month();
    let at = model::Calendar::new("Europe/London")
        .unwrap()
        .start_of(open);
    let mut feed = Feed::new(&scene.deployment, &Kinds::builtin());
    feed.put_all(logins(1, 80_000..80_001, at));
    instance.until("the login is shown", |_| {
        scene.ids().contains(&ReleaseId {
            month: open,
            revision: 1,
        })
    });
    assert_eq!(instance.stop(), DONE);
    let new: Vec<Month> = scene.ids().difference(&before).map(|id| id.month).collect();
    let sealed_before = month("2026-03");
    assert!(new.iter().all(|month| *month >= sealed_before), "{new:?}");
}

#[test]
fn an_instance_that_was_frozen_through_a_reset_does_no_harm() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (mut scene, mut frozen) = Scene::new(Broker::shared(kafka));
    frozen.until("everything is in checkpoints", |_| {
        scene.operator.has_counted_all()
    });
    let before = scene.ids();
    let events = scene.operator.partials().events("logins");
    frozen.freeze();
    wait_until("its session is over and the reset is done", SOON, || {
        scene.deployment.appmi(&["reset", "--yes"]).code == DONE
    });
    let state = scene.deployment.file("another-state");
    let state = state.to_str().unwrap();
    scene.deployment.configuration.set_text("state.dir", state);
    let mut instance = scene.run_until_counted();
    frozen.thaw();
    // What it had counted belongs to the former filling: it says so and ends, or has noticed that it is no member
    // and takes part anew.
    scene.feed.put_all(logins(0, 71_000..71_010, MARCH_2025));
    frozen.until("it has ended or begun anew", |frozen| {
        frozen.ended().is_some() || frozen.log().contains("another filling")
    });
    instance.until("everything is in checkpoints", |_| {
        scene.operator.has_counted_all()
    });
    if let Some(status) = frozen.ended() {
        assert_eq!(status.code(), WORLD, "{}", frozen.log());
        let says = "filled anew while this process counted";
        assert!(frozen.log().contains(says), "{}", frozen.log());
    }
    instance.until("the late logins are shown", |_| {
        scene.ids().len() > before.len()
    });
    assert_eq!(instance.stop(), DONE);
    let releases = scene.releases();
    let england = |measure| releases.value(month("2025-03"), "england", "E92000001", measure);
    let rows = scene.feed.oracle.measures(month("2025-03"));
    let row = rows
        .iter()
        .find(|row| row.level == "england" && row.measure == "logins");
    assert_eq!(england("logins"), Some(row.unwrap().value));
    // A reader from the beginning finds the records of both fillings.
    assert!(scene.operator.partials().events("logins") >= events + 10);
}

#[test]
fn topics_of_another_group_are_left_alone() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (mut scene, instance) = Scene::new(Broker::shared(kafka));
    assert_eq!(instance.stop(), DONE);
    let group = scene.deployment.cluster.group_id().to_owned();
    let other = format!("{group}-other");
    scene
        .deployment
        .configuration
        .set_text("kafka.group_id", &other);
    let says = format!("belongs to the group {group}");
    let answer = scene.deployment.appmi(&["reset", "--yes"]);
    assert_answer(&answer, CONFIGURATION, &[&says]);
    let topic = &scene.deployment.topics.inputs[0];
    assert!(scene.operator.committed(topic, 0).is_some());
}
