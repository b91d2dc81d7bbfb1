//! Opening the database: options, limits, and what an operator is told when it fails.

use std::path::{Path, PathBuf};

use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options, WriteBufferManager};
use rustix::process::{Flock, FlockType, fcntl_getlk};

/// How much memory the database may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Block cache in bytes, with the memtables charged to it.
    pub cache_bytes: usize,
    /// One memtable in bytes.
    pub memtable_bytes: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            cache_bytes: 48 << 20,
            memtable_bytes: 8 << 20,
        }
    }
}

/// The state directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the state directory {0} is in use by another process: stop it, or give this one a directory of its own"
    )]
    InUse(PathBuf),
    /// It can't be made or written.
    #[error(
        "the state directory {dir} can't be used: {reason}; check that it exists, is writable and has free space"
    )]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The database in it is damaged.
    #[error(
        "the state in {dir} is damaged ({reason}): delete the directory, it is restored from the partials topic"
    )]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// What RocksDB says.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn of(dir: &Path, error: &rocksdb::Error) -> Self {
        let reason = error.to_string();
        let dir = dir.to_owned();
        if reason.contains("lock") || reason.contains("Resource temporarily unavailable") {
            return Self::InUse(dir);
        }
        match error.kind() {
            rocksdb::ErrorKind::Corruption | rocksdb::ErrorKind::InvalidArgument => {
                Self::Damaged { dir, reason }
            }
            _ => Self::Unusable { dir, reason },
        }
    }
}

/// The options of the database and the cache that bounds it.
pub(crate) fn options(sizes: Sizes) -> (Options, Cache) {
    let cache = Cache::new_lru_cache(sizes.cache_bytes);
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_block_size(16 << 10);
    blocks.set_bloom_filter(10.0, false);
    blocks.set_format_version(5);

    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(sizes.memtable_bytes);
    options.set_max_write_buffer_number(3);
    let budget = sizes.memtable_bytes * 2;
    options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager_with_cache(
        budget,
        true,
        cache.clone(),
    ));
    options.set_max_total_wal_size(64 << 20);
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    (options, cache)
}

/// Opens for reading and writing; the directory is made if it is missing.
pub(crate) fn open(dir: &Path, sizes: Sizes) -> Result<(DB, Cache), OpenError> {
    std::fs::create_dir_all(dir).map_err(|error| OpenError::Unusable {
        dir: dir.to_owned(),
        reason: error.to_string(),
    })?;
    let (options, cache) = options(sizes);
    let db = DB::open(&options, dir).map_err(|error| OpenError::of(dir, &error))?;
    Ok((db, cache))
}

/// Whether there is a database in it.
pub(crate) fn is_in(dir: &Path) -> bool {
    dir.join("CURRENT").is_file()
}

/// Opens for reading, also while another process writes: what it sees is how things stand now.
pub(crate) fn open_to_read(dir: &Path) -> Result<(DB, Cache), OpenError> {
    if !is_in(dir) {
        return Err(OpenError::Unusable {
            dir: dir.to_owned(),
            reason: "there is no state in it".into(),
        });
    }
    let (options, cache) = options(Sizes {
        cache_bytes: 8 << 20,
        memtable_bytes: 4 << 20,
    });
    let db =
        DB::open_for_read_only(&options, dir, false).map_err(|error| OpenError::of(dir, &error))?;
    Ok((db, cache))
}

/// Whether another process has it. Its lock is asked for and not taken: a process that starts meanwhile gets it.
pub(crate) fn is_in_use(dir: &Path) -> bool {
    let Ok(lock) = std::fs::File::open(dir.join("LOCK")) else {
        return false;
    };
    fcntl_getlk(&lock, &Flock::from(FlockType::WriteLock)).is_ok_and(|holder| holder.is_some())
}

/// Removes the database. What else is in the directory stays.
pub(crate) fn remove(dir: &Path) -> Result<(), OpenError> {
    if !is_in(dir) {
        return Ok(());
    }
    DB::destroy(&Options::default(), dir).map_err(|error| OpenError::of(dir, &error))
}
