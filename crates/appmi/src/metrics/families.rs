//! The table of metrics: names, types and what they say. Names follow Prometheus: base units, `_total` for
//! counters. They are a promise to dashboards and alerts.

use metrics::{KeyName, Recorder};

/// What a family of metrics is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Type {
    /// Only rises, but begins again at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Lengths of time in seconds, in the buckets given.
    Histogram(&'static [f64]),
}

/// All metrics of one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) r#type: Type,
    help: &'static str,
}

/// A step or two for each power of ten, from what is usual to what is alarming.
const CHECKPOINT_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const RELEASE_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Declares each family as a constant and all of them as a list.
macro_rules! families {
    ($($constant:ident = $type:expr, $name:literal, $help:literal;)+) => {
        $(pub(super) const $constant: Family = Family { name: $name, r#type: $type, help: $help };)+
        /// Every family.
        pub(super) const ALL: &[Family] = &[$($constant),+];
    };
}

families! {
    EVENTS = Type::Counter, "appmi_events_total",
        "Records of the input topics by what became of them: counted, duplicate, dead_letter.";
    DEAD_LETTERS = Type::Counter, "appmi_dead_letters_total",
        "Records that could not be counted, by the first reason that applies.";
    UNKNOWN_GEOGRAPHY = Type::Counter, "appmi_events_unknown_geography_total",
        "Counted events whose board in their month is unknown.";
    SEALED = Type::Counter, "appmi_events_sealed_total",
        "Counted events of months that are sealed for good: no release will show them.";
    LAG = Type::Gauge, "appmi_input_lag_records",
        "Offsets between the position and the high watermark; 0 once the partition is owned elsewhere.";
    POSITION = Type::Gauge, "appmi_input_position",
        "Offset at which reading goes on; NaN once the partition is owned elsewhere.";
    WATERMARK = Type::Gauge, "appmi_input_watermark_timestamp_seconds",
        "How far event time has come; NaN before the first event.";
    INPUT_PARTITIONS = Type::Gauge, "appmi_input_partitions",
        "Partitions of the input topic of a kind, counted here or not; NaN while that is not known.";
    PARTITIONS_ASSIGNED = Type::Gauge, "appmi_partitions_assigned",
        "Input partitions that the group has assigned to this instance, counted or not yet.";
    PARTITIONS = Type::Gauge, "appmi_partitions_owned",
        "Input partitions that this instance counts.";
    LEADER = Type::Gauge, "appmi_is_leader",
        "1 if this instance releases months, else 0.";
    VIEW_RECORDS_LEFT = Type::Gauge, "appmi_view_records_left",
        "Records still to be read, at most, before the view is ready.";
    RECOUNT_RECORDS_LEFT = Type::Gauge, "appmi_recount_records_left",
        "Records of the input topics still to be counted anew after a reset, at most; until then nothing is released. 0 unless recounting.";
    CHECKPOINTS = Type::Counter, "appmi_checkpoints_total",
        "Checkpoints by outcome: committed, failed.";
    CHECKPOINT_SECONDS_FAMILY = Type::Histogram(CHECKPOINT_SECONDS), "appmi_checkpoint_duration_seconds",
        "From the beginning of a checkpoint's transaction to its commit and the view; laying the counts over the view comes before and is left out.";
    CHECKPOINT_RECORDS = Type::Counter, "appmi_checkpoint_records_total",
        "Records sent to the partials topic.";
    CHECKPOINT_BYTES = Type::Counter, "appmi_checkpoint_bytes_total",
        "Bytes of keys and values sent to the partials topic, before compression.";
    RELEASES = Type::Counter, "appmi_releases_total",
        "Months released by this instance, by reason: close, late_events, settings, recount.";
    RELEASES_FAILED = Type::Counter, "appmi_releases_failed_total",
        "Releases that were not published; each is decided again.";
    RELEASE_SECONDS_FAMILY = Type::Histogram(RELEASE_SECONDS), "appmi_release_duration_seconds",
        "From the beginning of a decision, the reading of the owned topics included, to the commit of its release.";
    LOW_WATERMARK = Type::Gauge, "appmi_low_watermark_timestamp_seconds",
        "Smallest watermark of all input partitions, counted here or not; NaN where this instance does not lead or a partition has none.";
    CLOSED_UNTIL = Type::Gauge, "appmi_closed_until_timestamp_seconds",
        "End of the latest closed month; before the first close that of the month before the first one. NaN until the view has been read.";
    STATE_BYTES = Type::Gauge, "appmi_state_bytes",
        "Size of the state directory on disk.";
    ROCKSDB_MEMORY = Type::Gauge, "appmi_rocksdb_memory_bytes",
        "Memory of the state store, by part.";
    BUILD_INFO = Type::Gauge, "appmi_build_info",
        "Always 1; the labels say what is running.";
}

/// Tells a recorder what its metrics mean.
pub(super) fn describe(recorder: &dyn Recorder) {
    for family in ALL {
        let name = KeyName::from_const_str(family.name);
        match family.r#type {
            Type::Counter => recorder.describe_counter(name, None, family.help.into()),
            Type::Gauge => recorder.describe_gauge(name, None, family.help.into()),
            Type::Histogram(_) => recorder.describe_histogram(name, None, family.help.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for Family { name, r#type, help } in ALL {
            let legal = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(
                name.starts_with("appmi_") && name.bytes().all(legal),
                "{name}"
            );
            assert_eq!(name.ends_with("_total"), *r#type == Type::Counter, "{name}");
            if let Type::Histogram(buckets) = r#type {
                assert!(name.ends_with("_seconds"), "{name}");
                assert!(buckets.is_sorted(), "{name}");
            }
            assert!(help.ends_with('.'), "{name}");
        }
    }
}
