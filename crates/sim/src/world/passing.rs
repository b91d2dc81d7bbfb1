//! What producers do, time that passes, and the ends of transactions that reach partitions.

use std::rc::Rc;

use model::Timestamp;

use super::World;
use crate::civil::SECOND;
use crate::events::{Operation, What};

/// Brokers abort transactions that are open for longer.
const TRANSACTION_TIMEOUT: i64 = 10 * SECOND;

impl World {
    pub(super) fn feed(self: &Rc<Self>) {
        let Some(Operation { at, what }) = self.operations.borrow_mut().pop_front() else {
            return;
        };
        let late = at - self.cluster.now().as_millis();
        self.pass(late.max(0));
        match what {
            What::Send {
                to,
                record,
                truth,
                in_transaction,
            } => {
                self.count(|stats| stats.records += 1);
                let offset = match self.input.get().filter(|_| in_transaction) {
                    Some(open) => self.cluster.append_in(open, to, record),
                    None => self.cluster.append(to, record),
                };
                self.note(|| format!("input {to:?} {offset}: {truth:?}"));
                self.checker.borrow_mut().oracle.note(to, offset.0, truth);
            }
            What::Begin => self.input.set(Some(self.cluster.begin())),
            What::End(is_committed) => {
                if let Some(open) = self.input.take() {
                    self.note(|| format!("input {open:?} committed: {is_committed}"));
                    self.cluster.end(open, is_committed);
                }
            }
            What::AddPartition(kind) => {
                self.note(|| format!("a partition is added to {kind:?}"));
                self.cluster.add_partition(kind);
            }
        }
    }

    pub(crate) fn feed_all(self: &Rc<Self>) {
        while !self.operations.borrow().is_empty() {
            self.feed();
        }
    }

    /// Time passes: transactions and sessions time out.
    pub(crate) fn pass(&self, millis: i64) {
        let now = self.cluster.now().as_millis() + millis;
        self.cluster.advance_to(Timestamp::from_millis(now));
        self.cluster
            .time_out(Timestamp::from_millis(now - TRANSACTION_TIMEOUT));
        let ghosts = self.ghosts.take();
        let (left, missed): (Vec<_>, Vec<_>) =
            ghosts.into_iter().partition(|(until, _)| *until > now);
        *self.ghosts.borrow_mut() = left;
        drop(missed);
    }

    pub(super) fn write_markers(&self) {
        for _ in 0..=self.draw(4) {
            let markers = self.cluster.markers();
            if markers.is_empty() {
                return;
            }
            let marker = markers[self.draw(markers.len())];
            self.note(|| format!("{marker:?} is written"));
            self.cluster.write_marker(marker);
        }
    }

    pub(crate) fn write_all_markers(&self) {
        for marker in self.cluster.markers() {
            self.cluster.write_marker(marker);
        }
    }
}
