//! The oracle's own counting: every account of every cell, in hash sets.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use model::KindId;

use super::months::MonthNumber;

/// Events and accounts by kind, month and what they are filed under.
#[derive(Debug, Default)]
pub(super) struct Counts(HashMap<(KindId, MonthNumber), HashMap<u32, Cell>>);

/// Accounts, each once.
pub(super) type Accounts = HashSet<u64, BuildHasherDefault<Spread>>;

/// Events of one cell and who they are of.
#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) events: u64,
    pub(super) accounts: Accounts,
}

impl Counts {
    pub(super) fn add(
        &mut self,
        kind: KindId,
        month: MonthNumber,
        lineage: u32,
        account: Option<u64>,
    ) {
        let cell = self
            .0
            .entry((kind, month))
            .or_default()
            .entry(lineage)
            .or_default();
        cell.events += 1;
        cell.accounts.extend(account);
    }

    /// The cells of a kind in a month, by what they are filed under.
    pub(super) fn cells(
        &self,
        kind: KindId,
        month: MonthNumber,
    ) -> impl Iterator<Item = (u32, &Cell)> {
        let cells = self.0.get(&(kind, month)).into_iter().flatten();
        cells.map(|(lineage, cell)| (*lineage, cell))
    }

    /// All events of a kind up to and with a month.
    pub(super) fn events_until(&self, kind: KindId, month: MonthNumber) -> u64 {
        let until = self
            .0
            .iter()
            .filter(|((of, at), _)| *of == kind && *at <= month);
        until
            .flat_map(|(_, cells)| cells.values())
            .map(|cell| cell.events)
            .sum()
    }
}

/// Hashes an account by spreading its number: it is no secret, and SipHash would be most of the oracle's time.
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = crate::rng::mix(number);
    }
}
