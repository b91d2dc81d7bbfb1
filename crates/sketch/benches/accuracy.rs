//! How far estimates are from the truth, as a table: for every precision and number of distinct
//! hashes the mean error (bias), the root mean square error, and how often the truth lies within the
//! 95 % interval, beside the error that is stated, `1.04 / sqrt(2^p)`.
//!
//! ```text
//! cargo bench -p sketch --profile dev --bench accuracy [-- SCALE [STEPS]]
//! ```
//!
//! `SCALE` multiplies the number of seeds (1, the default, takes two to three minutes), `STEPS` is the number of sizes in
//! a factor of ten (1: 10, 100, ..). Without `cargo bench`, as `cargo test --benches` runs it, one seed
//! of each must do.
//!
//! The hashes are outputs of splitmix64, a bijection of a counter, so that they are distinct and as
//! good as uniform; what is measured is the sketch and not the keyed hash. A seed is one stream, looked
//! at whenever it has reached a size, with registers of the highest precision from which those of the
//! others are folded: the sizes and precisions of a seed are not independent, the seeds are.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a report; all numbers are far below 2^52"
)]

use sketch::{Precision, Registers, estimate_registers};

/// The lowest precision of the report. The highest is that of the crate.
const P_MIN: u8 = 12;
/// Sizes up to this one are cheap and get more seeds than those above.
const SMALL_MAX: usize = 1_000_000;
const SEEDS_SMALL: f64 = 4_000.0;
const SIZE_MAX: usize = 10_000_000;
const SEEDS_LARGE: f64 = 1_500.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |position: usize| {
        let numbers = arguments.iter().filter_map(|text| text.parse::<f64>().ok());
        numbers.into_iter().nth(position)
    };
    let asked_for = arguments.iter().any(|argument| argument == "--bench");
    let scale = number(0).unwrap_or(if asked_for { 1.0 } else { 0.0 });
    let sizes = sizes(number(1).unwrap_or(1.0).max(1.0) as u32);

    check_fold();
    let mut report = Report::new(sizes);
    for seed in 0..(SEEDS_SMALL * scale).max(1.0) as u64 {
        let large = seed < (SEEDS_LARGE * scale).max(1.0) as u64;
        report.add_stream(seed, if large { SIZE_MAX } else { SMALL_MAX });
    }
    report.print();
}

/// `steps` sizes in every factor of ten, evenly apart, from 10 to [`SIZE_MAX`].
fn sizes(steps: u32) -> Vec<usize> {
    let decades = SIZE_MAX.ilog10() - 1;
    (0..=decades * steps)
        .map(|step| 10_f64.powf(1.0 + f64::from(step) / f64::from(steps)))
        .map(|size| size.round() as usize)
        .collect()
}

/// The errors seen so far: a row per precision, in it a cell per size.
struct Report {
    sizes: Vec<usize>,
    rows: Vec<(Precision, Vec<Errors>)>,
}

/// Sums over relative errors, `estimate / n - 1`.
#[derive(Clone, Copy, Default)]
struct Errors {
    count: f64,
    sum: f64,
    sum_of_squares: f64,
    /// How often `n` was within the 95 % interval.
    within: f64,
}

impl Report {
    fn new(sizes: Vec<usize>) -> Self {
        let rows = (P_MIN..=Precision::MAX.get())
            .filter_map(Precision::new)
            .map(|precision| (precision, vec![Errors::default(); sizes.len()]))
            .collect();
        Self { sizes, rows }
    }

    /// Counts one stream of hashes and notes its errors at every size up to `size_max`.
    fn add_stream(&mut self, seed: u64, size_max: usize) {
        let mut hashes = SplitMix64::of_seed(seed);
        let mut sketch = Registers::new(Precision::MAX);
        let mut inserted = 0;
        for (column, size) in self.sizes.iter().enumerate() {
            if *size > size_max {
                break;
            }
            for _ in inserted..*size {
                sketch.insert(hashes.next());
            }
            inserted = *size;
            let mut registers = sketch.as_slice().to_vec();
            for (precision, row) in self.rows.iter_mut().rev() {
                registers = fold_to(*precision, registers);
                row[column].add(*precision, &registers, *size);
            }
        }
    }

    fn print(&self) {
        println!("  p          n  seeds  mean error  rms error    stated  rms/stated  within 95 %");
        for (precision, row) in &self.rows {
            for (size, errors) in self.sizes.iter().zip(row) {
                errors.print(*precision, *size);
            }
            println!();
        }
    }
}

impl Errors {
    fn add(&mut self, precision: Precision, registers: &[u8], size: usize) {
        let estimate = estimate_registers(precision, registers);
        let truth = size as f64;
        let error = estimate.value / truth - 1.0;
        let within = (estimate.lower_95()..=estimate.upper_95()).contains(&truth);
        self.count += 1.0;
        self.sum += error;
        self.sum_of_squares += error * error;
        self.within += f64::from(u8::from(within));
    }

    fn print(&self, precision: Precision, size: usize) {
        let stated = precision.relative_standard_error();
        let rms = (self.sum_of_squares / self.count).sqrt();
        println!(
            " {:>2} {size:>10} {:>6} {:>+10.4}% {:>9.4}% {:>8.4}% {:>11.3} {:>11.1}%",
            precision.get(),
            self.count,
            100.0 * self.sum / self.count,
            100.0 * rms,
            100.0 * stated,
            rms / stated,
            100.0 * self.within / self.count,
        );
    }
}

/// Halves the number of registers until they are those that the same hashes give at `precision`.
///
/// The last bit of an index becomes the first bit behind it: where it was one, the rank is 1, where
/// it was zero and anything was counted, one more than before.
fn fold_to(precision: Precision, mut registers: Vec<u8>) -> Vec<u8> {
    while registers.len() > precision.registers() {
        let fold = |pair: &[u8]| match pair {
            [0, 0] => 0,
            [0, _] => 1,
            [zero, _] => zero + 1,
            _ => unreachable!("registers come in pairs"),
        };
        registers = registers.chunks_exact(2).map(fold).collect();
    }
    registers
}

/// Folded registers are those of a sketch of that precision, or the report would be of something else.
fn check_fold() {
    for precision in (P_MIN..=Precision::MAX.get()).filter_map(Precision::new) {
        let mut fine = Registers::new(Precision::MAX);
        let mut coarse = Registers::new(precision);
        let mut hashes = SplitMix64::of_seed(0);
        for _ in 0..100_000 {
            let hash = hashes.next();
            fine.insert(hash);
            coarse.insert(hash);
        }
        assert_eq!(
            fold_to(precision, fine.as_slice().to_vec()),
            coarse.as_slice()
        );
    }
}

/// Steele, Lea, Flood: *Fast splittable pseudorandom number generators* (2014).
struct SplitMix64(u64);

impl SplitMix64 {
    /// A stream far from those of other seeds: it starts at an output, not at the seed itself.
    fn of_seed(seed: u64) -> Self {
        Self(Self(seed << 32).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
