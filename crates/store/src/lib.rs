//! The view in RocksDB.
