//! What happened, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;

/// Faults and what they hit.
#[derive(Debug, Default)]
pub(crate) struct Report {
    faults: BTreeMap<&'static str, usize>,
    notes: BTreeMap<&'static str, usize>,
    /// Records that were put in.
    pub(crate) records: usize,
    /// Releases that a subscriber has.
    pub(crate) releases: usize,
    /// Dead letters that he has.
    pub(crate) dead_letters: usize,
    /// Released counts that were compared with the oracle, of all rounds together.
    pub(crate) compared: usize,
}

/// Kinds of faults that kill a process.
const KILLS: [&str; 2] = ["kill", "kill of the leader"];
/// Of these kills, those that left a transaction open.
pub(crate) const IN_CHECKPOINT: &str = "killed in a checkpoint";
/// As above, of a release.
pub(crate) const IN_RELEASE: &str = "killed in a release";

impl Report {
    pub(crate) fn fault(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub(crate) fn note(&mut self, note: &'static str) {
        *self.notes.entry(note).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> usize {
        self.faults.values().sum()
    }

    pub(crate) fn kills(&self) -> usize {
        KILLS.iter().filter_map(|kill| self.faults.get(kill)).sum()
    }

    pub(crate) fn kills_inside(&self) -> usize {
        let inside = [IN_CHECKPOINT, IN_RELEASE];
        inside.iter().filter_map(|note| self.notes.get(note)).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |of: &BTreeMap<&str, usize>| {
            let texts: Vec<String> = of
                .iter()
                .map(|(what, times)| format!("{what} {times}"))
                .collect();
            texts.join(", ")
        };
        write!(
            f,
            "{} faults ({}); {}; {} of {} kills between begin and end of a transaction; {} records, {} releases \
             and {} dead letters each once, {} counts equal",
            self.faults(),
            list(&self.faults),
            list(&self.notes),
            self.kills_inside(),
            self.kills(),
            self.records,
            self.releases,
            self.dead_letters,
            self.compared,
        )
    }
}

/// Writes a line past cargo's capture.
pub(crate) fn say(line: &str) {
    let text = format!("{line}\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
