//! A view of national size in any store: filled through checkpoints, as an instance fills it.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use engine::aggregate::Aggregate;
use engine::checkpoint::{self, Checkpoint, Statement};
use engine::ports::Store;
use engine::{Options, View, release};
use model::{InputPartition, KindId, LineageId, Month, Timestamp};
use sketch::Registers;
use wire::v1::MonthClose;
use workload::Practices;

use crate::counting;
use crate::settings::{PARTITIONS, first_month, options};

/// Accounts that log in in a month, per lineage and partition: 11.5 million in 48 and 12.
pub const MONTH_ACCOUNTS: u64 = 20_000;
/// Logins of 30 seconds at the national average of 38 million a month.
pub const LOGINS_IN_30_SECONDS: u64 = 430;

/// Partitions of the partials topic.
const PARTIALS_PARTITIONS: u32 = 12;

/// A view and its store.
pub struct National<S> {
    options: Options,
    lineages: Vec<LineageId>,
    view: View,
    store: S,
    checkpoints: u64,
    accounts: Accounts,
}

impl<S: Store> National<S> {
    /// An empty view.
    ///
    /// # Panics
    /// If the store fails.
    #[must_use]
    pub fn new(mut store: S) -> Self {
        let options = options();
        let (kinds, precision) = (options.kinds.clone(), options.precision);
        let ids = [[1; 16], [2; 16]];
        let (view, _) = View::open(&mut store, kinds, precision, options.first_month, ids)
            .expect("a new store can be opened");
        Self {
            lineages: lineages(&options),
            options,
            view,
            store,
            checkpoints: 0,
            accounts: Accounts(1),
        }
    }

    /// Boards' lineages that practices have.
    #[must_use]
    pub fn lineages(&self) -> usize {
        self.lineages.len()
    }

    /// Applies one month of logins: the same number of accounts in each lineage of each partition.
    pub fn fill_month(&mut self, partitions: u32, accounts: u64) {
        for partition in 0..partitions {
            let aggregate = self.changes(KindId(0), partition, first_month(), accounts);
            let checkpoint = self.prepare(&aggregate);
            self.apply(&[checkpoint]);
        }
    }

    /// Applies what a release of the last of twelve months reads, for both kinds that have users: counts of
    /// all partitions, and unions of as many accounts as a board has in a month. The unions come from pages
    /// of the first partition alone, which makes no difference to them.
    pub fn fill_year(&mut self) {
        for kind in [KindId(0), KindId(1)] {
            for partition in 0..PARTITIONS {
                let accounts = match partition {
                    0 => MONTH_ACCOUNTS * u64::from(PARTITIONS),
                    _ => 0,
                };
                for months in 0..12 {
                    let month = first_month().plus(months);
                    let aggregate = self.changes(kind, partition, month, accounts);
                    let checkpoint = self.prepare(&aggregate);
                    self.apply(&[checkpoint]);
                }
            }
        }
    }

    /// The changes that new accounts make in every lineage of a partition in a month.
    pub fn changes(
        &mut self,
        kind: KindId,
        partition: u32,
        month: Month,
        accounts: u64,
    ) -> Aggregate {
        let mut aggregate = counting::aggregate(&self.options, partition);
        aggregate.partition = InputPartition { kind, partition };
        for lineage in self.lineages.clone() {
            let cell = aggregate.delta.cell(month, lineage, || false);
            let cell = aggregate.delta.cell_mut(cell);
            cell.events += accounts.max(1) * 3;
            let registers = cell.registers.as_mut().expect("these kinds have users");
            for _ in 0..accounts {
                registers.insert(self.accounts.hash());
            }
        }
        aggregate
    }

    /// What 30 seconds of logins change, of all partitions.
    pub fn changes_of_30_seconds(&mut self) -> Vec<Aggregate> {
        let month = first_month();
        let mut aggregates: Vec<Aggregate> = (0..PARTITIONS)
            .map(|partition| counting::aggregate(&self.options, partition))
            .collect();
        for _ in 0..LOGINS_IN_30_SECONDS {
            let (account, place) = (self.accounts.hash(), self.accounts.hash());
            let partition = &mut aggregates[below(place, PARTITIONS as usize)];
            let lineage = self.lineages[below(place << 32, self.lineages.len())];
            let cell = partition.delta.cell(month, lineage, || false);
            let cell = partition.delta.cell_mut(cell);
            cell.events += 1;
            let registers = cell.registers.as_mut().expect("logins have users");
            let (index, rank) = Registers::slot(self.options.precision, account);
            registers.raise(index, rank);
            let identity = NonZeroU64::new(place).unwrap_or(NonZeroU64::MIN);
            partition
                .window
                .remember(identity, Timestamp::from_millis(0));
        }
        aggregates
    }

    /// Lays changes over the view.
    ///
    /// # Panics
    /// If the store fails.
    #[must_use]
    pub fn prepare(&self, aggregate: &Aggregate) -> Checkpoint {
        let statement = Statement {
            number: self.checkpoints + 1,
            settings: 1,
            topic_id: [3; 16],
            idle: false,
            floor: self.options.first_month,
        };
        checkpoint::prepare(
            &self.options,
            &self.view,
            &self.store,
            aggregate,
            statement,
            PARTIALS_PARTITIONS,
        )
        .expect("the store can be read")
    }

    /// Applies checkpoints of one transaction, prepared since the last one was applied.
    ///
    /// # Panics
    /// If the store fails.
    pub fn apply(&mut self, checkpoints: &[Checkpoint]) {
        self.checkpoints += 1;
        let partials = checkpoints
            .iter()
            .flat_map(|checkpoint| &checkpoint.partials);
        self.view
            .apply_own(&mut self.store, partials)
            .expect("the store can be written");
    }

    /// The records of a month's release.
    ///
    /// # Panics
    /// If the store fails.
    #[must_use]
    pub fn release(&self, month: Month) -> Vec<MonthClose> {
        let now = self.options.calendar.end_of(month);
        release::records(
            &self.options,
            &self.view,
            &self.store,
            month,
            0,
            "close",
            now,
        )
        .expect("the store can be read")
    }
}

/// The lineages that practices have, which is where nearly all events are filed.
fn lineages(options: &Options) -> Vec<LineageId> {
    let practices = Practices::synthetic();
    let codes = practices.text().lines().skip(1);
    let found: BTreeSet<u16> = codes
        .filter_map(|line| line.split(',').next())
        .map(|code| options.geography.place(code.as_bytes(), b"").0)
        .collect();
    found.into_iter().map(LineageId).collect()
}

/// Hashes of accounts, each new: SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Accounts(pub u64);

impl Accounts {
    /// That of the next account.
    pub fn hash(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn below(hash: u64, n: usize) -> usize {
    let place = (u128::from(hash) * n as u128) >> 64;
    usize::try_from(place).expect("below n")
}
