//! What a seed decides before anything happens: options, topics, the weather, and what producers will send.

use std::collections::VecDeque;
use std::time::Duration;

use engine::{Limits, Options};
use model::{Calendar, Geography, KindId, Kinds};

use crate::civil::{self, MINUTE, MonthNo};
use crate::events::{self, Operation};
use crate::places;
use crate::rng::Rng;

/// Registrations before the first month.
pub(crate) const BASELINE: u64 = 100;

/// Everything about a world that is known beforehand.
pub(crate) struct Plan {
    pub(crate) options: Options,
    /// Partitions of the input topics by kind, to begin with.
    pub(crate) counts: Vec<u32>,
    pub(crate) partials: u32,
    pub(crate) month_close: u32,
    /// Months in which something happens.
    pub(crate) months: MonthNo,
    pub(crate) instances: usize,
    /// How many times the usual number of faults; 0 is a world without any.
    pub(crate) weather: u32,
    /// Whether what was committed is deleted from the input topics.
    pub(crate) is_truncated: bool,
    /// Whether transactions end in all partitions at once.
    pub(crate) has_prompt_markers: bool,
    pub(crate) limits: Limits,
    /// Whether an instance keeps its transactional id when it is started again.
    pub(crate) has_static_members: bool,
    pub(crate) operations: VecDeque<Operation>,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let counts = (0..3).map(|_| rng.small(1, 3)).collect();
        let months = if rng.chance(500) {
            MonthNo::try_from(rng.between(13, 18)).expect("few")
        } else {
            MonthNo::try_from(rng.between(2, 5)).expect("few")
        };
        let mut plan = Self {
            options: options(&mut rng),
            counts,
            partials: rng.small(1, 3),
            month_close: rng.small(1, 3),
            months,
            instances: 1 + rng.index(5),
            weather: [0, 1, 1, 2, 4, 8, 16][rng.index(7)],
            is_truncated: rng.chance(300),
            has_prompt_markers: rng.chance(300),
            limits: limits(&mut rng),
            has_static_members: rng.chance(300),
            operations: VecDeque::new(),
        };
        plan.operations = events::plan(&plan, &mut Rng::new(seed, 2));
        plan
    }

    /// The boundary that watermarks have to pass for a month to be closed: its end and the grace.
    pub(crate) fn boundary(&self, month: MonthNo) -> i64 {
        let grace = i64::try_from(self.options.grace.as_millis()).expect("a short time");
        civil::month_start(month + 1) + grace
    }
}

/// Small ones, so that checkpoints take several transactions and are read in pieces.
fn limits(rng: &mut Rng) -> Limits {
    let default = Limits::default();
    if rng.chance(500) {
        return default;
    }
    Limits {
        transaction_bytes: [1, 300, 1000][rng.index(3)],
        delta_bytes: [100, 1000, default.delta_bytes][rng.index(3)],
        partition_bytes: [64, 1000, default.partition_bytes][rng.index(3)],
        letters: [1, 3, default.letters][rng.index(3)],
        letter_bytes: [1, 100, default.letter_bytes][rng.index(3)],
        held_bytes: [1, 200, default.held_bytes][rng.index(3)],
    }
}

fn options(rng: &mut Rng) -> Options {
    let mut kinds = Kinds::builtin();
    kinds.set_baseline(KindId(2), BASELINE);
    let reference = (
        ("icbs.csv", places::ICBS),
        ("practices.csv", places::PRACTICES),
    );
    let geography = Geography::load(Some(reference.0), Some(reference.1));
    let hours = |rng: &mut Rng, low, high| Duration::from_hours(u64::from(rng.small(low, high)));
    Options {
        group_id: "appmi".into(),
        kinds,
        geography: geography.expect("the reference data is good"),
        calendar: Calendar::new("Europe/London").expect("a zone"),
        hash_key: sketch::HashKey::derive(&[7; 32]).expect("long enough"),
        precision: sketch::Precision::new([4, 5, 7, 8][rng.index(4)]).expect("a precision"),
        first_month: civil::month_name(0).parse().expect("a month"),
        grace: hours(rng, 24, 72),
        idle_timeout: Duration::from_mins(5),
        max_skew: Duration::from_mins(15),
        retention_months: rng.small(11, 13),
        revision_interval: hours(rng, 6, 24),
        deduplication_window: hours(rng, 1, 72),
        deduplication_events_max: [3, 8, 300][rng.index(3)],
        encoding: wire::events::Encoding::Protobuf,
        payload_bytes_max: events::PAYLOAD_BYTES_MAX,
        include_payload: rng.chance(500),
        checkpoint_interval: Duration::from_secs(u64::from(rng.small(2, 60))),
        release_format: if rng.chance(500) {
            wire::releases::Format::Protobuf
        } else {
            wire::releases::Format::Json
        },
    }
}

/// `idle_timeout` in milliseconds.
pub(crate) const IDLE_TIMEOUT: i64 = 5 * MINUTE;
