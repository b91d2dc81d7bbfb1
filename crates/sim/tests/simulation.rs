//! Worlds of the standard seeds: they hold together, everything that can go wrong in them does, and a seed says
//! everything about its world.

use sim::{Fault, Keep, Limits, Setting, Stats};

/// The standard seeds begin at 0.
const SEEDS: u64 = 150;

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 33, 98] {
        let setting = Setting {
            keep: Keep::All,
            ..Setting::of(seed)
        };
        let (first, second) = (sim::run(&setting), sim::run(&setting));
        assert!(first.trace.len() > 200, "seed {seed}: something happens");
        assert!(first.trace == second.trace, "seed {seed}");
        assert_eq!(first.stats, second.stats, "seed {seed}");
        let bare = sim::run(&Setting::of(seed));
        assert_eq!(bare.stats, first.stats, "seed {seed}: nobody looks");
    }
}

#[test]
fn different_seeds_give_different_traces() {
    let trace = |seed| {
        let keep = Keep::All;
        sim::run(&Setting {
            keep,
            ..Setting::of(seed)
        })
        .trace
    };
    assert!(trace(2) != trace(3));
}

#[test]
fn standard_worlds_hold_together_and_everything_goes_wrong_in_them() {
    let mut stats = Stats::default();
    for seed in 0..SEEDS {
        let report = sim::run(&Setting::of(seed));
        let violation = report.violation.map(|found| found.to_string());
        assert_eq!(violation, None, "make sim SEED={seed}");
        stats.add(&report.stats);
    }
    println!("{stats}");
    for fault in Fault::ALL {
        assert!(
            stats.faults.contains_key(&fault),
            "{fault:?} never happened"
        );
    }
    for (what, times) in [
        ("crashes", stats.crashes),
        ("failures", stats.failures),
        ("rebalances", stats.rebalances),
        ("fenced", stats.fenced),
        ("checkpoints", stats.checkpoints),
        ("releases", stats.releases),
        ("revisions", stats.revisions),
        ("dead letters", stats.dead_letters),
        ("duplicates", stats.duplicates),
        ("events of sealed months", stats.sealed),
        ("floors", stats.floors),
        ("recounts", stats.recounts),
        ("discarded directories", stats.discarded),
    ] {
        assert!(times > 0, "no {what}");
    }
}

#[test]
fn limits_leave_faults_out() {
    let run = |limits| {
        let report = sim::run(&Setting {
            limits,
            ..Setting::of(5)
        });
        assert_eq!(report.violation, None);
        report.stats.faults
    };
    let faults = run(Limits::default());
    let all: u64 = faults.values().sum();
    assert!(all > 10, "{faults:?}");
    let few = run(Limits {
        faults_max: Some(10),
        ..Limits::default()
    });
    assert_eq!(few.values().sum::<u64>(), 10);
    let none = run(Limits {
        without: Fault::ALL.into(),
        ..Limits::default()
    });
    assert!(none.is_empty());
}
