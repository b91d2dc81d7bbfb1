//! Compaction of the owned topics, as the brokers' cleaner does it: up to an offset that was chosen when the pass
//! began, segment by segment, so that a reader may find some segments cleaned and others not.

use std::collections::BTreeMap;

use engine::ports::Published;

use crate::cluster::Cluster;
use crate::log::{Entry, Outcome, Partition};
use crate::transactions::Place;

impl Cluster {
    /// Compacts the partials topic: of each key the last committed record stays. Offsets do not change.
    pub fn compact_partials(&self) {
        let mut state = self.0.borrow_mut();
        let outcomes = state.outcomes.clone();
        for partition in &mut state.partials {
            let stable = partition.stable();
            clean(partition, &outcomes, (stable, stable), true);
        }
    }

    /// Runs the cleaner over a partition of an owned topic: a record before `cleaned` goes if a later one of its key
    /// stands before `known`, and so does what was aborted. Tombstones go as well, if they have `expired`.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn clean(&self, at: Published, (cleaned, known): (i64, i64), expired: bool) {
        let mut state = self.0.borrow_mut();
        let outcomes = state.outcomes.clone();
        let partition = state.published_mut(at);
        let known = known.min(partition.stable());
        clean(partition, &outcomes, (cleaned.min(known), known), expired);
    }

    /// The last stable offset of each partition of the owned topics.
    #[must_use]
    pub fn published_stable(&self) -> Vec<(Published, i64)> {
        let state = self.0.borrow();
        let owned = state.partitions().filter_map(|(place, partition)| {
            let Place::Published(at) = place else {
                return None;
            };
            Some((at, partition.stable()))
        });
        owned.collect()
    }
}

fn clean(
    partition: &mut Partition,
    outcomes: &BTreeMap<u64, Outcome>,
    (cleaned, known): (i64, i64),
    expired: bool,
) {
    let mut last = BTreeMap::new();
    for stored in &partition.entries {
        let is_committed = stored
            .transaction
            .is_none_or(|id| outcomes[&id] == Outcome::Committed);
        if let (true, Entry::Owned { key, .. }) =
            (stored.offset < known && is_committed, &stored.entry)
        {
            last.insert(key.clone(), stored.offset);
        }
    }
    partition.entries.retain(|stored| match &stored.entry {
        _ if stored.offset >= cleaned => true,
        Entry::Owned { key, value, .. } => {
            last.get(key) == Some(&stored.offset) && (value.is_some() || !expired)
        }
        _ => false,
    });
}
