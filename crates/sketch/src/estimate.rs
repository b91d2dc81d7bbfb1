//! From registers to a number of distinct hashes, with its error.

mod dense;

use crate::Precision;

/// Standard errors to either side of an estimate within which 95 % of a normal distribution lie.
const Z_95: f64 = 1.96;

/// How many distinct hashes a sketch was made from, about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimate, at least 0; exactly 0 for an empty sketch.
    pub value: f64,
    /// The standard error of the estimate relative to its value. It is the asymptotic one,
    /// `1.04 / sqrt(2^p)`; below about `2^p` distinct hashes the real error is smaller.
    pub relative_standard_error: f64,
}

impl Estimate {
    /// The lower end of the 95 % interval, at least 0.
    #[must_use]
    pub fn lower_95(&self) -> f64 {
        self.value * (1.0 - Z_95 * self.relative_standard_error)
    }

    /// The upper end of the 95 % interval.
    #[must_use]
    pub fn upper_95(&self) -> f64 {
        self.value * (1.0 + Z_95 * self.relative_standard_error)
    }
}

/// The HyperLogLog++ estimate of registers, as the crate `hyperloglogplus` makes it of its dense
/// form: linear counting below a threshold, above it the raw estimate less its empirical bias.
///
/// Source: Heule, Nunkesser, Hall: *HyperLogLog in practice* (2013).
///
/// The table of biases published with that paper lies up to 0.1 % below the expectation of the raw
/// estimate, so that from the threshold (50,000 at `p = 16`) up to `5 * 2^p` estimates are 0.1 % too
/// high in the mean: a quarter of the stated error at `p = 16`, half of it at 18. With that, the
/// error stays within the stated one; `benches/accuracy.rs` shows both.
///
/// # Panics
/// If these are not the registers of a sketch of this precision.
#[must_use]
pub fn estimate_registers(precision: Precision, registers: &[u8]) -> Estimate {
    assert_eq!(
        registers.len(),
        precision.registers(),
        "a sketch has all registers of its precision"
    );
    let highest = registers.iter().copied().fold(0, u8::max);
    assert!(
        highest <= precision.rank_max(),
        "registers hold ranks up to {}",
        precision.rank_max()
    );
    Estimate {
        value: dense::count(precision, registers),
        relative_standard_error: precision.relative_standard_error(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registers;
    use crate::testing::{sketch_of, uniform_hashes};

    #[test]
    fn nothing_is_estimated_as_zero() {
        for p in 4..=18 {
            let estimate = Registers::new(Precision::new(p).unwrap()).estimate();
            assert!(estimate.value.total_cmp(&0.0).is_eq(), "{estimate:?}");
            assert!(estimate.lower_95().total_cmp(&0.0).is_eq());
            assert!(estimate.upper_95().total_cmp(&0.0).is_eq());
        }
    }

    #[test]
    fn the_interval_is_the_value_and_nearly_two_standard_errors_to_either_side() {
        let estimate = Estimate {
            value: 1_000.0,
            relative_standard_error: 0.01,
        };
        assert!((estimate.lower_95() - 980.4).abs() < 1e-9);
        assert!((estimate.upper_95() - 1_019.6).abs() < 1e-9);
    }

    #[test]
    fn even_the_coarsest_interval_does_not_reach_below_zero() {
        let estimate = sketch_of(Precision::MIN, &[1]).estimate();
        assert!(estimate.lower_95() > 0.0);
    }

    /// |estimate - n| <= 4 standard errors, at sizes on both sides of every change of method.
    #[test]
    fn estimates_are_near_the_truth() {
        for p in 10..=18 {
            let precision = Precision::new(p).unwrap();
            for n in [10, 1_000, 100_000, 300_000, 1_000_000] {
                let hashes: Vec<u64> = uniform_hashes(u64::from(p), n).collect();
                let estimate = sketch_of(precision, &hashes).estimate();
                #[expect(clippy::cast_precision_loss, reason = "at most a million")]
                let error = estimate.value / n as f64 - 1.0;
                assert!(
                    error.abs() < 4.0 * estimate.relative_standard_error,
                    "p = {p}, n = {n}: {error}"
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "all registers of its precision")]
    fn a_page_is_no_sketch() {
        let _ = estimate_registers(Precision::MAX, &[0; 4096]);
    }
}
