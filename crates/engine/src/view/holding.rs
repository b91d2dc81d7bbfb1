//! Holds back the beginning of a checkpoint or of a release until its end has been read, so that a write of
//! the view never splits one.

use std::collections::{BTreeMap, BTreeSet};

use model::Offset;
use wire::partials::PartialKey;
use wire::releases;

use crate::Limits;
use crate::ports::{Published, PublishedBatch, PublishedRecord};

/// Records whose checkpoint or release is not read to its end.
#[derive(Debug)]
pub(super) struct Holding {
    /// See [`Limits::held_bytes`].
    pub(super) bytes_max: usize,
    held: BTreeMap<Published, Vec<PublishedRecord>>,
    /// The position behind the held records, once they are let go.
    behind: BTreeMap<Published, Offset>,
    /// Input partitions of which pieces were let go before their progress has been read: kind and number.
    torn: BTreeSet<(String, u32)>,
}

impl Default for Holding {
    fn default() -> Self {
        Self {
            bytes_max: Limits::default().held_bytes,
            held: BTreeMap::new(),
            behind: BTreeMap::new(),
            torn: BTreeSet::new(),
        }
    }
}

impl Holding {
    /// Forgets what is held.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.behind.clear();
        self.torn.clear();
    }

    /// Whether a part of a checkpoint was let go whose end has not been read.
    pub(super) fn is_torn(&self) -> bool {
        !self.torn.is_empty()
    }

    /// Adds a batch; what comes back is whole checkpoints and releases, with the positions behind them.
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
            let split = match at {
                Published::Partials(_) => split(&records),
                Published::MonthClose(_) => split_release(&records, self.behind.get(&at)),
            };
            let is_too_long =
                matches!(at, Published::Partials(_)) && bytes(&records[split..]) > self.bytes_max;
            let tail = records.split_off(if is_too_long { records.len() } else { split });
            // What is let go is whole, but for this.
            if is_too_long || self.is_torn() {
                self.note_torn(&records);
            }
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

impl Holding {
    /// Takes note of which checkpoints begin in records that are let go, and which end.
    fn note_torn(&mut self, records: &[PublishedRecord]) {
        for record in records {
            match piece_of(record) {
                Some((kind, partition, true)) => {
                    self.torn.remove(&(kind.to_owned(), partition));
                }
                Some((kind, partition, false)) => {
                    self.torn.insert((kind.to_owned(), partition));
                }
                None => {}
            }
        }
    }
}

/// The input partition of a record of its state, and whether it is the progress behind the pieces. Tombstones carry
/// no meaning.
fn piece_of(record: &PublishedRecord) -> Option<(&str, u32, bool)> {
    match PartialKey::decode(&record.key).ok()? {
        PartialKey::Progress { kind, partition } => Some((kind, partition, true)),
        PartialKey::Window {
            kind, partition, ..
        }
        | PartialKey::Count {
            kind, partition, ..
        }
        | PartialKey::Page {
            kind, partition, ..
        } if record.value.is_some() => Some((kind, partition, false)),
        _ => None,
    }
}

/// Where the first checkpoint begins that has no end in the records.
fn split(records: &[PublishedRecord]) -> usize {
    let mut finished = BTreeSet::new();
    let mut split = records.len();
    for (index, record) in records.iter().enumerate().rev() {
        match piece_of(record) {
            Some((kind, partition, true)) => {
                finished.insert((kind, partition));
            }
            Some((kind, partition, false)) if !finished.contains(&(kind, partition)) => {
                split = index;
            }
            _ => {}
        }
    }
    split
}

fn bytes(records: &[PublishedRecord]) -> usize {
    let records = records.iter();
    records
        .map(|record| record.key.len() + record.value.as_ref().map_or(0, Vec::len))
        .sum()
}

/// Where the last release begins, if it may go on: what follows a transaction is its marker, so a position that is
/// further than the next record is behind its end.
fn split_release(records: &[PublishedRecord], behind: Option<&Offset>) -> usize {
    let Some(last) = records.last() else { return 0 };
    if behind.is_some_and(|behind| behind.0 > last.offset.0 + 1) {
        return records.len();
    }
    let release_of = |record: &PublishedRecord| {
        let release = releases::decode(record.value.as_deref()?).ok()?;
        Some((release.month, release.revision))
    };
    let of_last = release_of(last);
    records
        .iter()
        .rposition(|record| release_of(record) != of_last)
        .map_or(0, |before| before + 1)
}

#[cfg(test)]
mod tests {
    use model::{Month, Timestamp};
    use wire::releases::Format;
    use wire::v1::MonthClose;

    use super::*;

    const AT: Published = Published::Partials(0);
    const CLOSES: Published = Published::MonthClose(0);

    fn record(at: Published, offset: i64, key: Vec<u8>, value: Vec<u8>) -> PublishedRecord {
        PublishedRecord {
            at,
            offset: Offset(offset),
            timestamp: Timestamp::from_millis(0),
            key,
            value: Some(value),
        }
    }

    fn piece(offset: i64, partition: u32, bytes: usize) -> PublishedRecord {
        let month = Month::new(2025, 3).unwrap();
        let key = PartialKey::Count {
            kind: "logins",
            partition,
            month,
            lineage: "QHM",
        };
        record(AT, offset, key.encode(), vec![0; bytes])
    }

    fn progress(offset: i64, partition: u32) -> PublishedRecord {
        let kind = "logins";
        let key = PartialKey::Progress { kind, partition };
        record(AT, offset, key.encode(), Vec::new())
    }

    fn close(offset: i64, month: &str, revision: u32) -> PublishedRecord {
        let release = MonthClose {
            month: month.into(),
            revision,
            ..MonthClose::default()
        };
        let value = releases::encode(&release, Format::Protobuf);
        record(CLOSES, offset, b"key".to_vec(), value)
    }

    /// Adds records and the position behind them; what comes back as offsets, and the position.
    fn add(
        holding: &mut Holding,
        records: Vec<PublishedRecord>,
        behind: i64,
    ) -> (Vec<i64>, Option<i64>) {
        let at = records.first().map_or(AT, |record| record.at);
        let ready = holding.add(PublishedBatch {
            records,
            positions: vec![(at, Offset(behind))],
        });
        let offsets = ready.records.iter().map(|record| record.offset.0).collect();
        (
            offsets,
            ready.positions.first().map(|(_, position)| position.0),
        )
    }

    #[test]
    fn the_beginning_of_a_checkpoint_waits_for_its_end() {
        let mut holding = Holding::default();
        let first = vec![
            piece(0, 0, 9),
            progress(1, 0),
            piece(2, 1, 9),
            piece(3, 1, 9),
        ];
        assert_eq!(add(&mut holding, first, 4), (vec![0, 1], Some(2)));
        assert_eq!(
            add(&mut holding, vec![piece(5, 1, 9)], 6),
            (vec![], Some(2))
        );
        assert_eq!(
            add(&mut holding, vec![progress(6, 1)], 8),
            (vec![2, 3, 5, 6], Some(8))
        );
    }

    #[test]
    fn a_checkpoint_behind_an_unfinished_one_waits_with_it() {
        let mut holding = Holding::default();
        let first = vec![piece(0, 1, 9), piece(1, 0, 9), progress(2, 0)];
        assert_eq!(add(&mut holding, first, 3), (vec![], Some(0)));
        assert_eq!(
            add(&mut holding, vec![progress(3, 1)], 5),
            (vec![0, 1, 2, 3], Some(5))
        );
    }

    #[test]
    fn a_stretch_without_an_end_is_let_go_once_it_is_long() {
        let mut holding = Holding::default();
        let half = holding.bytes_max / 2;
        assert_eq!(
            add(&mut holding, vec![piece(0, 0, half)], 1),
            (vec![], Some(0))
        );
        let rest = vec![piece(1, 0, half)];
        assert_eq!(add(&mut holding, rest, 2), (vec![0, 1], Some(2)));
    }

    #[test]
    fn a_checkpoint_that_was_let_go_in_pieces_is_torn_until_its_end_has_been_read() {
        let mut holding = Holding {
            bytes_max: 1,
            ..Holding::default()
        };
        let pieces = vec![piece(0, 0, 9), piece(1, 1, 9)];
        assert_eq!(add(&mut holding, pieces, 2), (vec![0, 1], Some(2)));
        assert!(holding.is_torn());
        add(&mut holding, vec![progress(2, 1)], 3);
        assert!(holding.is_torn());
        add(&mut holding, vec![piece(3, 0, 9), progress(4, 0)], 5);
        assert!(!holding.is_torn());
    }

    #[test]
    fn a_position_alone_moves_the_view() {
        let mut holding = Holding::default();
        assert_eq!(add(&mut holding, vec![], 7), (vec![], Some(7)));
    }

    #[test]
    fn a_release_waits_until_the_position_is_behind_its_marker_or_another_begins() {
        let mut holding = Holding::default();
        let first = vec![close(0, "2025-03", 0), close(1, "2025-03", 0)];
        assert_eq!(add(&mut holding, first, 2), (vec![], Some(0)));
        assert_eq!(
            add(&mut holding, vec![close(2, "2025-03", 0)], 4),
            (vec![0, 1, 2], Some(4))
        );
        let next = vec![close(4, "2025-03", 1), close(6, "2025-04", 0)];
        assert_eq!(add(&mut holding, next, 7), (vec![4], Some(6)));
        let marker = holding.add(PublishedBatch {
            records: Vec::new(),
            positions: vec![(CLOSES, Offset(8))],
        });
        assert_eq!(marker.records.len(), 1);
        assert_eq!(marker.positions, [(CLOSES, Offset(8))]);
    }
}
