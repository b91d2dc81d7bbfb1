//! A subscriber of everything that comes out, who was there all the time, and what must be true of what he
//! has.

use std::collections::BTreeSet;

use model::Month;
use wire::headers;
use wire::releases::Format;
use workload::Oracle;

use super::comparison::Comparison;
use super::deployment::Deployment;
use super::released::Releases;
use super::subscriber::{Received, Subscriber};

/// Reads the releases and the dead letters of a deployment from the beginning on.
pub struct Audit {
    months: Vec<Month>,
    releases: Subscriber,
    letters: Subscriber,
    looked_at: usize,
    difference: String,
}

/// What was found to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    /// Releases, each whole, in one piece and once.
    pub releases: usize,
    /// Their records.
    pub records: usize,
    /// Dead letters, each once.
    pub dead_letters: usize,
    /// The last release of every month beside the oracle.
    pub comparison: Comparison,
}

impl Audit {
    /// Begins to read; `months` are those that are released.
    ///
    /// # Panics
    /// If a topic is not there.
    pub fn new(deployment: &Deployment, months: Vec<Month>) -> Self {
        Self {
            months,
            releases: deployment.releases(),
            letters: deployment.dead_letters(),
            looked_at: 0,
            difference: String::new(),
        }
    }

    /// Whether what is missing has come since this was last asked: the last release of every month agrees with
    /// the oracle, and every dead letter is there. The oracle must not change while this is waited for.
    pub fn is_complete(&mut self, oracle: &Oracle) -> bool {
        let letters = self.letters.look().len();
        let received = self.releases.look();
        if received.len() == self.looked_at || letters < expected_letters(oracle) {
            return false;
        }
        self.looked_at = received.len();
        let releases = Releases::of(received, Format::Protobuf);
        match Comparison::look(&releases, oracle, self.months.iter().copied()) {
            Ok(comparison) if comparison.intervals_hold() => return true,
            Ok(comparison) => self.difference = format!("{comparison:?}"),
            Err(difference) => self.difference = difference,
        }
        false
    }

    /// What was missing when that was last found.
    pub fn difference(&self) -> &str {
        &self.difference
    }

    /// The next question finds out anew, although nothing may have come.
    pub fn begin_anew(&mut self) {
        self.looked_at = 0;
    }

    /// Checks everything.
    ///
    /// # Panics
    /// If a figure differs, a release comes twice, in pieces or in the wrong order, or a dead letter is missing or
    /// comes twice.
    pub fn check(&mut self, oracle: &Oracle) -> Audited {
        let received = self.releases.look();
        let releases = Releases::of(received, Format::Protobuf);
        let comparison = Comparison::of(&releases, oracle, self.months.iter().copied());
        comparison.assert_intervals_hold();
        let letters = self.letters.look();
        let distinct: BTreeSet<_> = letters.iter().map(coordinates).collect();
        assert_eq!(distinct.len(), letters.len(), "each dead letter once");
        assert_eq!(letters.len(), expected_letters(oracle), "every dead letter");
        Audited {
            releases: releases.ids().len(),
            records: received.len(),
            dead_letters: letters.len(),
            comparison,
        }
    }

    /// Everything that he has, for somebody who comes later to have the same.
    pub fn released(&mut self) -> &[Received] {
        self.releases.look()
    }
}

fn expected_letters(oracle: &Oracle) -> usize {
    let letters: u64 = oracle.dead_letters().values().sum();
    usize::try_from(letters).expect("addresses have 64 bits")
}

fn coordinates(letter: &Received) -> [String; 3] {
    [
        headers::DEAD_LETTER_TOPIC,
        headers::DEAD_LETTER_PARTITION,
        headers::DEAD_LETTER_OFFSET,
    ]
    .map(|name| letter.header(name).to_owned())
}
