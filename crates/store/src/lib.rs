//! The view's storage in RocksDB: ordered bytes, atomic batches, bounded memory.
//!
//! What stands in it, the table of keys and values, is `engine::view::keys`; this crate does not know
//! it. One column family with the write-ahead log on and without syncing: a batch is applied whole or
//! not at all, and what a crash of the machine takes away is read from Kafka again.

mod memory;
mod open;
mod store;

pub use memory::Usage;
pub use open::{OpenError, Sizes};
pub use store::RocksStore;
