//! How the process ends: exit codes after `sysexits.h`, so that a supervisor knows whether a restart may help.

use std::panic::{UnwindSafe, catch_unwind};
use std::process::{ExitCode, Termination};

use engine::Error;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Stopped as asked, or done.
    Done,
    /// The command line is wrong. (`clap` exits with the same code by itself.)
    Usage,
    /// Data that contradicts itself: a truncated log, positions that differ.
    Data,
    /// A bug: the process came to what cannot be.
    Bug,
    /// The world failed: broker gone, fenced, disk full. A restart may help.
    World,
    /// The configuration, settings that differ from the recorded ones, or missing topics.
    Configuration,
}

impl Exit {
    /// The exit that an error of the engine means.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::World(_) => Self::World,
            Error::Contradiction(_) => Self::Data,
            Error::Configuration(_) => Self::Configuration,
        }
    }

    /// The exit that several errors mean together: first of all the operator is to correct the configuration.
    #[must_use]
    pub fn of_all<'a>(errors: impl IntoIterator<Item = &'a Error>) -> Self {
        let of_each = errors.into_iter().map(Self::of);
        of_each
            .reduce(|one, other| match other {
                Self::Configuration => other,
                _ => one,
            })
            .unwrap_or(Self::Done)
    }

    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 2,
            Self::Data => 65,
            Self::Bug => 70,
            Self::World => 75,
            Self::Configuration => 78,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.code().into()
    }
}

/// Lives the life of the process; a panic in it is a bug. What it says has been written by the panic hook.
pub fn of(life: impl FnOnce() -> Exit + UnwindSafe) -> Exit {
    catch_unwind(life).unwrap_or(Exit::Bug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug() {
        assert_eq!(of(|| Exit::World), Exit::World);
        assert_eq!(of(|| panic!("as this test wants")), Exit::Bug);
    }

    #[test]
    fn codes_are_those_of_sysexits() {
        let codes = [
            Exit::Done,
            Exit::Usage,
            Exit::Data,
            Exit::Bug,
            Exit::World,
            Exit::Configuration,
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 2, 65, 70, 75, 78]);
    }
}
