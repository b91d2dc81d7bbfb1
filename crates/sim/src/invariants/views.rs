//! Views: what an instance has on its disk is what some prefix of every log adds up to.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use engine::ports::Published;
use engine::view::keys;
use model::InputPartition;
use prost::Message as _;
use wire::v1;

use super::{Checked, Checker, Violation, cell_of, ensure, has_registers, violated};
use crate::civil::MonthNo;
use crate::oracle::{Cell, Snapshot};

/// The contents of a disk.
pub(crate) type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

const INVARIANT: &str = "a view is what was committed";

/// Pages of a cell or of a union, by their number.
type Pages = BTreeMap<u8, Vec<u8>>;

impl Checker {
    /// The number of each partition's checkpoint that a disk knows.
    pub(crate) fn numbers_on(
        &self,
        contents: &Contents,
    ) -> Result<BTreeMap<InputPartition, u64>, Violation> {
        let mut numbers = BTreeMap::new();
        for (key, value) in within(contents, "progress/") {
            let read = keys::progress_of(key).and_then(|(kind, partition)| {
                let kind = self.kind(kind)?;
                let progress = v1::Progress::decode(value.get(8..)?).ok()?;
                Some((InputPartition { kind, partition }, progress.checkpoint))
            });
            let (partition, number) = read.ok_or_else(|| violated(INVARIANT, "progress"))?;
            numbers.insert(partition, number);
        }
        Ok(numbers)
    }

    /// A disk between two writes. What it holds of input partitions whose partials it has not read as far as
    /// compaction has come is not looked at: there, newer pieces may stand beside older progress.
    pub(crate) fn view(
        &self,
        contents: &Contents,
        compacted: &BTreeMap<Published, i64>,
    ) -> Checked {
        let settings = contents.get(keys::SETTINGS_KEY);
        let settings = settings.and_then(|value| v1::Settings::decode(value.as_slice()).ok());
        if settings.map(|settings| settings.filling) != self.filling {
            return Ok(()); // It will be thrown away, or nothing is on it yet.
        }
        let numbers = self.numbers_on(contents)?;
        let read = |at: Published| {
            let value = contents.get(&keys::read(at));
            let value =
                value.and_then(|value| Some(i64::from_be_bytes(value.as_slice().try_into().ok()?)));
            value.unwrap_or(0)
        };
        if compacted.iter().any(|(at, to)| read(*at) < *to) {
            return Ok(());
        }
        let snapshots = self.snapshots(&numbers)?;
        for (partition, snapshot) in &snapshots {
            self.view_of(contents, *partition, snapshot)?;
        }
        let highest = snapshots.values().map(|snapshot| snapshot.floor).max();
        self.unions(contents, &snapshots, highest.unwrap_or(0))
    }

    fn view_of(&self, contents: &Contents, of: InputPartition, snapshot: &Snapshot) -> Checked {
        let name = self.name(of);
        let kind = &self.kinds[usize::from(of.kind.0)];
        let prefix = |table| format!("{table}/{kind}/{:05}/", of.partition);
        let mut left: BTreeSet<(MonthNo, u8)> = snapshot
            .cells
            .range((snapshot.floor, 0)..)
            .map(|(cell, _)| *cell)
            .collect();
        for (key, value) in within(contents, &prefix("count")) {
            let cell = keys::count_of(key).and_then(|(_, month, lineage)| cell_of(month, lineage));
            let cell = cell.ok_or_else(|| violated(INVARIANT, "a count's key"))?;
            let exact = snapshot
                .cells
                .get(&cell)
                .map(|cell| cell.events.to_be_bytes());
            ensure(
                left.remove(&cell) && exact.is_some_and(|exact| exact == value[..]),
                INVARIANT,
                || {
                    format!(
                        "{name} {cell:?} at checkpoint {}: {value:?}, is {exact:?}",
                        snapshot.number
                    )
                },
            )?;
        }
        ensure(left.is_empty(), INVARIANT, || {
            format!("{name} at checkpoint {} lacks {left:?}", snapshot.number)
        })?;
        let mut pages: BTreeMap<(MonthNo, u8), Pages> = BTreeMap::new();
        for (key, value) in within(contents, &prefix("page")) {
            let read = keys::page_of(key).and_then(|(month, lineage, page)| {
                Some((cell_of(month, lineage)?, u8::try_from(page).ok()?))
            });
            let (cell, page) = read.ok_or_else(|| violated(INVARIANT, "a page's key"))?;
            pages.entry(cell).or_default().insert(page, value.clone());
        }
        for (cell, counted) in snapshot.cells.range((snapshot.floor, 0)..) {
            let pages = pages.remove(cell).unwrap_or_default();
            ensure(
                has_registers(self.precision, &counted.registers, |page| {
                    pages.get(&page).cloned()
                }),
                INVARIANT,
                || {
                    format!(
                        "{name} {cell:?} at checkpoint {}: registers differ",
                        snapshot.number
                    )
                },
            )?;
        }
        ensure(pages.is_empty(), INVARIANT, || {
            format!("{name} has registers of {:?}", pages.keys().next())
        })
    }

    fn unions(
        &self,
        contents: &Contents,
        snapshots: &BTreeMap<InputPartition, Rc<Snapshot>>,
        highest: MonthNo,
    ) -> Checked {
        let mut exact: BTreeMap<(u8, (MonthNo, u8)), Cell> = BTreeMap::new();
        for (partition, snapshot) in snapshots {
            for (cell, counted) in snapshot.cells.range((highest, 0)..) {
                let union = exact.entry((partition.kind.0, *cell)).or_default();
                union.registers.resize(counted.registers.len(), 0);
                for (register, rank) in union.registers.iter_mut().zip(&counted.registers) {
                    *register = (*register).max(*rank);
                }
            }
        }
        for (number, kind) in (0_u8..).zip(&self.kinds) {
            let mut pages: BTreeMap<(MonthNo, u8), Pages> = BTreeMap::new();
            for (key, value) in within(contents, &format!("union/{kind}/")) {
                let text = std::str::from_utf8(key).unwrap_or_default();
                let month = text.split('/').nth(2).unwrap_or_default();
                let read = keys::union_of(key).and_then(|(lineage, page)| {
                    Some((
                        cell_of(month.parse().ok()?, lineage)?,
                        u8::try_from(page).ok()?,
                    ))
                });
                let (cell, page) = read.ok_or_else(|| violated(INVARIANT, "a union's key"))?;
                pages.entry(cell).or_default().insert(page, value.clone());
            }
            for ((_, cell), union) in exact.range((number, (highest, 0))..(number + 1, (0, 0))) {
                let pages = pages.remove(cell).unwrap_or_default();
                ensure(
                    has_registers(self.precision, &union.registers, |page| {
                        pages.get(&page).cloned()
                    }),
                    INVARIANT,
                    || format!("the union of {kind} {cell:?} differs"),
                )?;
            }
            ensure(pages.is_empty(), INVARIANT, || {
                format!("a union of {kind} {:?} of nothing", pages.keys().next())
            })?;
        }
        Ok(())
    }

    /// A disk that has read everything: it knows the last checkpoint of every partition and the last releases.
    pub(crate) fn whole_view(&self, contents: &Contents) -> Checked {
        let seen = self.numbers_on(contents)?;
        ensure(seen == self.numbers(), INVARIANT, || {
            format!("checkpoints {seen:?}, are {:?}", self.numbers())
        })?;
        let mut known = BTreeMap::new();
        for (key, value) in within(contents, "release/") {
            let release = v1::MonthClose::decode(value.as_slice());
            let release = release.map_err(|error| violated(INVARIANT, error))?;
            known.insert(key["release/".len()..].to_vec(), release);
        }
        let last = self.releases.last_records();
        let last: BTreeMap<_, _> = last
            .map(|(key, release)| (key.clone(), release.clone()))
            .collect();
        ensure(known == last, INVARIANT, || "releases differ".into())
    }
}

fn within<'a>(
    contents: &'a Contents,
    prefix: &str,
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
    let prefix = prefix.as_bytes().to_vec();
    contents
        .range(prefix.clone()..)
        .take_while(move |(key, _)| key.starts_with(&prefix))
}
