//! The whole engine on a cluster in memory, against the exact oracle.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use memlog::{Cluster, MemStore};
use model::Timestamp;
use workload::oracle::Verdict;
use workload::{Oracle, Profile, Workload};
use world::{Process, append, compare, counts, month, options, releases, settle, workload};

fn oracle(workload: &workload::Options) -> Oracle {
    let practices = workload.practices.text();
    Oracle::new(&workload::oracle::Options::new(
        workload.first_month,
        practices,
        &workload.kinds,
    ))
    .unwrap()
}

fn at(text: &str) -> Timestamp {
    let seconds = text.parse::<i64>().unwrap();
    Timestamp::from_millis(seconds * 1000)
}

#[test]
fn three_months_are_released_as_the_oracle_counts_them() {
    let workload = workload(3, 5_000, 1);
    let options = options(workload.practices.text(), "2025-03");
    let cluster = Cluster::new(&counts(&workload), 2, 2);
    let mut process = Process::start(&cluster, "a", &options, &MemStore::default()).unwrap();
    let mut oracle = oracle(&workload);
    let mut dead_letters = 0;
    for (index, item) in Workload::new(Profile::published(), &workload).enumerate() {
        if let Verdict::DeadLetter(_) = oracle.observe(&item) {
            dead_letters += 1;
        }
        append(&cluster, &item);
        if index % 500 == 0 {
            process.turns(8);
        }
    }
    settle(
        &cluster,
        std::slice::from_mut(&mut process),
        at("1749200000"),
    );
    let released = releases(&cluster);
    let (mut estimates, mut inside) = (0, 0);
    for text in ["2025-03", "2025-04", "2025-05"] {
        let comparison = compare(&released, &oracle, month(text));
        estimates += comparison.estimates;
        inside += comparison.inside;
        let records = released
            .keys()
            .filter(|(month, _, _)| month == text)
            .count();
        assert_eq!(records, 52, "{text}");
    }
    assert!(
        inside * 100 >= estimates * 95,
        "{inside} of {estimates} inside their interval"
    );
    assert_eq!(cluster.dead_letters().len(), dead_letters);
    assert!(dead_letters > 0 && oracle.duplicates() > 0);
}

#[test]
fn state_does_not_depend_on_restarts_or_on_where_checkpoints_fell() {
    let workload = workload(1, 20_000, 2);
    let mut options = options(workload.practices.text(), "2025-03");
    let items: Vec<_> = Workload::new(Profile::published(), &workload).collect();
    let mut states = Vec::new();
    for restart_every in [usize::MAX, 997, 313] {
        options.checkpoint_interval = Duration::from_secs(restart_every.min(5_000) as u64);
        let cluster = Cluster::new(&counts(&workload), 2, 2);
        let kept = MemStore::default();
        let mut process = Process::start(&cluster, "a", &options, &kept).unwrap();
        for (index, item) in items.iter().enumerate() {
            append(&cluster, item);
            if index % 50 == 0 {
                process.turns(5);
            }
            if index % restart_every == restart_every - 1 {
                drop(process);
                // Every second time the disk is lost as well.
                let store = if index % 2 == 0 {
                    kept.clone()
                } else {
                    MemStore::default()
                };
                process = Process::start(&cluster, "a", &options, &store).unwrap();
            }
        }
        settle(&cluster, std::slice::from_mut(&mut process), cluster.now());
        let fresh = MemStore::default();
        let mut reader = Process::start(&cluster, "b", &options, &fresh).unwrap();
        reader.turns(3);
        let mut cells = fresh.contents();
        cells.retain(|key, _| {
            [b"count/".as_slice(), b"page/", b"union/"]
                .iter()
                .any(|table| key.starts_with(table))
        });
        assert!(cells.len() > 1000);
        states.push((restart_every, cells));
    }
    for (restart_every, cells) in &states[1..] {
        assert_eq!(
            cells.len(),
            states[0].1.len(),
            "restarts every {restart_every}"
        );
        assert!(*cells == states[0].1, "restarts every {restart_every}");
    }
}
