//! From a world that fails to the few faults that it takes.

use crate::faults::{Fault, Limits};
use crate::trace::Keep;
use crate::world::{Report, Setting, run};

/// A world that fails with as few faults as were found to do.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// How it is run.
    pub setting: Setting,
    /// How it goes, with the last lines of its trace.
    pub report: Report,
}

/// Leaves out faults of a world that fails for as long as it fails with the same invariant.
///
/// # Panics
/// If it does not fail.
#[must_use]
pub fn shrink(setting: &Setting, lines: usize) -> Shrunk {
    let quiet = |limits: &Limits| Setting {
        limits: limits.clone(),
        keep: Keep::Nothing,
        ..setting.clone()
    };
    let first = run(&quiet(&setting.limits));
    let invariant = first.violation.expect("it fails").invariant;
    let fails = |limits: &Limits| {
        let report = run(&quiet(limits));
        report
            .violation
            .is_some_and(|found| found.invariant == invariant)
    };
    let mut limits = setting.limits.clone();
    for fault in Fault::ALL {
        let mut fewer = limits.clone();
        if fewer.without.insert(fault) && fails(&fewer) {
            limits = fewer;
        }
    }
    let all: u64 = run(&quiet(&limits)).stats.faults.values().sum();
    let (mut low, mut high) = (0, all);
    while low < high {
        let middle = low + (high - low) / 2;
        let fewer = Limits {
            faults_max: Some(middle),
            ..limits.clone()
        };
        if fails(&fewer) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let fewest = Limits {
        faults_max: Some(high),
        ..limits.clone()
    };
    if fails(&fewest) {
        limits = fewest;
    }
    let setting = Setting {
        keep: Keep::Last(lines),
        ..quiet(&limits)
    };
    let report = run(&setting);
    Shrunk { setting, report }
}
