//! Waiting for a condition: the one place of the tests where time passes.

use std::thread;
use std::time::{Duration, Instant};

/// How long a condition rests between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` holds; `what` completes the sentence "waiting until ..".
///
/// # Panics
/// If it does not hold `within` that time.
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, within, || condition().then_some(()));
}

/// Waits until `probe` has a value and returns it; `what` completes the sentence "waiting until ..".
///
/// # Panics
/// If there is none `within` that time.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, probe: impl FnMut() -> Option<T>) -> T {
    wait_at_most(within, probe).unwrap_or_else(|| panic!("waited {within:?} in vain until {what}"))
}

/// Waits until `probe` has a value, `None` if it has none `within` that time. It is asked at least once.
pub fn wait_at_most<T>(within: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let value = probe();
        if value.is_some() || start.elapsed() >= within {
            return value;
        }
        thread::park_timeout(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_the_waiting() {
        let mut looks = 0;
        let value = wait_for("there were three looks", Duration::from_secs(10), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "waited 0ns in vain until pigs fly")]
    fn a_condition_that_never_holds_ends_in_its_sentence() {
        wait_until("pigs fly", Duration::ZERO, || false);
    }
}
