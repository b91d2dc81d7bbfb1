//! Being asked to stop: SIGTERM and SIGINT.
//!
//! The first only sets a flag, which the loop looks at between two steps, so that it can checkpoint and
//! leave the group. The second, of either kind, ends the process where it stands with 128 + the
//! signal's number (130, 143), as if it had not been caught: what was not committed is counted again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether the process was asked to stop. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct StopRequest(Arc<AtomicBool>);

impl StopRequest {
    /// Listens to the signals from now on.
    ///
    /// # Errors
    /// If the system refuses to.
    pub fn listen() -> io::Result<Self> {
        let request = Self::default();
        for signal in [SIGTERM, SIGINT] {
            // In this order: the second signal finds the flag set by the first.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&request.0))?;
            flag::register(signal, Arc::clone(&request.0))?;
        }
        Ok(request)
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Asks, as the first signal does.
    pub fn make(&self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use signal_hook::low_level::raise;

    use super::*;

    /// Names the two signals that the child of the test below raises.
    const SIGNALS: &str = "APPMI_TEST_SIGNALS";

    #[test]
    fn the_first_signal_asks_and_the_second_ends_at_once() {
        if let Ok(signals) = std::env::var(SIGNALS) {
            let signals: Vec<i32> = signals
                .split(' ')
                .map(|signal| signal.parse().unwrap())
                .collect();
            let request = StopRequest::listen().unwrap();
            assert!(!request.is_made());
            raise(signals[0]).unwrap();
            assert!(request.is_made());
            raise(signals[1]).unwrap();
            unreachable!("the second signal ends the process");
        }
        let this = "signals::tests::the_first_signal_asks_and_the_second_ends_at_once";
        for (first, second) in [(SIGTERM, SIGTERM), (SIGINT, SIGTERM), (SIGTERM, SIGINT)] {
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", this])
                .env(SIGNALS, format!("{first} {second}"))
                .output()
                .unwrap();
            assert_eq!(child.status.code(), Some(128 + second));
        }
    }
}
