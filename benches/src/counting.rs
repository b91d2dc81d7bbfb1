//! Counting as a loaded instance does it: runs of records of all partitions in turn, nothing else.

use std::time::{Duration, Instant};

use engine::aggregate::{Aggregate, Counter};
use engine::delta::Delta;
use engine::window::Window;
use engine::{Options, Tally};
use model::{InputPartition, KindId, Offset, Timestamp};

use crate::Logins;
use crate::settings::PARTITIONS;

/// Records of a run: about what one fetch of a partition brings.
const RUN_RECORDS: usize = 4096;

/// Twelve aggregates that have counted logins for a while, so that their windows are full and their
/// registers are those of that many users.
#[derive(Debug)]
pub struct Counting<'a> {
    options: &'a Options,
    logins: &'a Logins,
    content_type: Option<&'a [u8]>,
    counter: Counter,
    partitions: Vec<Partition>,
    turn: usize,
}

#[derive(Debug)]
struct Partition {
    aggregate: Aggregate,
    next: usize,
    /// How things stood once the window was full: counting begins there again behind the last login, since
    /// event time that goes back is nothing that a window is made for.
    start: (usize, Window, Option<Timestamp>),
}

impl<'a> Counting<'a> {
    /// Counts all of the logins once.
    ///
    /// # Panics
    /// If they are too few to fill the windows, or if something is wrong with one.
    #[must_use]
    pub fn new(options: &'a Options, logins: &'a Logins, content_type: Option<&'a [u8]>) -> Self {
        let mut counting = Self {
            options,
            logins,
            content_type,
            counter: Counter::default(),
            partitions: Vec::new(),
            turn: 0,
        };
        for number in 0..PARTITIONS {
            let aggregate = aggregate(options, number);
            let start = (0, aggregate.window.clone(), None);
            counting.partitions.push(Partition {
                aggregate,
                next: 0,
                start,
            });
        }
        for number in 0..counting.partitions.len() {
            while counting.partitions[number].next < logins.len(number) {
                counting.run(number);
                let partition = &mut counting.partitions[number];
                let window = &partition.aggregate.window;
                if partition.start.0 == 0 && window.generation() >= 2 {
                    let latest = partition.aggregate.latest;
                    partition.start = (partition.next, window.clone(), latest);
                }
            }
            let (start, ..) = counting.partitions[number].start;
            assert!(start > 0, "the logins fill the windows");
        }
        counting
    }

    /// The time that counting takes for so many logins, without that of making records of them.
    pub fn count(&mut self, events: u64) -> Duration {
        let (mut counted, mut spent) = (0, Duration::ZERO);
        while counted < events {
            let number = self.turn % self.partitions.len();
            self.turn += 1;
            let partition = &mut self.partitions[number];
            if partition.next >= self.logins.len(number) {
                let (next, window, latest) = partition.start.clone();
                partition.next = next;
                partition.aggregate.window = window;
                partition.aggregate.latest = latest;
            }
            let (time, events) = self.run(number);
            spent += time;
            counted += events;
        }
        spent.mul_f64(ratio(events, counted))
    }

    fn run(&mut self, number: usize) -> (Duration, u64) {
        let partition = &mut self.partitions[number];
        let records = self
            .logins
            .run(number, partition.next, RUN_RECORDS, self.content_type);
        partition.next += records.len();
        let now = records.last().and_then(|record| record.timestamp);
        let now = now.expect("a run has records, and they have timestamps");
        let sealed_before = self.options.first_month;
        let aggregate = &mut partition.aggregate;
        let start = Instant::now();
        let Tally { counted, .. } =
            self.counter
                .count(self.options, aggregate, &records, now, sealed_before);
        let spent = start.elapsed();
        let all = u64::try_from(records.len()).expect("far below");
        assert_eq!(counted, all, "every login counts");
        (spent, counted)
    }
}

/// An aggregate of a logins partition that has counted nothing.
#[must_use]
pub fn aggregate(options: &Options, partition: u32) -> Aggregate {
    let kind = KindId(0);
    Aggregate {
        partition: InputPartition { kind, partition },
        position: Offset(0),
        latest: None,
        floor: options.first_month,
        window: Window::new(
            options.deduplication_window,
            options.deduplication_events_max,
        ),
        delta: Delta::new(
            options.precision,
            options.kinds.get(kind).has_users(),
            options.geography.lineages(),
            options.first_month,
        ),
        dead_letters: Vec::new(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
