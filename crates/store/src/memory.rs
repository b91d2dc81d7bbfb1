//! What the database takes of memory and disk.

use std::path::Path;

use rocksdb::{Cache, DB};

/// Memory and disk of the database, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memtables.
    pub memtables: u64,
    /// Block cache, with what is charged to it.
    pub cache: u64,
    /// Index and filter blocks outside of the cache.
    pub readers: u64,
    /// All files of the directory, the write-ahead log included.
    pub disk: u64,
}

pub(crate) fn usage(db: &DB, cache: &Cache, dir: &Path) -> Usage {
    let property = |name| db.property_int_value(name).ok().flatten().unwrap_or(0);
    Usage {
        memtables: property(rocksdb::properties::SIZE_ALL_MEM_TABLES),
        cache: u64::try_from(cache.get_usage()).unwrap_or(u64::MAX),
        readers: property(rocksdb::properties::ESTIMATE_TABLE_READERS_MEM),
        disk: disk(dir),
    }
}

/// Files come and go while they are looked at; one that is gone takes nothing.
fn disk(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}
