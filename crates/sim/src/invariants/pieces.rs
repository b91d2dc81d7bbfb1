//! Pieces: the cells that checkpoints write, against what the log adds up to.

use std::collections::BTreeSet;
use std::rc::Rc;

use engine::ports::Partial;
use model::InputPartition;
use prost::Message as _;
use wire::partials::PartialKey;
use wire::v1;

use super::{Checked, Checker, cell_of, ensure, has_registers, key, month, violated};
use crate::oracle::Snapshot;
use crate::places;

impl Checker {
    /// What the checkpoint wrote, laid over what was there, is what the log adds up to.
    pub(super) fn check_pieces(
        &mut self,
        of: InputPartition,
        partials: &[&(Partial, i64)],
        last: &Snapshot,
        next: &Snapshot,
    ) -> Checked {
        const INVARIANT: &str = "the state is what the log adds up to";
        let precision = self.precision;
        let name = self.name(of);
        let ledger = self.ledgers.entry(of).or_default();
        let mut touched = BTreeSet::new();
        for (partial, _) in partials {
            let cell = match key(&partial.key)? {
                PartialKey::Count { month, lineage, .. } => (month, lineage),
                PartialKey::Page { month, lineage, .. } => (month, lineage),
                _ => continue,
            };
            let cell = cell_of(cell.0, cell.1).ok_or_else(|| violated(INVARIANT, "a key"))?;
            match &partial.value {
                Some(value) => {
                    touched.insert(cell);
                    ledger.pieces.insert(partial.key.clone(), value.clone());
                }
                None => {
                    ledger.pieces.remove(&partial.key);
                    ensure(cell.0 < next.floor, INVARIANT, || {
                        format!("{name} drops {cell:?} above its floor")
                    })?;
                }
            }
        }
        for (cell, counted) in next.cells.range((next.floor, 0)..) {
            let was = last.cells.get(cell);
            if was.is_none_or(|was| !Rc::ptr_eq(was, counted)) {
                touched.insert(*cell);
            }
        }
        let kind = self.kinds[usize::from(of.kind.0)].as_str();
        let partition = of.partition;
        for cell in touched {
            let counted = next.cells.get(&cell).map(Rc::as_ref);
            let (month, lineage) = (month(cell.0), places::LINEAGES[usize::from(cell.1)].text);
            let key = PartialKey::Count {
                kind,
                partition,
                month,
                lineage,
            };
            let stored = ledger.pieces.get(&key.encode());
            let events = stored.map_or(0, |value| {
                v1::Count::decode(value.as_slice()).map_or(u64::MAX, |count| count.events)
            });
            let exact = counted.map_or(0, |cell| cell.events);
            ensure(events == exact, INVARIANT, || {
                format!("{name} {month} {lineage}: {events} events, are {exact}")
            })?;
            let exact = counted.map_or(&[][..], |cell| &cell.registers);
            let key = |page| PartialKey::Page {
                kind,
                partition,
                month,
                lineage,
                page,
            };
            let page = |page| {
                let value = ledger.pieces.get(&key(page).encode())?;
                let page = v1::Page::decode(value.as_slice()).ok()?;
                Some(page.registers)
            };
            ensure(has_registers(precision, exact, page), INVARIANT, || {
                format!("{name} {month} {lineage}: registers differ")
            })?;
        }
        Ok(())
    }
}
