//! What the database takes of memory and disk.

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
    /// Files of live data on disk.
    pub disk: u64,
}

pub(crate) fn usage(db: &DB, cache: &Cache) -> Usage {
    let property = |name| db.property_int_value(name).ok().flatten().unwrap_or(0);
    Usage {
        memtables: property(rocksdb::properties::SIZE_ALL_MEM_TABLES),
        cache: u64::try_from(cache.get_usage()).unwrap_or(u64::MAX),
        readers: property(rocksdb::properties::ESTIMATE_TABLE_READERS_MEM),
        disk: property(rocksdb::properties::TOTAL_SST_FILES_SIZE),
    }
}
