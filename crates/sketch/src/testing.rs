//! What the tests of several modules make their sketches from.

use proptest::prelude::*;

use crate::{Precision, Registers};

/// Any precision.
pub(crate) fn precision() -> impl Strategy<Value = Precision> {
    (4_u8..=18).prop_map(|p| Precision::new(p).unwrap())
}

/// Up to 300 hashes. Half of them have few first bits and many zeros behind them, as uniform hashes
/// hardly ever do, so that collisions and high ranks occur.
pub(crate) fn hashes() -> impl Strategy<Value = Vec<u64>> {
    let steep = (any::<u8>(), any::<u64>(), 8_u32..64)
        .prop_map(|(head, tail, zeros)| u64::from(head) << 56 | tail >> zeros);
    prop::collection::vec(prop_oneof![any::<u64>(), steep], 0..300)
}

/// The sketch of these hashes.
pub(crate) fn sketch_of(precision: Precision, hashes: &[u64]) -> Registers {
    let mut sketch = Registers::new(precision);
    for hash in hashes {
        sketch.insert(*hash);
    }
    sketch
}

/// `n` hashes as good as random: the splitmix64 sequence from `seed`.
pub(crate) fn uniform_hashes(seed: u64, n: usize) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
    .take(n)
}
