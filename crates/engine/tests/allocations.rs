//! Counting allocates nothing per event: memory is that of the window, and of the cells until the next checkpoint.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

use std::time::Duration;

use engine::Options;
use engine::aggregate::{Aggregate, Counter};
use engine::delta::Delta;
use engine::ports::Record;
use engine::window::Window;
use model::{Calendar, Geography, InputPartition, KindId, Kinds, Offset, Timestamp};
use wire::events::{Draft, encode_protobuf};

fn options() -> Options {
    Options {
        group_id: "appmi".into(),
        kinds: Kinds::builtin(),
        geography: Geography::builtin(),
        calendar: Calendar::new("Europe/London").unwrap(),
        hash_key: sketch::HashKey::derive(&[7; 32]).unwrap(),
        precision: sketch::Precision::new(14).unwrap(),
        first_month: "2025-03".parse().unwrap(),
        grace: Duration::from_hours(72),
        idle_timeout: Duration::from_mins(5),
        max_skew: Duration::from_mins(15),
        retention_months: 15,
        revision_interval: Duration::from_hours(24),
        deduplication_window: Duration::from_hours(1),
        deduplication_events_max: 8192,
        encoding: wire::events::Encoding::Protobuf,
        payload_bytes_max: 65_536,
        include_payload: false,
        checkpoint_interval: Duration::from_secs(30),
        release_format: wire::releases::Format::Protobuf,
    }
}

const BOARDS: [&str; 4] = ["QHM", "QM7", "QE1", " qf7 "];

/// So many logins, numbered from `first`, a second apart.
fn payloads(options: &Options, first: usize, count: usize) -> Vec<Vec<u8>> {
    let kind = options.kinds.get(KindId(0));
    (first..first + count)
        .map(|number| {
            let millis = 1_741_600_000_000 + i64::try_from(number).unwrap() * 1000;
            let draft = Draft {
                event_id: &format!("event-{number}"),
                account_id: &format!("account-{}", number % 3000),
                occurred_at: Timestamp::from_millis(millis),
                gp_practice_code: "A81001",
                icb_code: BOARDS[number % BOARDS.len()],
                session_id: &format!("session-{number}"),
            };
            encode_protobuf(&draft, kind)
        })
        .collect()
}

fn records(payloads: &[Vec<u8>]) -> Vec<Record<'_>> {
    (0..)
        .zip(payloads)
        .map(|(offset, payload)| Record {
            offset: Offset(offset),
            timestamp: Some(Timestamp::from_millis(1_741_700_000_000)),
            content_type: Some(b"application/x-protobuf"),
            payload,
        })
        .collect()
}

#[test]
fn counting_allocates_nothing_once_its_memory_is_there() {
    let options = options();
    let kind = KindId(0);
    let mut aggregate = Aggregate {
        partition: InputPartition { kind, partition: 0 },
        position: Offset(0),
        latest: None,
        floor: options.first_month,
        window: Window::new(
            options.deduplication_window,
            options.deduplication_events_max,
        ),
        delta: Delta::new(
            options.precision,
            true,
            options.geography.lineages(),
            options.first_month,
        ),
        dead_letters: Vec::new(),
    };
    let mut counter = Counter::default();
    let now = Timestamp::from_millis(1_741_700_000_000);
    let sealed_before = options.first_month;
    let first = payloads(&options, 0, 20_000);
    let warm = counter.count(
        &options,
        &mut aggregate,
        &records(&first),
        now,
        sealed_before,
    );
    assert_eq!(warm.counted, 20_000);

    let second = payloads(&options, 19_900, 10_000);
    let run = records(&second);
    let mut tally = engine::Tally::default();
    let allocated = allocation_counter::measure(|| {
        tally = counter.count(&options, &mut aggregate, &run, now, sealed_before);
    });
    assert_eq!((tally.counted, tally.duplicates), (9_900, 100));
    // Over generations of the window too: the one that begins takes the memory of the one that is forgotten.
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}
