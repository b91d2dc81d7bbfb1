//! A running instance: what probes and metrics say of it, and how it ends when it is asked to.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::time::{Duration, Instant};

use model::{Calendar, Kinds, Reason};
use tests::system::{Deployment, Feed, Instance, Metrics, latest_closed_month, workload_options};
use tests::{Broker, installation_or_skip};
use workload::{Item, Profile, Workload};

const DONE: Option<i32> = Some(0);
/// What a shell shows of a process that `SIGTERM` has ended.
const TERMINATED: Option<i32> = Some(143);
/// Far less than a checkpoint takes while the broker does not answer.
const AT_ONCE: Duration = Duration::from_secs(3);
/// A checkpoint that is due when the test is over.
const NEVER: &str = "10m";

/// Every family, as dashboards know it.
const FAMILIES: [(&str, &str); 25] = [
    ("appmi_build_info", "gauge"),
    ("appmi_checkpoint_bytes_total", "counter"),
    ("appmi_checkpoint_duration_seconds", "histogram"),
    ("appmi_checkpoint_records_total", "counter"),
    ("appmi_checkpoints_total", "counter"),
    ("appmi_closed_until_timestamp_seconds", "gauge"),
    ("appmi_dead_letters_total", "counter"),
    ("appmi_events_sealed_total", "counter"),
    ("appmi_events_total", "counter"),
    ("appmi_events_unknown_geography_total", "counter"),
    ("appmi_input_lag_records", "gauge"),
    ("appmi_input_partitions", "gauge"),
    ("appmi_input_position", "gauge"),
    ("appmi_input_watermark_timestamp_seconds", "gauge"),
    ("appmi_is_leader", "gauge"),
    ("appmi_low_watermark_timestamp_seconds", "gauge"),
    ("appmi_partitions_assigned", "gauge"),
    ("appmi_partitions_owned", "gauge"),
    ("appmi_recount_records_left", "gauge"),
    ("appmi_release_duration_seconds", "histogram"),
    ("appmi_releases_failed_total", "counter"),
    ("appmi_releases_total", "counter"),
    ("appmi_rocksdb_memory_bytes", "gauge"),
    ("appmi_state_bytes", "gauge"),
    ("appmi_view_records_left", "gauge"),
];

/// A deployment and what was put into it.
struct Scene {
    deployment: Deployment,
    feed: Feed,
    records: f64,
}

impl Scene {
    fn new(broker: &Broker, checkpoint_interval: &str) -> Self {
        let kinds = Kinds::builtin();
        let mut deployment = Deployment::new(broker, &kinds, &[3, 2, 1]);
        let interval = ("checkpoint.interval", checkpoint_interval);
        deployment.configuration.set_text(interval.0, interval.1);
        let mut feed = Feed::new(&deployment, &kinds);
        let options = workload_options(10_000, 1, 1);
        let items: Vec<Item> = Workload::new(Profile::published(), &options).collect();
        let records = u32::try_from(items.len()).unwrap().into();
        feed.put_all(items);
        Self {
            deployment,
            feed,
            records,
        }
    }

    /// Starts an instance and waits until it has looked at every record.
    fn run_to_the_end(&self) -> Instance {
        let mut instance = self.deployment.run();
        instance.until("every record was looked at", |instance| {
            instance.metrics().sum("appmi_events_total", &[]) >= self.records
        });
        instance
    }

    /// Where an instance that starts now begins to count, all partitions together.
    fn begins_at(&self) -> f64 {
        let mut instance = self.deployment.run();
        instance.until("it has all partitions", |instance| {
            instance.metrics().sum("appmi_partitions_owned", &[]) == 6.0
        });
        let log = instance.log();
        let taken = log
            .lines()
            .filter(|line| line.contains("counting from here"));
        let offset = |line: &str| {
            let (_, position) = line.rsplit_once("position=").unwrap();
            position.trim().parse::<f64>().unwrap()
        };
        taken.map(offset).sum()
    }
}

fn assert_families(metrics: &Metrics) {
    for (family, of) in FAMILIES {
        assert_eq!(metrics.type_of(family), Some(of), "{family}");
    }
    let strange = metrics.families().into_iter().filter(|family| {
        !family.starts_with("process_") && FAMILIES.iter().all(|(known, _)| known != family)
    });
    assert_eq!(strange.collect::<Vec<_>>(), [""; 0], "not in the list");
}

/// It leads and has all partitions.
fn assert_standing(metrics: &Metrics) {
    for (name, value) in [
        ("appmi_is_leader", 1.0),
        ("appmi_input_partitions", 6.0),
        ("appmi_partitions_assigned", 6.0),
        ("appmi_partitions_owned", 6.0),
        ("appmi_recount_records_left", 0.0),
    ] {
        assert_eq!(metrics.sum(name, &[]), value, "{name}");
    }
}

#[test]
fn probes_and_metrics_say_how_it_is() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let scene = Scene::new(Broker::shared(kafka), "250ms");
    let mut instance = scene.deployment.run();
    instance.until("it is ready", |instance| instance.get("/readyz").0 == 200);
    assert_eq!(instance.get("/healthz").0, 200);
    let (status, content_type, _) = instance.get("/none/such");
    assert_eq!(
        (status, content_type.as_str()),
        (404, "application/problem+json")
    );
    let last = latest_closed_month();
    let end = Calendar::new("Europe/London").unwrap().end_of(last);
    let end = f64::from(i32::try_from(end.as_millis() / 1000).unwrap());
    let grace = f64::from(72 * 60 * 60);
    instance.until(
        "the last month is closed, and nothing holds it open",
        |instance| {
            let metrics = instance.metrics();
            let says = |name| metrics.sum(name, &[]);
            says("appmi_closed_until_timestamp_seconds") == end
                && says("appmi_low_watermark_timestamp_seconds") >= end + grace
        },
    );

    let metrics = instance.metrics();
    assert_families(&metrics);
    let kinds = Kinds::builtin();
    let (mut letters, mut duplicates) = (0.0, 0.0);
    for (_, kind) in kinds.iter() {
        let outcome = |outcome| {
            let labels = [("kind", kind.name.as_str()), ("outcome", outcome)];
            metrics.sum("appmi_events_total", &labels)
        };
        assert!(outcome("counted") > 0.0, "{}", kind.name);
        letters += outcome("dead_letter");
        duplicates += outcome("duplicate");
    }
    let oracle = &scene.feed.oracle;
    assert_eq!(
        duplicates,
        f64::from(u32::try_from(oracle.duplicates()).unwrap())
    );
    assert_eq!(metrics.sum("appmi_events_total", &[]), scene.records);
    let by_reason = |reason: Reason| {
        let labels = [("reason", reason.as_str())];
        metrics.sum("appmi_dead_letters_total", &labels)
    };
    for reason in Reason::ALL {
        let expected = oracle.dead_letters().get(&reason).copied().unwrap_or(0);
        assert_eq!(
            by_reason(reason),
            f64::from(u32::try_from(expected).unwrap()),
            "{reason:?}"
        );
    }
    assert!(letters > 0.0);
    assert_eq!(Reason::ALL.into_iter().map(by_reason).sum::<f64>(), letters);
    assert_eq!(metrics.samples("appmi_input_lag_records").count(), 6);
    assert_eq!(metrics.sum("appmi_input_lag_records", &[]), 0.0);
    assert_eq!(metrics.sum("appmi_input_position", &[]), scene.records);
    let of_partition = [("kind", "logins"), ("partition", "2")];
    assert!(metrics.sum("appmi_input_position", &of_partition) > 0.0);
    assert!(metrics.sum("appmi_checkpoints_total", &[("outcome", "committed")]) > 0.0);
    assert!(metrics.sum("appmi_releases_total", &[("reason", "close")]) > 0.0);
    assert_standing(&metrics);
    assert_eq!(instance.stop(), DONE);
}

#[test]
fn asked_to_stop_it_makes_a_checkpoint_and_the_next_goes_on_there() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let scene = Scene::new(Broker::shared(kafka), NEVER);
    let mut instance = scene.run_to_the_end();
    let committed = [("outcome", "committed")];
    assert_eq!(
        instance
            .metrics()
            .sum("appmi_checkpoints_total", &committed),
        0.0
    );
    assert_eq!(instance.stop(), DONE);
    assert_eq!(scene.begins_at(), scene.records);
}

#[test]
fn while_the_broker_is_away_it_stops_without_a_checkpoint() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut broker = Broker::start(kafka, &[]);
    let scene = Scene::new(&broker, NEVER);
    let mut instance = scene.run_to_the_end();
    broker.kill();
    instance.ask_to_stop();
    assert_eq!(
        instance.code(Duration::from_secs(15)),
        DONE,
        "{}",
        instance.log()
    );
    broker.restart();
    assert_eq!(scene.begins_at(), 0.0, "nothing was committed");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut broker = Broker::start(kafka, &[]);
    let scene = Scene::new(&broker, NEVER);
    let mut instance = scene.run_to_the_end();
    // So that the checkpoint takes its time.
    broker.freeze();
    let began = Instant::now();
    instance.until("a second signal has ended it", |instance| {
        instance.ask_to_stop();
        instance.ended().is_some()
    });
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert_eq!(instance.code(AT_ONCE), TERMINATED, "{}", instance.log());
    broker.thaw();
}
