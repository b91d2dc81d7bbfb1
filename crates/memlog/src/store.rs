//! The view's storage in memory: what a test or a simulation's disk needs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use engine::ports::{Change, Error, Store, Visit};

/// Ordered bytes in memory; clones are handles to the same ones, as a directory outlives a process.
#[derive(Debug, Clone, Default)]
pub struct MemStore(Rc<RefCell<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl MemStore {
    /// All keys and values.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.0.borrow().clone()
    }
}

impl Store for MemStore {
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error> {
        into.clear();
        let map = self.0.borrow();
        let found = map.get(key);
        if let Some(value) = found {
            into.extend_from_slice(value);
        }
        Ok(found.is_some())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Error> {
        if from < to {
            for (key, value) in self.0.borrow().range(from.to_vec()..to.to_vec()) {
                if visit(key, value).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Error> {
        let mut map = self.0.borrow_mut();
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    map.insert(key.clone(), value.clone());
                }
                Change::DeleteRange(from, to) if from < to => {
                    let keys: Vec<Vec<u8>> = map
                        .range(from.clone()..to.clone())
                        .map(|(key, _)| key.clone())
                        .collect();
                    for key in keys {
                        map.remove(&key);
                    }
                }
                Change::DeleteRange(..) => {}
            }
        }
        Ok(())
    }
}
