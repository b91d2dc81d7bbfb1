//! A machine's disk: what was written last may be lost with the power, whole batches of it and from the end, as
//! of a RocksDB whose log is not synced; it may be full, or gone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use engine::ports::{Change, Error, Store as _};
use memlog::MemStore;

use crate::invariants::Contents;

/// Batches that may be lost.
const UNSYNCED_MAX: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    Full,
    Gone,
}

pub(crate) struct Disk {
    current: RefCell<MemStore>,
    synced: RefCell<MemStore>,
    unsynced: RefCell<VecDeque<Vec<Change>>>,
    pub(crate) health: Cell<Health>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self {
            current: RefCell::default(),
            synced: RefCell::default(),
            unsynced: RefCell::default(),
            health: Cell::new(Health::Good),
        }
    }

    /// The store as a process has it open.
    pub(crate) fn store(&self) -> MemStore {
        self.current.borrow().clone()
    }

    pub(crate) fn contents(&self) -> Contents {
        self.current.borrow().contents()
    }

    pub(crate) fn readable(&self) -> Result<(), Error> {
        if self.health.get() == Health::Gone {
            return Err(Error::World("the device is gone".into()));
        }
        Ok(())
    }

    pub(crate) fn write(&self, changes: &[Change]) -> Result<(), Error> {
        self.readable()?;
        if self.health.get() == Health::Full {
            return Err(Error::World("no space left on the device".into()));
        }
        self.store().write(changes)?;
        let mut unsynced = self.unsynced.borrow_mut();
        unsynced.push_back(changes.to_vec());
        if unsynced.len() > UNSYNCED_MAX {
            let oldest = unsynced.pop_front().unwrap_or_default();
            self.synced.borrow_mut().write(&oldest)?;
        }
        Ok(())
    }

    pub(crate) fn unsynced(&self) -> usize {
        self.unsynced.borrow().len()
    }

    /// The power fails: only so many of the unsynced batches are there afterwards.
    pub(crate) fn lose_power(&self, kept: usize) -> Result<(), Error> {
        let mut unsynced = self.unsynced.borrow_mut();
        let mut synced = self.synced.borrow_mut();
        for changes in unsynced.drain(..).take(kept) {
            synced.write(&changes)?;
        }
        drop((unsynced, synced));
        let contents = self.synced.borrow().contents();
        self.replace(&contents)
    }

    /// Another directory is there: an old copy, another instance's, an empty one.
    pub(crate) fn replace(&self, contents: &Contents) -> Result<(), Error> {
        let all: Vec<Change> = contents
            .iter()
            .map(|(key, value)| Change::Put(key.clone(), value.clone()))
            .collect();
        for place in [&self.current, &self.synced] {
            let mut store = MemStore::default();
            store.write(&all)?;
            *place.borrow_mut() = store;
        }
        self.unsynced.borrow_mut().clear();
        Ok(())
    }
}
