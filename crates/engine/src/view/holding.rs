//! Holds back the beginning of a checkpoint until its end has been read, so that a write of the view
//! never splits one.

use std::collections::{BTreeMap, BTreeSet};

use model::Offset;
use wire::partials::PartialKey;

use crate::ports::{Published, PublishedBatch, PublishedRecord};

/// Most bytes held back. Beyond it they are applied all the same: a topic of which compaction has
/// removed older progress has long stretches of pieces without an end, and applying those early
/// is harmless, since nothing is taken or released before progress has been read.
const HELD_BYTES_MAX: usize = 8 << 20;

/// Records of the partials topic whose checkpoint is not read to its end.
#[derive(Debug, Default)]
pub(super) struct Holding {
    held: BTreeMap<Published, Vec<PublishedRecord>>,
    /// The position behind the held records, once they are let go.
    behind: BTreeMap<Published, Offset>,
}

impl Holding {
    /// Adds a batch; what comes back is whole checkpoints, with the positions behind them.
    pub(super) fn add(&mut self, batch: PublishedBatch) -> PublishedBatch {
        let mut ready = PublishedBatch::default();
        let mut touched = BTreeSet::new();
        for (at, position) in batch.positions {
            self.behind.insert(at, position);
            touched.insert(at);
        }
        for record in batch.records {
            touched.insert(record.at);
            self.held.entry(record.at).or_default().push(record);
        }
        for at in touched {
            let mut records = self.held.remove(&at).unwrap_or_default();
            let split = split(&records);
            let tail = records.split_off(split);
            let position = match tail.first() {
                Some(first) => first.offset,
                None => match (self.behind.remove(&at), records.last()) {
                    (Some(position), _) => position,
                    (None, Some(last)) => Offset(last.offset.0 + 1),
                    (None, None) => continue,
                },
            };
            ready.records.append(&mut records);
            ready.positions.push((at, position));
            if !tail.is_empty() {
                self.held.insert(at, tail);
            }
        }
        ready
    }
}

/// Where the first checkpoint begins that has no end in the records, if they are not too many.
fn split(records: &[PublishedRecord]) -> usize {
    let mut finished = BTreeSet::new();
    let mut split = records.len();
    let mut bytes = 0;
    for (index, record) in records.iter().enumerate().rev() {
        match PartialKey::decode(&record.key) {
            Ok(PartialKey::Progress { kind, partition }) => {
                finished.insert((kind, partition));
            }
            Ok(
                PartialKey::Window {
                    kind, partition, ..
                }
                | PartialKey::Count {
                    kind, partition, ..
                }
                | PartialKey::Page {
                    kind, partition, ..
                },
            ) if record.value.is_some() && !finished.contains(&(kind, partition)) => split = index,
            _ => {}
        }
    }
    for record in &records[split..] {
        bytes += record.key.len() + record.value.as_ref().map_or(0, Vec::len);
    }
    if bytes > HELD_BYTES_MAX {
        records.len()
    } else {
        split
    }
}
