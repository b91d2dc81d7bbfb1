//! What a national month writes to the partials topic: bytes per event before compression, by what they are for.
//!
//! ```text
//! cargo bench -p benches --profile dev --bench traffic [-- SECONDS]
//! ```
//!
//! One twelfth of the nation in one partition of each kind: as many accounts and events per lineage as a partition
//! has where a topic has twelve. Every so many seconds (30) of the records' own time it takes a checkpoint, as an
//! instance that keeps up does, through the engine's own code on a view in memory.

use std::ops::AddAssign;
use std::time::Duration;

use engine::aggregate::{Aggregate, Counter};
use engine::checkpoint::{self, Checkpoint, Statement};
use engine::ports::Record;
use engine::{Options, View};
use memlog::MemStore;
use model::{KindId, Offset, Timestamp};
use wire::partials::PartialKey;
use workload::{Item, Partitions, Practices, Profile, Workload};

use benches::{counting, settings};

/// Partitions of a topic of national size, of which this is one.
const ONE_IN: u64 = 12;
/// Days after which what was written is printed.
const DAYS: [i64; 4] = [1, 7, 14, 31];
const DAY: i64 = 24 * 3600 * 1000;

/// Bytes of keys and values.
#[derive(Debug, Default, Clone, Copy)]
struct Traffic {
    events: u64,
    checkpoints: u64,
    counts: usize,
    pages: usize,
    windows: usize,
    progress: usize,
    largest: usize,
}

impl AddAssign<&Checkpoint> for Traffic {
    fn add_assign(&mut self, checkpoint: &Checkpoint) {
        self.events += checkpoint.events;
        self.checkpoints += 1;
        self.largest = self.largest.max(checkpoint.bytes());
        for partial in &checkpoint.partials {
            let bytes = partial.key.len() + partial.value.as_ref().map_or(0, Vec::len);
            let key = PartialKey::decode(&partial.key).expect("the engine writes keys");
            let of = match key {
                PartialKey::Count { .. } => &mut self.counts,
                PartialKey::Page { .. } => &mut self.pages,
                PartialKey::Window { .. } => &mut self.windows,
                PartialKey::Progress { .. } | PartialKey::Settings => &mut self.progress,
            };
            *of += bytes;
        }
    }
}

/// A partition that keeps up with its log.
struct Partition {
    aggregate: Aggregate,
    counter: Counter,
    view: View,
    store: MemStore,
    number: u64,
    next: i64,
    due: Option<Timestamp>,
    traffic: Traffic,
}

impl Partition {
    fn new(options: &Options, kind: KindId) -> Self {
        let mut store = MemStore::default();
        let (kinds, ids) = (options.kinds.clone(), [[1; 16], [2; 16]]);
        let (view, _) = View::open(
            &mut store,
            kinds,
            options.precision,
            options.first_month,
            ids,
        )
        .expect("a new store can be opened");
        let mut aggregate = counting::aggregate(options, 0);
        aggregate.partition.kind = kind;
        Self {
            aggregate,
            counter: Counter::default(),
            view,
            store,
            number: 0,
            next: 0,
            due: None,
            traffic: Traffic::default(),
        }
    }

    fn count(&mut self, options: &Options, item: &Item) {
        let now = item.timestamp;
        if self.due.is_some_and(|due| now >= due) {
            self.checkpoint(options);
            self.due = None;
        }
        let interval = options.checkpoint_interval;
        self.due.get_or_insert(now.saturating_add(interval));
        let record = Record {
            offset: Offset(self.next),
            timestamp: Some(now),
            content_type: item.content_type.map(str::as_bytes),
            payload: &item.payload,
        };
        self.next += 1;
        let (aggregate, first) = (&mut self.aggregate, options.first_month);
        self.counter
            .count(options, aggregate, &[record], now, first);
    }

    fn checkpoint(&mut self, options: &Options) {
        self.number += 1;
        let statement = Statement {
            number: self.number,
            settings: 1,
            topic_id: [3; 16],
            idle: false,
            floor: options.first_month,
        };
        let (view, aggregate) = (&self.view, &self.aggregate);
        let store = &self.store;
        let checkpoint = checkpoint::prepare(options, view, store, aggregate, statement, 1)
            .expect("memory can be read");
        self.view
            .apply_own(&mut self.store, checkpoint.partials.iter())
            .expect("memory can be written");
        self.aggregate.delta.clear();
        self.aggregate.window.mark_stored();
        self.aggregate.dead_letters.clear();
        self.traffic += &checkpoint;
    }
}

#[expect(clippy::print_stdout, reason = "figures are what this is for")]
fn print(name: &str, days: i64, since: &Traffic, now: &Traffic) {
    let events = (now.events - since.events).max(1);
    let checkpoints = (now.checkpoints - since.checkpoints).max(1);
    let per_event = |now: usize, since: usize| ratio(now - since, events);
    let all = |of: &Traffic| of.counts + of.pages + of.windows + of.progress;
    println!(
        "| {name}, to day {days} | {events} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} |",
        ratio(usize::try_from(events).expect("64 bits"), checkpoints),
        per_event(all(now), all(since)),
        per_event(now.pages, since.pages),
        per_event(now.counts, since.counts),
        per_event(now.windows, since.windows),
        per_event(now.progress, since.progress),
        ratio(all(now) - all(since), checkpoints) / 1024.0,
    );
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(of: usize, to: u64) -> f64 {
    of as f64 / to as f64
}

#[expect(clippy::print_stdout, reason = "figures are what this is for")]
fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let seconds = arguments
        .next()
        .map_or(30, |text| text.parse().expect("a number of seconds"));
    let mut options = settings::options();
    options.checkpoint_interval = Duration::from_secs(seconds);
    let workload = workload::Options {
        one_in: ONE_IN,
        first_month: options.first_month,
        months: 1,
        partitions: Partitions {
            logins: 1,
            prescription_orders: 1,
            registrations: 1,
        },
        practices: Practices::synthetic(),
        ..workload::Options::default()
    };
    let begin = options.calendar.start_of(options.first_month).as_millis();
    let mut partitions: Vec<Partition> = options
        .kinds
        .iter()
        .map(|(kind, _)| Partition::new(&options, kind))
        .collect();
    let mut printed = vec![Traffic::default(); partitions.len()];
    println!("a checkpoint every {seconds} s, bytes per event before compression");
    println!(
        "| kind, days | events | events a checkpoint | all | pages | counts | window | progress | KiB a checkpoint |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut days = DAYS.into_iter().peekable();
    let mut show = |day: i64, partitions: &[Partition]| {
        let all = options.kinds.iter().zip(partitions).zip(&mut printed);
        for (((_, kind), partition), since) in all {
            print(&kind.name, day, since, &partition.traffic);
            *since = partition.traffic;
        }
    };
    for item in Workload::new(Profile::published(), &workload) {
        if let Some(day) = days.next_if(|day| item.timestamp.as_millis() >= begin + day * DAY) {
            show(day, &partitions);
        }
        partitions[usize::from(item.kind.0)].count(&options, &item);
    }
    if let Some(day) = days.next() {
        show(day, &partitions);
    }
    let largest = partitions.iter().map(|partition| partition.traffic.largest);
    println!(
        "largest checkpoint of a partition: {} KiB",
        largest.max().unwrap_or(0) / 1024
    );
}
