//! Benchmarks of the view in RocksDB, at national size. The first word of a name says what the time is
//! for: a checkpoint, a release.
//!
//! ```text
//! cargo bench -p benches --profile dev --bench rocksdb [-- NAME]
//! ```

use std::path::Path;

use benches::{National, stores, timing};
use store::{RocksStore, Sizes};

fn main() {
    let mut criterion = timing::criterion();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (month, year) = (folder.path().join("month"), folder.path().join("year"));
    stores::checkpoints(&mut criterion, "in RocksDB", &mut open(&month));
    stores::releases(&mut criterion, "from RocksDB", &mut open(&year));
    criterion.final_summary();
}

fn open(dir: &Path) -> National<RocksStore> {
    National::new(RocksStore::open(dir, Sizes::default()).expect("a new folder can be opened"))
}
