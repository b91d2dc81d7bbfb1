//! Checkpoints over a view in memory: what they cost without a database.

use benches::{National, stores};
use criterion::Criterion;
use memlog::MemStore;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut national = National::new(MemStore::default());
    stores::checkpoints(criterion, "in memory", &mut national);
}
