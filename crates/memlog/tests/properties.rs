//! A cell's bytes are a function of the log alone: not of batches, checkpoints, restarts or the order in
//! which partitions were read.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use memlog::MemStore;
use proptest::prelude::*;
use world::Site;
use world::events::{Event, event};

/// One event of a log: topic, partition, minutes since the last one, account, board, identity.
type Step = (u8, u32, i64, u64, usize, Option<u8>);

const BOARDS: [&str; 5] = ["QHM", "QM7", "QE1", "", "XXX"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0..3_u8,
        0..2_u32,
        // Now and then back in time, so that late events and duplicates after a generation come too.
        prop_oneof![9 => 0..900_i64, 1 => -50_000..0_i64],
        0..400_u64,
        0..BOARDS.len(),
        proptest::option::of(0..40_u8),
    );
    prop::collection::vec(step, 1..300)
}

/// How a log is read.
#[derive(Debug, Clone)]
struct Reading {
    run_records_max: usize,
    /// Turns after each record.
    turns: usize,
    checkpoint_seconds: u64,
    /// Restart after so many records, on the same disk or an empty one.
    restart_every: usize,
    keeps_disk: bool,
    instances: usize,
}

fn reading() -> impl Strategy<Value = Reading> {
    (
        1..50_usize,
        0..4_usize,
        0..5_000_u64,
        1..200_usize,
        any::<bool>(),
        1..4_usize,
    )
        .prop_map(
            |(run_records_max, turns, checkpoint_seconds, restart_every, keeps_disk, instances)| {
                Reading {
                    run_records_max,
                    turns,
                    checkpoint_seconds,
                    restart_every,
                    keeps_disk,
                    instances,
                }
            },
        )
}

fn events(steps: &[Step]) -> Vec<Event> {
    let start = world::at("2025-03-10").as_millis();
    let mut clock = start;
    let mut events = Vec::new();
    for (kind, partition, minutes, account, board, identity) in steps {
        let occurred_at = (clock + minutes * 60_000).max(start);
        clock = clock.max(occurred_at);
        let text = |millis| model::Timestamp::from_millis(millis).to_string();
        let mut event = event(*kind, &text(occurred_at), *account)
            .arriving(&text(clock))
            .partition(*partition)
            .icb(BOARDS[*board]);
        if let Some(id) = identity {
            event = event.id(&id.to_string());
        }
        events.push(event);
    }
    events
}

/// What is kept of a log, once it has been read that way.
fn state(events: &[Event], reading: &Reading) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut options = world::site::small_options("2025-03");
    options.precision = sketch::Precision::new(8).unwrap();
    options.checkpoint_interval = Duration::from_secs(reading.checkpoint_seconds);
    options.deduplication_events_max = 16;
    let mut site = Site::with(options, &[2, 2, 2]);
    let begin = |site: &mut Site| {
        while site.processes.len() < reading.instances {
            site.start();
        }
        for process in &mut site.processes {
            process.source.set_run_records_max(reading.run_records_max);
        }
    };
    begin(&mut site);
    for (number, event) in events.iter().enumerate() {
        site.send(event);
        site.turns(reading.turns);
        if (number + 1) % reading.restart_every == 0 {
            site.restart(reading.keeps_disk);
            begin(&mut site);
        }
    }
    for _ in 0..3_000 {
        if site.cluster.lag() == 0 {
            break;
        }
        site.turns(1);
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_secs(10)));
    }
    assert_eq!(site.cluster.lag(), 0);
    let fresh = MemStore::default();
    let mut reader = site.try_start(&site.options.clone(), &fresh).unwrap();
    reader.turns(5);
    let mut contents = fresh.contents();
    contents.retain(|key, _| {
        [&b"count/"[..], b"page/", b"union/"]
            .iter()
            .any(|table| key.starts_with(table))
    });
    // Of progress and window what is not a number of a checkpoint.
    let view = reader.instance.view();
    for (partition, stated) in view.all_stated() {
        let progress = &stated.progress;
        let mut kept = Vec::new();
        for number in [progress.position, progress.latest_occurred_at.unwrap_or(-1)] {
            kept.extend(number.to_be_bytes());
        }
        let window = progress.window.unwrap();
        for number in [
            window.generation,
            u64::from(window.current),
            u64::from(window.previous),
        ] {
            kept.extend(number.to_be_bytes());
        }
        let (previous, current) = view.window(&fresh, partition).unwrap();
        for identity in previous.into_iter().chain(current) {
            kept.extend(identity.to_be_bytes());
        }
        contents.insert(format!("{partition:?}").into_bytes(), kept);
    }
    contents
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn state_is_a_function_of_the_log(steps in steps(), one in reading(), other in reading()) {
        let events = events(&steps);
        let (one, other) = (state(&events, &one), state(&events, &other));
        prop_assert!(!one.is_empty());
        for key in one.keys().chain(other.keys()) {
            prop_assert_eq!(one.get(key), other.get(key), "{}", String::from_utf8_lossy(key));
        }
    }
}
