//! Transactions that go wrong as planned.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use engine::ports::{Checkpoints, CommitError, LeaderRecord, Releases, Transaction};

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing goes wrong.
    None,
    Aborted,
    NotMember,
    /// It was committed, and nobody says so.
    UnknownCommitted,
    /// It was not committed, and nobody says so.
    UnknownAborted,
}

/// What goes wrong with the next transactions, in order.
pub(crate) type Plan = Rc<RefCell<VecDeque<Fault>>>;

/// A port whose transactions go wrong as planned.
pub(crate) struct Faulty<P> {
    inner: P,
    plan: Plan,
}

impl<P> Faulty<P> {
    pub(crate) fn new(inner: P, plan: &Plan) -> Self {
        Self {
            inner,
            plan: Rc::clone(plan),
        }
    }

    fn run(
        &mut self,
        commit: impl FnOnce(&mut P) -> Result<(), CommitError>,
    ) -> Result<(), CommitError> {
        let fault = self.plan.borrow_mut().pop_front().unwrap_or(Fault::None);
        let unknown = || CommitError::Unknown("as planned".into());
        match fault {
            Fault::None => commit(&mut self.inner),
            Fault::Aborted => Err(CommitError::Aborted("as planned".into())),
            Fault::NotMember => Err(CommitError::NotMember("as planned".into())),
            Fault::UnknownCommitted => {
                commit(&mut self.inner)?;
                Err(unknown())
            }
            Fault::UnknownAborted => Err(unknown()),
        }
    }
}

impl Checkpoints for Faulty<memlog::MemCheckpoints> {
    fn commit(&mut self, transaction: &Transaction) -> Result<(), CommitError> {
        self.run(|inner| inner.commit(transaction))
    }
}

impl Releases for Faulty<memlog::MemReleases> {
    fn take(&mut self) -> Result<(), CommitError> {
        self.inner.take()
    }

    fn publish(&mut self, records: &[LeaderRecord]) -> Result<(), CommitError> {
        self.run(|inner| inner.publish(records))
    }
}
