//! What the engine says becomes metrics and log lines.

use engine::{Lowest, Standing, WaitsFor};
use model::{KindId, Offset};

use super::*;
use crate::cli::LogFormat;
use crate::logging::testing::logged;
use crate::metrics::{self, Exporter};

fn host() -> (ProcessHost, Exporter) {
    let kinds = Kinds::builtin();
    let (metrics, exporter) = metrics::new(&kinds);
    let health = Arc::new(Health::new(Instant::now()));
    let stop = StopRequest::default();
    (
        ProcessHost::new(wall_clock(), stop, kinds, metrics, health),
        exporter,
    )
}

fn sample(exporter: &Exporter, series: &str) -> f64 {
    let text = exporter.render();
    let line = text
        .lines()
        .find(|line| line.rsplit_once(' ').is_some_and(|(of, _)| of == series));
    let (_, value) = line.and_then(|line| line.rsplit_once(' ')).unwrap();
    value.parse().unwrap()
}

fn partition(partition: u32) -> InputPartition {
    let kind = KindId(1);
    InputPartition { kind, partition }
}

fn standing(lowest: Option<Lowest>) -> Standing<'static> {
    Standing {
        partition_counts: &[12, 6, 3],
        recount_records_left: 0,
        closed_until: Timestamp::from_millis(1_740_787_200_000),
        lowest,
    }
}

fn turned(leader: bool) -> Occurrence<'static> {
    Occurrence::Turned {
        view_ready: true,
        joined: true,
        assigned: 7,
        owned: 5,
        leader,
    }
}

#[test]
fn a_checkpoint_within_a_release_does_not_shorten_it() {
    let (mut host, exporter) = host();
    host.observe(&Occurrence::ReleaseBegins);
    let (began, least) = (Instant::now(), Duration::from_millis(20));
    while began.elapsed() < least {
        std::hint::spin_loop();
    }
    host.observe(&Occurrence::CheckpointBegins {
        partitions: 1,
        records: 1,
        bytes: 1,
    });
    host.observe(&Occurrence::CheckpointCommitted { events: 1 });
    host.observe(&Occurrence::MonthReleased {
        month: "2025-03".parse().unwrap(),
        revision: 0,
        reason: "close",
        records: 52,
    });
    let release = sample(&exporter, "appmi_release_duration_seconds_sum");
    assert!(release >= least.as_secs_f64(), "{release}");
    let checkpoint = sample(&exporter, "appmi_checkpoint_duration_seconds_sum");
    assert!(checkpoint < release, "{checkpoint} {release}");
}

#[test]
fn how_things_stand_is_in_the_metrics() {
    let (mut host, exporter) = host();
    let lowest = Lowest {
        partition: partition(4),
        watermark: Some(Timestamp::from_millis(1_741_000_000_000)),
        holds_open: None,
        is_counted_here: true,
    };
    let low = "appmi_low_watermark_timestamp_seconds";
    assert!(sample(&exporter, low).is_nan());
    assert!(sample(&exporter, "appmi_input_partitions{kind=\"logins\"}").is_nan());
    host.observe(&turned(true));
    host.observe(&Occurrence::Standing(standing(Some(lowest))));
    for (series, value) in [
        (low, 1_741_000_000.0),
        ("appmi_closed_until_timestamp_seconds", 1_740_787_200.0),
        ("appmi_input_partitions{kind=\"logins\"}", 12.0),
        ("appmi_input_partitions{kind=\"prescription_orders\"}", 6.0),
        ("appmi_partitions_assigned", 7.0),
        ("appmi_partitions_owned", 5.0),
        ("appmi_recount_records_left", 0.0),
    ] {
        assert_eq!(sample(&exporter, series), value, "{series}");
    }
    host.observe(&turned(false));
    assert!(sample(&exporter, low).is_nan(), "it leads no longer");
}

#[test]
fn a_recount_has_a_beginning_and_an_end_in_the_log() {
    let (mut host, exporter) = host();
    let log = logged(LogFormat::Text, "info", || {
        for records_left in [0, 900, 400] {
            host.observe(&Occurrence::Standing(Standing {
                recount_records_left: records_left,
                ..standing(None)
            }));
        }
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.contains("counted anew; nothing is released") && log.contains("900"),
        "{log}"
    );
    assert_eq!(sample(&exporter, "appmi_recount_records_left"), 400.0);
    let log = logged(LogFormat::Text, "info", || {
        for _ in 0..2 {
            host.observe(&Occurrence::Standing(standing(None)));
        }
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("releases go on"), "{log}");
    assert_eq!(sample(&exporter, "appmi_recount_records_left"), 0.0);
}

#[test]
fn what_holds_a_month_open_is_named_with_its_watermark() {
    for (watermark, says) in [
        (None, "it has no watermark"),
        (
            Some(Timestamp::from_millis(1_743_465_600_000)),
            "2025-04-01T00:00:00.000Z",
        ),
    ] {
        let (mut host, _exporter) = host();
        let lowest = Lowest {
            partition: partition(4),
            watermark,
            holds_open: Some("2025-03".parse().unwrap()),
            is_counted_here: false,
        };
        let log = logged(LogFormat::Text, "info", || {
            for _ in 0..3 {
                host.observe(&Occurrence::Standing(standing(Some(lowest))));
            }
        });
        assert_eq!(log.lines().count(), 1, "{log}");
        for word in [
            "nhsapp.prescription-orders/4",
            "2025-03",
            "counted_here=false",
            says,
        ] {
            assert!(log.contains(word), "{word}: {log}");
        }
    }
}

#[test]
fn a_partition_that_waits_for_long_says_for_what() {
    let (mut host, _exporter) = host();
    let offset = |offset| Some(Offset(offset));
    for (waits_for, says) in [
        (WaitsFor::Settings, "the settings in force"),
        (WaitsFor::GroupOffset, "pending in an open transaction"),
        (WaitsFor::View { records_left: 17 }, "17 records"),
        (
            WaitsFor::Confirmation {
                committed: offset(8),
                position: None,
            },
            "is 8, the partials topic says nothing",
        ),
        (WaitsFor::Bounds, "the bounds of its log"),
    ] {
        let log = logged(LogFormat::Text, "warn", || {
            host.observe(&Occurrence::WaitingLong {
                partition: partition(2),
                waited: Duration::from_secs(75),
                waits_for,
            });
        });
        for word in ["nhsapp.prescription-orders/2", "waited_seconds=75", says] {
            assert!(log.contains(word), "{word}: {log}");
        }
    }
}

#[test]
fn codes_that_the_reference_data_lacks_are_in_the_log() {
    let (mut host, _exporter) = host();
    let sample = &engine::unknown::Sample {
        events: 12,
        codes: vec![("A99999".into(), 8), ("QXX".into(), 1)],
        without_code: 2,
        malformed: 1,
    };
    let log = logged(LogFormat::Text, "info", || {
        host.observe(&Occurrence::UnknownGeography(sample));
    });
    for word in [
        "events=12",
        "A99999 (8), QXX (1)",
        "without_code=2",
        "malformed=1",
    ] {
        assert!(log.contains(word), "{word}: {log}");
    }
}
