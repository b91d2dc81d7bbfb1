//! What happened in worlds, counted.

use std::collections::BTreeMap;
use std::fmt;

use engine::Occurrence;

use crate::faults::Fault;

/// What happened in some worlds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Worlds.
    pub worlds: u64,
    /// Things that happened one after the other: a turn of an instance, a record that arrives, a fault.
    pub steps: u64,
    /// Turns of instances.
    pub turns: u64,
    /// Records that producers sent.
    pub records: u64,
    /// Processes that were started.
    pub starts: u64,
    /// Processes that died: killed, crashed within a call, without power.
    pub crashes: u64,
    /// Processes that ended with an error, to be started again.
    pub failures: u64,
    /// Partitions that were assigned, revoked or lost.
    pub rebalances: u64,
    /// Transactions that were refused, since another producer or member had taken over.
    pub fenced: u64,
    /// Checkpoint transactions that were committed.
    pub checkpoints: u64,
    /// Months that were closed.
    pub releases: u64,
    /// Revisions of closed months.
    pub revisions: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Duplicates that were dropped, those that were dropped again after a crash included.
    pub duplicates: u64,
    /// Events that were counted in months that are sealed.
    pub sealed: u64,
    /// Checkpoints with a higher floor than the one before.
    pub floors: u64,
    /// Revisions after the partials were emptied to count anew.
    pub recounts: u64,
    /// Directories that were thrown away.
    pub discarded: u64,
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
}

impl Stats {
    /// Takes note of what an instance says of itself.
    pub(crate) fn observe(&mut self, occurrence: &Occurrence<'_>) {
        match occurrence {
            Occurrence::Counted { tally, .. } => {
                self.duplicates += tally.duplicates;
                self.sealed += tally.sealed;
            }
            Occurrence::FloorRaised { .. } => self.floors += 1,
            Occurrence::MonthReleased { reason, .. } => {
                self.recounts += u64::from(*reason == "recount");
            }
            Occurrence::ViewDiscarded(_) => self.discarded += 1,
            _ => {}
        }
    }

    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.steps += other.steps;
        self.turns += other.turns;
        self.records += other.records;
        self.starts += other.starts;
        self.crashes += other.crashes;
        self.failures += other.failures;
        self.rebalances += other.rebalances;
        self.fenced += other.fenced;
        self.checkpoints += other.checkpoints;
        self.releases += other.releases;
        self.revisions += other.revisions;
        self.dead_letters += other.dead_letters;
        self.duplicates += other.duplicates;
        self.sealed += other.sealed;
        self.floors += other.floors;
        self.recounts += other.recounts;
        self.discarded += other.discarded;
        for (fault, times) in &other.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        writeln!(
            f,
            "{} worlds, {} steps, {} turns of instances, {} input records, {} dead letters, {} duplicates",
            self.worlds, self.steps, self.turns, self.records, self.dead_letters, self.duplicates
        )?;
        writeln!(
            f,
            "{} processes started, {} crashes, {} ended by errors, {} rebalances, {} fenced",
            self.starts, self.crashes, self.failures, self.rebalances, self.fenced
        )?;
        writeln!(
            f,
            "{} checkpoints, {} months closed, {} revisions ({} after a recount), {} floors raised, {} events of \
             sealed months, {} directories thrown away",
            self.checkpoints,
            self.releases,
            self.revisions,
            self.recounts,
            self.floors,
            self.sealed,
            self.discarded
        )?;
        let each: Vec<String> = self
            .faults
            .iter()
            .map(|(fault, times)| format!("{fault:?} {times}"))
            .collect();
        write!(f, "{faults} faults: {}", each.join(", "))
    }
}
