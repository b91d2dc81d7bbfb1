//! The benchmarks that need a store, the same for each.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use engine::checkpoint::Checkpoint;
use engine::ports::Store;
use model::KindId;

use crate::National;
use crate::settings::{PARTITIONS, first_month};
use crate::view::MONTH_ACCOUNTS;

/// New accounts per lineage that change every page of it.
const ACCOUNTS_OF_ALL_PAGES: u64 = 2000;

/// Preparing and applying, over the cells of a month of logins: what 30 seconds changed, as in daily
/// operation, and every page of a partition, as after a standstill.
pub fn checkpoints<S: Store>(criterion: &mut Criterion, suffix: &str, national: &mut National<S>) {
    national.fill_month(PARTITIONS, MONTH_ACCOUNTS);
    let mut group = criterion.benchmark_group("checkpoint");
    for (name, is_first_timed) in [("prepare", true), ("apply", false)] {
        group.bench_function(format!("{name} 30 s of logins, {suffix}"), |bencher| {
            bencher.iter_custom(|iterations| {
                sum(iterations, || {
                    let aggregates = national.changes_of_30_seconds();
                    let (prepared, checkpoints) = timed(|| -> Vec<Checkpoint> {
                        aggregates.iter().map(|a| national.prepare(a)).collect()
                    });
                    let (applied, ()) = timed(|| national.apply(&checkpoints));
                    if is_first_timed { prepared } else { applied }
                })
            });
        });
    }
    let mut partition = 0;
    for (name, is_first_timed) in [("prepare", true), ("apply", false)] {
        group.bench_function(format!("{name} all of a partition, {suffix}"), |bencher| {
            bencher.iter_custom(|iterations| {
                sum(iterations, || {
                    partition = (partition + 1) % PARTITIONS;
                    let month = first_month();
                    let aggregate =
                        national.changes(KindId(0), partition, month, ACCOUNTS_OF_ALL_PAGES);
                    let (prepared, checkpoint) = timed(|| national.prepare(&aggregate));
                    let (applied, ()) = timed(|| national.apply(&[checkpoint]));
                    if is_first_timed { prepared } else { applied }
                })
            });
        });
    }
    group.finish();
}

/// Deciding what a month's release says, when its window has twelve months of both kinds with users.
pub fn releases<S: Store>(criterion: &mut Criterion, suffix: &str, national: &mut National<S>) {
    national.fill_year();
    let month = first_month().plus(11);
    let mut group = criterion.benchmark_group("release");
    group.sample_size(10);
    group.bench_function(format!("all records of a month, {suffix}"), |bencher| {
        bencher.iter(|| national.release(month));
    });
    group.finish();
}

fn timed<T>(step: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = black_box(step());
    (start.elapsed(), result)
}

fn sum(iterations: u64, mut one: impl FnMut() -> Duration) -> Duration {
    (0..iterations).map(|_| one()).sum()
}
