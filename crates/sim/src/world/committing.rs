//! Transactions on the owned topics: what open ones hold, and what is checked when one is committed.

use std::collections::BTreeMap;

use engine::ports::DeadLetter;
use memlog::OpenTransaction;
use model::InputPartition;

use super::World;
use crate::invariants::{Content, Decided};
use crate::process::Slot;

impl World {
    pub(crate) fn remember(&self, open: OpenTransaction, content: Content) {
        self.contents.borrow_mut().insert(open, content);
    }

    pub(crate) fn add(&self, open: OpenTransaction, add: impl FnOnce(&mut Content)) {
        if let Some(content) = self.contents.borrow_mut().get_mut(&open) {
            add(content);
        }
    }

    /// Commits a transaction, if it is still open.
    pub(crate) fn commit(&self, open: OpenTransaction) -> bool {
        if !self.cluster.end(open, true) {
            return false;
        }
        let content = self.contents.borrow_mut().remove(&open).unwrap_or_default();
        if !content.offsets.is_empty() {
            self.count(|stats| stats.checkpoints += 1);
        }
        self.note(|| format!("{open:?} is committed"));
        let checked = self.checker.borrow_mut().committed(&content);
        self.check(checked);
        true
    }

    pub(crate) fn abort(&self, open: OpenTransaction) {
        self.contents.borrow_mut().remove(&open);
        self.cluster.end(open, false);
    }

    /// The request to commit is still on its way.
    pub(crate) fn leave_late(&self, open: OpenTransaction) {
        self.late.borrow_mut().push(open);
    }

    pub(crate) fn send_letters(&self, letters: &[DeadLetter]) {
        let open = self.cluster.begin();
        self.cluster.write_letters_in(open, letters);
        self.cluster.end(open, true);
    }

    pub(crate) fn numbers(&self) -> BTreeMap<InputPartition, u64> {
        self.checker.borrow().numbers()
    }

    /// Checks what a leader is about to publish, against what is on its disk.
    pub(crate) fn check_decision(&self, slot: &Slot, decided: Decided<'_>) {
        let checker = self.checker.borrow();
        let checked = checker
            .numbers_on(&slot.disk.contents())
            .and_then(|seen| checker.decided(&self.plan, &Decided { seen, ..decided }));
        self.check(checked);
    }
}
