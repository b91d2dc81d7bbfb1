//! What is served is the text format of Prometheus, and says what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{InputPartition, KindId, Kinds, Reason, Timestamp};

use super::*;

/// A sample by its name and labels as written.
type Samples = BTreeMap<String, f64>;

/// Reads the text format strictly: every sample below the HELP and TYPE of its family, none twice.
fn parse(text: &str) -> Samples {
    let mut samples = Samples::new();
    let mut families = BTreeMap::new();
    let mut helped = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (family, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && helped.insert(family), "{line}");
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (family, of) = of.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&of), "{line}");
            assert!(helped.contains(family), "{line}");
            assert_eq!(families.insert(family, of), None, "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let suffix = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .filter(|family| families.get(family) == Some(&"histogram"));
            assert!(families.contains_key(suffix.unwrap_or(name)), "{line}");
            let value = value.parse().unwrap();
            assert_eq!(samples.insert(series.to_owned(), value), None, "{line}");
        }
    }
    samples
}

fn partition(number: u32) -> InputPartition {
    InputPartition {
        kind: KindId(0),
        partition: number,
    }
}

#[test]
fn what_can_happen_is_there_from_the_start_as_zero() {
    let kinds = Kinds::builtin();
    let (_metrics, exporter) = new(&kinds);
    let samples = parse(&exporter.render());
    for (_, kind) in kinds.iter() {
        let kind = &kind.name;
        for reason in Reason::ALL {
            let series = format!(
                r#"appmi_dead_letters_total{{kind="{kind}",reason="{}"}}"#,
                reason.as_str()
            );
            assert_eq!(samples.get(&series), Some(&0.0), "{series}");
        }
        let series = format!(r#"appmi_events_total{{kind="{kind}",outcome="counted"}}"#);
        assert_eq!(samples.get(&series), Some(&0.0), "{series}");
    }
    assert_eq!(samples[r#"appmi_checkpoints_total{outcome="failed"}"#], 0.0);
    assert!(
        samples
            .keys()
            .any(|series| series.starts_with("appmi_build_info{version="))
    );
    assert!(samples["appmi_closed_until_timestamp_seconds"].is_nan());
    assert!(samples["appmi_low_watermark_timestamp_seconds"].is_nan());
    assert_eq!(samples["appmi_recount_records_left"], 0.0);
}

#[test]
fn what_happened_is_counted() {
    let (mut metrics, exporter) = new(&Kinds::builtin());
    metrics.kind(KindId(1)).counted.increment(41);
    metrics.kind(KindId(1)).counted.increment(1);
    metrics.kind(KindId(0)).dead_letter_because(Reason::NoTime);
    metrics
        .checkpoints
        .committed(Duration::from_millis(20), 64, 4096);
    metrics.checkpoints.failed();
    metrics.releases.released("close", Duration::from_secs(2));
    metrics
        .releases
        .set_closed_until(Some(Timestamp::from_millis(1_743_462_000_000)));
    metrics.instance.set_role(4, 3, true);
    metrics.instance.set_rocksdb_memory("block_cache", 1 << 20);
    let samples = parse(&exporter.render());
    for (series, value) in [
        (
            r#"appmi_events_total{kind="prescription_orders",outcome="counted"}"#,
            42.0,
        ),
        (
            r#"appmi_dead_letters_total{kind="logins",reason="no_time"}"#,
            1.0,
        ),
        (r#"appmi_checkpoints_total{outcome="committed"}"#, 1.0),
        (r#"appmi_checkpoints_total{outcome="failed"}"#, 1.0),
        (
            r#"appmi_checkpoint_duration_seconds_bucket{le="0.01"}"#,
            0.0,
        ),
        (
            r#"appmi_checkpoint_duration_seconds_bucket{le="0.025"}"#,
            1.0,
        ),
        (
            r#"appmi_checkpoint_duration_seconds_bucket{le="+Inf"}"#,
            1.0,
        ),
        ("appmi_checkpoint_duration_seconds_count", 1.0),
        ("appmi_checkpoint_records_total", 64.0),
        ("appmi_checkpoint_bytes_total", 4096.0),
        (r#"appmi_releases_total{reason="close"}"#, 1.0),
        ("appmi_closed_until_timestamp_seconds", 1_743_462_000.0),
        ("appmi_partitions_assigned", 4.0),
        ("appmi_partitions_owned", 3.0),
        ("appmi_is_leader", 1.0),
        (
            r#"appmi_rocksdb_memory_bytes{part="block_cache"}"#,
            1_048_576.0,
        ),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}

#[test]
fn a_partition_that_is_given_up_leaves_no_lag_behind() {
    let (mut metrics, exporter) = new(&Kinds::builtin());
    let lag = r#"appmi_input_lag_records{kind="logins",partition="7"}"#;
    let watermark = r#"appmi_input_watermark_timestamp_seconds{kind="logins",partition="7"}"#;
    assert!(!parse(&exporter.render()).contains_key(lag), "not seen yet");

    metrics.partition(partition(7)).set_position(90, Some(100));
    metrics
        .partition(partition(7))
        .set_watermark(Some(Timestamp::from_millis(1500)));
    let samples = parse(&exporter.render());
    assert_eq!((samples[lag], samples[watermark]), (10.0, 1.5));

    metrics.partition(partition(7)).give_up();
    let samples = parse(&exporter.render());
    assert_eq!(samples[lag], 0.0);
    assert!(samples[watermark].is_nan());
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_described_by_the_standard_names() {
    let (_metrics, exporter) = new(&Kinds::builtin());
    let samples = parse(&exporter.render());
    for name in [
        "process_cpu_seconds_total",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(samples.contains_key(name), "{name}");
    }
    assert!(samples["process_start_time_seconds"] > 1.7e9);
}
