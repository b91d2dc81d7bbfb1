//! Timing of what is too short to be timed alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion};

/// Few samples that take a few seconds: the machine's own noise is above what more would tell.
#[must_use]
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args()
}

/// Measures the time for one item: an iteration is one call with the next of the items, in a circle.
pub fn each<T, R>(bencher: &mut Bencher<'_>, items: &[T], mut call: impl FnMut(&T) -> R) {
    bencher.iter_custom(|iterations| {
        let mut left = usize::try_from(iterations).expect("as many as can be counted");
        let start = Instant::now();
        while left > 0 {
            let round = left.min(items.len());
            for item in &items[..round] {
                black_box(call(black_box(item)));
            }
            left -= round;
        }
        start.elapsed()
    });
}
