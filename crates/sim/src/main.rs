//! `appmi-sim`: runs simulated worlds and says what happened in them.
#![expect(clippy::print_stdout, reason = "a program tells people")]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use sim::{Keep, Setting, Stats, Variant};

/// Lines of the trace that are shown of a world that fails.
const LINES: usize = 120;
/// Worlds in which a variant must be found.
const VARIANT_SEEDS: u64 = 400;

/// Simulates deployments, one seed a world.
#[derive(Parser)]
struct Arguments {
    /// Run the world of this seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// How many worlds to run
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run as many worlds as fit in so many seconds instead
    #[arg(long)]
    seconds: Option<u64>,
    /// Show everything that happens
    #[arg(long)]
    trace: bool,
    /// Do things wrong, one at a time, and show which invariant finds it in which world
    #[arg(long)]
    variants: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.variants {
        return show_variants();
    }
    let (from, seeds) = match arguments.seed {
        Some(seed) => (seed, 1),
        None => (arguments.from, arguments.seeds),
    };
    if arguments.trace {
        return show_trace(from);
    }
    let until = arguments
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let began = Instant::now();
    let (stats, failed) = run_all(from, seeds, until);
    println!("{stats}");
    println!(
        "in {:.1} s, from seed {from} on",
        began.elapsed().as_secs_f64()
    );
    let Some(seed) = failed.first() else {
        return ExitCode::SUCCESS;
    };
    println!("\n{} worlds FAILED: {failed:?}", failed.len());
    show_failure(*seed);
    ExitCode::FAILURE
}

/// Runs worlds on all cores; what happened, and the seeds of those that failed.
fn run_all(from: u64, seeds: u64, until: Option<Instant>) -> (Stats, BTreeSet<u64>) {
    let next = AtomicU64::new(from);
    let has_failed = AtomicBool::new(false);
    let total = Mutex::new((Stats::default(), BTreeSet::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_done = match until {
                        Some(until) => {
                            Instant::now() >= until || has_failed.load(Ordering::Relaxed)
                        }
                        None => seed >= from.saturating_add(seeds),
                    };
                    if is_done {
                        return;
                    }
                    let report = sim::run(&Setting::of(seed));
                    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                    total.0.add(&report.stats);
                    if report.violation.is_some() {
                        has_failed.store(true, Ordering::Relaxed);
                        total.1.insert(seed);
                    }
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn show_trace(seed: u64) -> ExitCode {
    let report = sim::run(&Setting {
        keep: Keep::All,
        ..Setting::of(seed)
    });
    for line in &report.trace {
        println!("{line}");
    }
    println!("{}", report.stats);
    match report.violation {
        Some(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn show_failure(seed: u64) {
    let shrunk = sim::shrink(&Setting::of(seed), LINES);
    let limits = &shrunk.setting.limits;
    println!(
        "\nthe end of world {seed}, with at most {:?} faults and none of {:?}:",
        limits.faults_max, limits.without
    );
    for line in &shrunk.report.trace {
        println!("{line}");
    }
    if let Some(violation) = &shrunk.report.violation {
        println!("\n{violation}");
    }
    println!(
        "\nagain, whole: make sim SEED={seed}\nor:           cargo run -p sim -- --seed {seed} --trace"
    );
}

fn show_variants() -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    println!("{:<38} {:>5}  invariant", "variant", "seed");
    for variant in Variant::ALL.iter().copied() {
        match sim::find(variant, VARIANT_SEEDS) {
            Some((seed, violation)) => {
                println!(
                    "{:<38} {seed:>5}  {}",
                    format!("{variant:?}"),
                    violation.invariant
                );
            }
            None => {
                println!(
                    "{:<38} NOT FOUND in {VARIANT_SEEDS} worlds",
                    format!("{variant:?}")
                );
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
