//! Chance from a seed: small integers only, so that a seed gives the same bytes on every machine.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): one
//! addition and a finaliser, no state worth saving, and the finaliser serves as a hash too. Nothing
//! here is secret.

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Scrambles 64 bits, one to one: different numbers stay different.
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(GAMMA);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The place below `n` that a hash falls on, uniform over the hashes. `n` is above 0.
pub(crate) fn place(hash: u64, n: usize) -> usize {
    let n = u64::try_from(n).expect("a length fits 64 bits");
    usize::try_from(high(hash, n)).expect("below a usize")
}

/// Whether a hash falls into the first `ppm` millionths.
pub(crate) fn within(hash: u64, ppm: u32) -> bool {
    high(hash, 1_000_000) < u64::from(ppm)
}

fn high(hash: u64, n: u64) -> u64 {
    let product = u128::from(hash) * u128::from(n);
    u64::try_from(product >> 64).expect("the upper half has 64 bits")
}

/// A stream of numbers from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream of a seed; the parts say what it is for, so that streams do not run alike.
    pub(crate) fn new(seed: u64, parts: &[u64]) -> Self {
        Self(
            parts
                .iter()
                .fold(mix(seed), |state, part| mix(state ^ part)),
        )
    }

    pub(crate) fn next(&mut self) -> u64 {
        let drawn = mix(self.0);
        self.0 = self.0.wrapping_add(GAMMA);
        drawn
    }

    /// A place below `n`, which is above 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        place(self.next(), n)
    }

    /// A number of `from..to`; `from` is below `to`.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = to.abs_diff(from);
        from + i64::try_from(high(self.next(), width)).expect("narrower than the range")
    }

    /// True in so many of a million draws.
    pub(crate) fn chance(&mut self, ppm: u32) -> bool {
        within(self.next(), ppm)
    }

    /// Shuffles (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_seed_zero_is_that_of_the_published_generator() {
        let mut rng = Rng(0);
        assert_eq!(rng.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(rng.next(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn places_are_below_their_bound_and_reach_all_of_it() {
        let mut rng = Rng::new(1, &[]);
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[rng.below(7)] += 1;
        }
        assert!(
            seen.iter().all(|count| (850..1_150).contains(count)),
            "{seen:?}"
        );
        assert!((0..1000).all(|_| (-5..3).contains(&rng.between(-5, 3))));
    }

    #[test]
    fn a_chance_comes_as_often_as_stated() {
        let mut rng = Rng::new(2, &[3]);
        let hits = (0..100_000).filter(|_| rng.chance(30_000)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!(!rng.chance(0) && rng.chance(1_000_000));
    }
}
