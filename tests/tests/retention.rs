//! Twenty months through the program on a real broker: what is no longer needed is dropped, on the broker's
//! disk too, no figure falls by it, and late events revise what they still may. The boards of April 2026 are
//! on the way.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeMap;
use std::iter::successors;

use model::{InputPartition, KindId, Kinds, Month, Timestamp};
use tests::system::{
    Comparison, Deployment, Feed, Instance, Operator, Place, Releases, Subscriber,
    latest_closed_month, logins, workload_options,
};
use tests::{Broker, installation_or_skip};
use wire::releases::Format;
use wire::v1::MonthClose;
use workload::{Item, Profile, Workload};

/// One in so many of the national figures.
const ONE_IN: u64 = 20_000;
const BASELINE: u64 = 1_000;
const ENGLAND: &str = "E92000001";
/// What `retention_months` is by default.
const RETENTION: i32 = 15;
/// Partitions by kind, as `workload_options` has them.
const PARTITIONS: [u32; 3] = [3, 2, 1];

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn months(from: Month, to: Month) -> impl Iterator<Item = Month> {
    successors(Some(from), |month| Some(month.next())).take_while(move |month| *month <= to)
}

fn inputs() -> Vec<InputPartition> {
    let kinds = (0..).map(KindId).zip(PARTITIONS);
    kinds
        .flat_map(|(kind, count)| {
            (0..count).map(move |partition| InputPartition { kind, partition })
        })
        .collect()
}

/// A deployment whose partials topic the broker compacts within seconds.
fn deployment(broker: &Broker, kinds: &Kinds) -> Deployment {
    let deployment = Deployment::bare(broker, kinds, &PARTITIONS);
    let settings = [
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "LogAppendTime"),
        ("max.message.bytes", "1048588"),
        ("segment.ms", "500"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "100"),
    ];
    let partials = &deployment.topics.partials;
    let created = deployment
        .admin()
        .create_topic(partials, 1, Some(1), &settings);
    assert!(created.unwrap());
    let answer = deployment.appmi(&["topics", "--create", "--replication-factor", "1"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    deployment
}

/// What is looked at again and again.
struct Scene {
    deployment: Deployment,
    operator: Operator,
    feed: Feed,
    subscriber: Subscriber,
    last: Month,
}

impl Scene {
    fn new(broker: &Broker) -> Self {
        let last = latest_closed_month();
        assert!(
            last >= month("2026-08"),
            "the clock stands before autumn 2026"
        );
        let mut kinds = Kinds::builtin();
        let registrations = kinds.by_name("registrations").unwrap();
        kinds.set_baseline(registrations, BASELINE);
        let deployment = deployment(broker, &kinds);
        let mut feed = Feed::new(&deployment, &kinds);
        let count = u32::try_from(last.since(month("2025-03")) + 1).unwrap();
        let options = workload_options(ONE_IN, count, 3);
        feed.put_all(Workload::new(Profile::published(), &options));
        Self {
            operator: Operator::new(broker, &deployment),
            subscriber: deployment.releases(),
            feed,
            deployment,
            last,
        }
    }

    fn floor(&self) -> Month {
        self.last.plus(-RETENTION)
    }

    /// The first month that is not sealed: no floor is in its window.
    fn first_open(&self) -> Month {
        self.floor().plus(11)
    }

    fn until_released(&mut self, instance: &mut Instance, month: Month) {
        let prefix = format!("{month}/england/");
        instance.until("the month is released", |_| {
            let received = self.subscriber.look();
            let mut keys = received.iter().filter_map(|record| record.key.as_ref());
            keys.any(|key| key.starts_with(&prefix))
        });
    }

    fn until_floors_are_up(&mut self, instance: &mut Instance) {
        let floor = self.floor();
        let text = floor.to_string();
        instance.until("every floor is where it is due", |_| {
            let partials = self.operator.partials();
            let names = ["logins", "prescription_orders", "registrations"];
            inputs().iter().all(|input| {
                let name = names[usize::from(input.kind.0)];
                let progress = partials.progress(name, input.partition);
                progress.is_some_and(|progress| progress.floor == text)
            })
        });
        for input in inputs() {
            self.feed.oracle.raise_floor(input, floor);
        }
    }

    fn releases(&mut self) -> Releases {
        Releases::of(self.subscriber.look(), Format::Protobuf)
    }

    /// Until the released figures of these months are the oracle's.
    fn until_revised(&mut self, instance: &mut Instance, from: Month) {
        let expected: Vec<_> = months(from, self.last)
            .flat_map(|month| {
                let rows = self.feed.oracle.measures(month).into_iter();
                let exact = rows.filter(|row| !row.measure.starts_with("unique"));
                exact.map(move |row| (month, row))
            })
            .collect();
        instance.until("late events have revised what they may", |_| {
            let releases = Releases::of(self.subscriber.look(), Format::Protobuf);
            expected.iter().all(|(month, row)| {
                releases.value(*month, row.level, &row.code, &row.measure) == Some(row.value)
            })
        });
    }

    /// A login, or an event of another kind like it, at noon of the 10th of a month.
    fn event(&self, input: InputPartition, month: Month, account: u64) -> Item {
        let calendar = model::Calendar::new("Europe/London").unwrap();
        let days = std::time::Duration::from_secs(9 * 24 * 3600 + 12 * 3600);
        let at: Timestamp = calendar.start_of(month).saturating_add(days);
        let mut item = logins(input.partition, account..account + 1, at).remove(0);
        item.kind = input.kind;
        item
    }
}

fn last_releases(
    releases: &Releases,
    months: impl Iterator<Item = Month>,
) -> Vec<(Month, BTreeMap<Place, MonthClose>)> {
    months
        .map(|month| (month, releases.last(month).unwrap().clone()))
        .collect()
}

#[test]
fn twenty_months_are_kept_for_as_long_as_they_are_needed_and_no_longer() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::start(kafka, &[("log.cleaner.backoff.ms", "100")]);
    let mut scene = Scene::new(&broker);
    let (first, last) = (month("2025-03"), scene.last);
    let mut instance = scene.deployment.run();
    scene.until_released(&mut instance, last);
    let releases = scene.releases();
    assert!(releases.ids().iter().all(|id| id.revision == 0));
    Comparison::of(&releases, &scene.feed.oracle, months(first, last)).assert_intervals_hold();
    boards_of_april_2026(&releases, &scene.feed);

    scene.until_floors_are_up(&mut instance);
    let (floor, first_open) = (scene.floor(), scene.first_open());
    let sealed = last_releases(&releases, months(first, first_open.prev()));
    // Late: for an open month and a sealed one in every partition, and for one that is gone.
    let mut account = 1 << 40;
    for input in inputs() {
        for month in [last, floor.next(), floor.prev()] {
            account += 1;
            scene.feed.put(&scene.event(input, month, account));
        }
    }
    scene.feed.flush();
    scene.until_revised(&mut instance, first_open);
    let said = instance.metrics().sum("appmi_events_sealed_total", &[]);
    let partitions: u32 = PARTITIONS.iter().sum();
    assert_eq!(said, f64::from(partitions), "one of each partition");

    // What is below the floor leaves the broker's disk. Only what was rolled is compacted, so something has
    // to be written again and again.
    let written = scene.operator.partials().records;
    instance.until("the broker has compacted the partials", |_| {
        account += 1;
        let input = inputs()[usize::try_from(account % 6).unwrap()];
        let item = scene.event(input, last, account);
        scene.feed.put_all([item]);
        let partials = scene.operator.partials();
        partials.first_month_in_log() >= Some(floor.to_string()) && partials.records < written
    });
    scene.until_revised(&mut instance, first_open);
    assert_eq!(instance.stop(), Some(0));

    // From what compaction left, everything is as it was.
    scene.deployment.lose_state();
    let mut instance = scene.deployment.run();
    for input in inputs() {
        account += 1;
        scene.feed.put(&scene.event(input, first_open, account));
    }
    scene.feed.flush();
    scene.until_revised(&mut instance, first_open);
    let operator = &scene.operator;
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.stop(), Some(0));

    let releases = scene.releases();
    Comparison::of(&releases, &scene.feed.oracle, months(first_open, last)).assert_intervals_hold();
    let now = last_releases(&releases, months(first, first_open.prev()));
    assert!(now == sealed, "sealed months stay as they were");
    let letters = scene.deployment.dead_letters().read_to_end();
    let too_old = letters
        .iter()
        .filter(|letter| letter.header("appmi-reason") == "too_old");
    assert_eq!(too_old.count(), inputs().len());
    let expected: u64 = scene.feed.oracle.dead_letters().values().sum();
    assert_eq!(letters.len() as u64, expected);
}

/// 42 boards until March 2026 and 36 from April on, each with its own in every figure.
fn boards_of_april_2026(releases: &Releases, feed: &Feed) {
    let records = |of: &str| releases.last(month(of)).unwrap().len();
    assert_eq!((records("2025-03"), records("2026-03")), (52, 52));
    assert_eq!((records("2026-04"), records("2026-05")), (46, 46));
    // Twelve months until May 2026: ten under the old boards, in the figures of the new ones.
    let may = month("2026-05");
    let measure = "unique_users_logging_in_12_months";
    let (mut compared, mut inside) = (0, 0);
    for row in feed.oracle.measures(may) {
        if row.measure != measure {
            continue;
        }
        let place = (row.level.to_owned(), row.code.clone());
        let record = &releases.last(may).unwrap()[&place];
        let found = record
            .measures
            .iter()
            .find(|found| found.measure == measure);
        let found = found.unwrap();
        assert_eq!(found.months_covered, 12);
        compared += 1;
        inside += usize::from((found.lower_95..=found.upper_95).contains(&row.value));
        let is_england = row.code == ENGLAND;
        let monthly = releases.value(may, row.level, &row.code, "unique_users_logging_in");
        assert!(
            !is_england || found.value > monthly.unwrap(),
            "more than of May alone"
        );
    }
    assert_eq!(compared, 46);
    assert!(inside * 100 >= compared * 95, "{inside} of {compared}");
}
