//! The store itself.

use std::path::{Path, PathBuf};

use engine::ports::{Change, Error, Store, Visit};
use rocksdb::{Cache, DB, IteratorMode, ReadOptions, WriteBatch, WriteOptions};

use crate::memory::{self, Usage};
use crate::open::{self, OpenError, Sizes};

/// A directory with the view in it.
pub struct RocksStore {
    db: DB,
    cache: Cache,
    dir: PathBuf,
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStore")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl RocksStore {
    /// Opens a directory, which is made if it is missing.
    ///
    /// # Errors
    /// If it can't be used, is in use, or is damaged.
    pub fn open(dir: &Path, sizes: Sizes) -> Result<Self, OpenError> {
        let (db, cache) = open::open(dir, sizes)?;
        Ok(Self {
            db,
            cache,
            dir: dir.to_owned(),
        })
    }

    /// Opens a directory only to read it, also while another process has it.
    ///
    /// # Errors
    /// If there is no state in it or it can't be read.
    pub fn open_to_read(dir: &Path) -> Result<Self, OpenError> {
        let (db, cache) = open::open_to_read(dir)?;
        Ok(Self {
            db,
            cache,
            dir: dir.to_owned(),
        })
    }

    /// Whether another process has a directory open, for reading and writing. Not to be asked by one that has it open
    /// itself: the system gives a process's lock up with the first of its files that is closed.
    #[must_use]
    pub fn is_in_use(dir: &Path) -> bool {
        open::is_in_use(dir)
    }

    /// Whether a database is in a directory.
    #[must_use]
    pub fn is_in(dir: &Path) -> bool {
        open::is_in(dir)
    }

    /// Removes what is in a directory; nothing if there is none.
    ///
    /// # Errors
    /// If another process has it, or it can't be removed.
    pub fn remove(dir: &Path) -> Result<(), OpenError> {
        open::remove(dir)
    }

    /// How much memory and disk the database takes now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        memory::usage(&self.db, &self.cache, &self.dir)
    }

    fn failed(&self, error: &rocksdb::Error) -> Error {
        Error::World(format!(
            "the state directory {} failed: {error}; check free space and permissions, then start again: \
             nothing is lost, what is missing is read from the partials topic",
            self.dir.display()
        ))
    }
}

impl Store for RocksStore {
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error> {
        into.clear();
        let found = self
            .db
            .get_pinned(key)
            .map_err(|error| self.failed(&error))?;
        Ok(found.is_some_and(|value| {
            into.extend_from_slice(&value);
            true
        }))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Error> {
        if from >= to {
            return Ok(());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        // Scans pass over much that is not read again soon.
        options.fill_cache(false);
        for pair in self.db.iterator_opt(IteratorMode::Start, options) {
            let (key, value) = pair.map_err(|error| self.failed(&error))?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                Change::Put(key, value) => batch.put(key, value),
                Change::DeleteRange(from, to) => batch.delete_range(from, to),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.db
            .write_opt(batch, &options)
            .map_err(|error| self.failed(&error))
    }
}
