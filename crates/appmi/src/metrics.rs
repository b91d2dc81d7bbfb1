//! Metrics for Prometheus: handles that the pipeline holds, and the text that HTTP serves.
//!
//! Every handle is registered once, per kind or per partition, so that a batch costs a few atomic
//! additions and formats no label. There is no global recorder: who writes metrics was given them.

mod families;
mod process;

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use model::{InputPartition, KindId, Kinds, Reason, Timestamp};

use families::{Family, Type};

/// Metrics that begin at zero, and what renders them.
#[must_use]
pub fn new(kinds: &Kinds) -> (Metrics, Exporter) {
    let mut builder = PrometheusBuilder::new();
    for family in families::ALL {
        if let Type::Histogram(buckets) = family.r#type {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(family.name.to_owned()), buckets)
                .expect("every histogram has buckets");
        }
    }
    let recorder = builder.build_recorder();
    families::describe(&recorder);
    let exporter = Exporter(recorder.handle());
    (Metrics::register(recorder, kinds), exporter)
}

/// Renders the metrics as they are now.
#[derive(Debug, Clone)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// The type of the text, for HTTP.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// All metrics and those of the process, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        let mut text = self.0.render();
        process::render(&mut text);
        text
    }
}

/// What the pipeline writes to. One thread has it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    kinds: Vec<KindMetrics>,
    partitions: BTreeMap<InputPartition, PartitionMetrics>,
    /// What checkpoints do.
    pub checkpoints: CheckpointMetrics,
    /// What the leader does.
    pub releases: ReleaseMetrics,
    /// What this instance is at the moment.
    pub instance: InstanceMetrics,
}

/// What became of the records of a kind.
#[derive(Debug)]
pub struct KindMetrics {
    name: String,
    /// Events counted.
    pub counted: Counter,
    /// Events dropped as duplicates.
    pub duplicates: Counter,
    /// Records that could not be counted, for any reason.
    pub dead_letters: Counter,
    /// Counted events whose board in their month is unknown.
    pub unknown_geography: Counter,
    /// Counted events of sealed months.
    pub sealed: Counter,
    partitions: Gauge,
    dead_letters_by_reason: Vec<(Reason, Counter)>,
}

impl KindMetrics {
    /// How many partitions the topic has.
    pub fn set_partitions(&self, partitions: u32) {
        self.partitions.set(f64::from(partitions));
    }

    /// A record that could not be counted, in the count by reason only.
    pub fn dead_letter_because(&self, reason: Reason) {
        for (_, counter) in self
            .dead_letters_by_reason
            .iter()
            .filter(|(of, _)| *of == reason)
        {
            counter.increment(1);
        }
    }
}

/// How far an input partition has come.
#[derive(Debug)]
pub struct PartitionMetrics {
    lag: Gauge,
    position: Gauge,
    watermark: Gauge,
}

impl PartitionMetrics {
    /// Where reading goes on, and how far behind the high watermark that is, if that is known.
    pub fn set_position(&self, position: i64, high: Option<i64>) {
        self.position.set(float(position));
        if let Some(high) = high {
            self.lag.set(float(high.saturating_sub(position).max(0)));
        }
    }

    /// How far event time has come.
    pub fn set_watermark(&self, watermark: Option<Timestamp>) {
        self.watermark.set(seconds(watermark));
    }

    /// The partition is counted elsewhere from now on. A lag of zero keeps sums over instances right; the
    /// others become NaN, which `min` and `max` pass over.
    pub fn give_up(&self) {
        self.lag.set(0.0);
        self.position.set(f64::NAN);
        self.watermark.set(f64::NAN);
    }
}

/// What checkpoints do.
#[derive(Debug)]
pub struct CheckpointMetrics {
    committed: Counter,
    failed: Counter,
    duration: Histogram,
    records: Counter,
    bytes: Counter,
}

impl CheckpointMetrics {
    /// One was committed, with so many records and bytes for the partials topic.
    pub fn committed(&self, took: Duration, records: usize, bytes: usize) {
        self.committed.increment(1);
        self.duration.record(took);
        self.records.increment(widen(records));
        self.bytes.increment(widen(bytes));
    }

    /// One was not, or that is not known.
    pub fn failed(&self) {
        self.failed.increment(1);
    }
}

/// What the leader does.
#[derive(Debug)]
pub struct ReleaseMetrics {
    registry: Registry,
    by_reason: BTreeMap<String, Counter>,
    failed: Counter,
    duration: Histogram,
    closed_until: Gauge,
    low_watermark: Gauge,
}

impl ReleaseMetrics {
    /// A month was released.
    pub fn released(&mut self, reason: &str, took: Duration) {
        let registry = &self.registry;
        self.by_reason
            .entry(reason.to_owned())
            .or_insert_with(|| registry.counter(families::RELEASES, &[("reason", reason)]))
            .increment(1);
        self.duration.record(took);
    }

    /// A release was not published.
    pub fn failed(&self) {
        self.failed.increment(1);
    }

    /// The end of the latest closed month, if that is known.
    pub fn set_closed_until(&self, end: Option<Timestamp>) {
        self.closed_until.set(seconds(end));
    }

    /// The smallest watermark of all input partitions, where this instance leads and each has one.
    pub fn set_low_watermark(&self, watermark: Option<Timestamp>) {
        self.low_watermark.set(seconds(watermark));
    }
}

/// What this instance is at the moment.
#[derive(Debug)]
pub struct InstanceMetrics {
    registry: Registry,
    assigned: Gauge,
    partitions: Gauge,
    leader: Gauge,
    view_records_left: Gauge,
    recount_records_left: Gauge,
    state_bytes: Gauge,
    rocksdb_memory: BTreeMap<&'static str, Gauge>,
}

impl InstanceMetrics {
    /// How many input partitions are assigned to it, how many of them it counts, and whether it releases.
    pub fn set_role(&self, assigned: usize, counted: usize, is_leader: bool) {
        self.assigned.set(float_of_u64(widen(assigned)));
        self.partitions.set(float_of_u64(widen(counted)));
        self.leader.set(f64::from(u8::from(is_leader)));
    }

    /// How many records are to be read before the view is ready, at most.
    pub fn set_view_records_left(&self, records: u64) {
        self.view_records_left.set(float_of_u64(records));
    }

    /// How many records are to be counted anew before anything is released again, at most.
    pub fn set_recount_records_left(&self, records: u64) {
        self.recount_records_left.set(float_of_u64(records));
    }

    /// The size of the state directory.
    pub fn set_state_bytes(&self, bytes: u64) {
        self.state_bytes.set(float_of_u64(bytes));
    }

    /// The memory of a part of the state store.
    pub fn set_rocksdb_memory(&mut self, part: &'static str, bytes: u64) {
        let registry = &self.registry;
        self.rocksdb_memory
            .entry(part)
            .or_insert_with(|| registry.gauge(families::ROCKSDB_MEMORY, &[("part", part)]))
            .set(float_of_u64(bytes));
    }
}

impl Metrics {
    fn register(recorder: PrometheusRecorder, kinds: &Kinds) -> Self {
        let registry = Registry(std::sync::Arc::new(recorder));
        let build = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("target", std::env::consts::ARCH),
        ];
        registry.gauge(families::BUILD_INFO, &build).set(1.0);
        let outcome = |outcome| registry.counter(families::CHECKPOINTS, &[("outcome", outcome)]);
        let closed_until = registry.gauge(families::CLOSED_UNTIL, &[]);
        let low_watermark = registry.gauge(families::LOW_WATERMARK, &[]);
        for unknown in [&closed_until, &low_watermark] {
            unknown.set(f64::NAN);
        }
        Self {
            kinds: kinds
                .iter()
                .map(|(_, kind)| registry.kind(&kind.name))
                .collect(),
            partitions: BTreeMap::new(),
            checkpoints: CheckpointMetrics {
                committed: outcome("committed"),
                failed: outcome("failed"),
                duration: registry.histogram(families::CHECKPOINT_SECONDS_FAMILY),
                records: registry.counter(families::CHECKPOINT_RECORDS, &[]),
                bytes: registry.counter(families::CHECKPOINT_BYTES, &[]),
            },
            releases: ReleaseMetrics {
                registry: registry.clone(),
                by_reason: BTreeMap::new(),
                failed: registry.counter(families::RELEASES_FAILED, &[]),
                duration: registry.histogram(families::RELEASE_SECONDS_FAMILY),
                closed_until,
                low_watermark,
            },
            instance: InstanceMetrics {
                registry: registry.clone(),
                assigned: registry.gauge(families::PARTITIONS_ASSIGNED, &[]),
                partitions: registry.gauge(families::PARTITIONS, &[]),
                leader: registry.gauge(families::LEADER, &[]),
                view_records_left: registry.gauge(families::VIEW_RECORDS_LEFT, &[]),
                recount_records_left: registry.gauge(families::RECOUNT_RECORDS_LEFT, &[]),
                state_bytes: registry.gauge(families::STATE_BYTES, &[]),
                rocksdb_memory: BTreeMap::new(),
            },
            registry,
        }
    }

    /// The metrics of a kind, which must come from the table that these were made for.
    #[must_use]
    pub fn kind(&self, kind: KindId) -> &KindMetrics {
        &self.kinds[usize::from(kind.0)]
    }

    /// The metrics of a partition, registered when it is first seen.
    pub fn partition(&mut self, partition: InputPartition) -> &PartitionMetrics {
        self.partitions.entry(partition).or_insert_with(|| {
            let number = partition.partition.to_string();
            let kind = &self.kinds[usize::from(partition.kind.0)].name;
            let labels = [("kind", kind.as_str()), ("partition", number.as_str())];
            let metrics = PartitionMetrics {
                lag: self.registry.gauge(families::LAG, &labels),
                position: self.registry.gauge(families::POSITION, &labels),
                watermark: self.registry.gauge(families::WATERMARK, &labels),
            };
            metrics.give_up();
            metrics
        })
    }
}

/// Makes handles.
#[derive(Clone)]
struct Registry(std::sync::Arc<PrometheusRecorder>);

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry")
    }
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

impl Registry {
    fn counter(&self, family: Family, labels: &[(&'static str, &str)]) -> Counter {
        self.0.register_counter(&key(family, labels), &METADATA)
    }

    fn gauge(&self, family: Family, labels: &[(&'static str, &str)]) -> Gauge {
        self.0.register_gauge(&key(family, labels), &METADATA)
    }

    fn histogram(&self, family: Family) -> Histogram {
        self.0.register_histogram(&key(family, &[]), &METADATA)
    }

    fn kind(&self, name: &str) -> KindMetrics {
        let outcome =
            |outcome| self.counter(families::EVENTS, &[("kind", name), ("outcome", outcome)]);
        let because = |reason: Reason| {
            self.counter(
                families::DEAD_LETTERS,
                &[("kind", name), ("reason", reason.as_str())],
            )
        };
        let partitions = self.gauge(families::INPUT_PARTITIONS, &[("kind", name)]);
        partitions.set(f64::NAN);
        KindMetrics {
            name: name.to_owned(),
            counted: outcome("counted"),
            duplicates: outcome("duplicate"),
            dead_letters: outcome("dead_letter"),
            unknown_geography: self.counter(families::UNKNOWN_GEOGRAPHY, &[("kind", name)]),
            sealed: self.counter(families::SEALED, &[("kind", name)]),
            partitions,
            dead_letters_by_reason: Reason::ALL.map(|reason| (reason, because(reason))).into(),
        }
    }
}

fn key(family: Family, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels
        .iter()
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect();
    Key::from_parts(family.name, labels)
}

fn widen(number: usize) -> u64 {
    u64::try_from(number).expect("addresses have at most 64 bits")
}

/// Seconds since the Unix epoch, NaN if there is no such time.
fn seconds(time: Option<Timestamp>) -> f64 {
    time.map_or(f64::NAN, |time| float(time.as_millis()) / 1000.0)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float: exact up to 2^53"
)]
fn float(number: i64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float: exact up to 2^53"
)]
fn float_of_u64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
