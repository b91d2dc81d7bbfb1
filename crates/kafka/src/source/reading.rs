//! Where the reading of each partition stands, and what of a revocation is still read.

use std::collections::BTreeSet;

use model::InputPartition;

/// A partition that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    position: i64,
    since_batch: u64,
    belief: Belief,
    /// Where it ended when that was last told, while librdkafka may act upon it.
    told_end: Option<i64>,
}

/// Where librdkafka believes the reading of a partition to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// Where it is.
    Right,
    /// Perhaps elsewhere.
    Doubtful,
    /// It was sent to where reading is, and nothing was read since: it may still act upon what it believed before.
    Corrected,
}

impl Reading {
    /// Reading that begins at `position`; what was fetched in batches before `since_batch` is not of it.
    pub(super) fn new(position: i64, since_batch: u64) -> Self {
        Self {
            position,
            since_batch,
            belief: Belief::Right,
            told_end: None,
        }
    }

    /// Reading that goes on from another position. Until the next record librdkafka believes that what was read before
    /// is consumed, and would go on behind it after a rebalance.
    pub(super) fn sent_to(position: i64, since_batch: u64) -> Self {
        Self {
            belief: Belief::Doubtful,
            ..Self::new(position, since_batch)
        }
    }

    /// Whether a batch was fetched by this reading and not by an earlier one.
    pub(super) fn is_of(&self, batch: u64) -> bool {
        batch >= self.since_batch
    }

    /// The offset of the next record that was not handed over.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Records up to `last` were handed over. librdkafka and we agree again, unless that is the one record that it
    /// believed to be consumed when it told of the end: of which leader's that was it does not know.
    pub(super) fn note_records(&mut self, last: i64) {
        self.position = self.position.max(last + 1);
        if self.told_end.is_none_or(|end| last > end) {
            self.belief = Belief::Right;
            self.told_end = None;
        }
    }

    /// The partition ends at `position`; librdkafka now believes that to be consumed.
    pub(super) fn note_end(&mut self, position: i64) -> i64 {
        self.position = self.position.max(position);
        self.belief = Belief::Doubtful;
        self.told_end = Some(position);
        self.position
    }

    /// An error came in place of a record.
    pub(super) fn note_error(&mut self) {
        self.belief = Belief::Doubtful;
    }

    /// Where librdkafka must be sent, if it is not certain to be there.
    pub(super) fn take_doubt(&mut self) -> Option<i64> {
        if self.belief == Belief::Doubtful {
            self.belief = Belief::Corrected;
            self.told_end = None;
            Some(self.position)
        } else {
            None
        }
    }

    /// Whether librdkafka may have been elsewhere since the last record.
    pub(super) fn was_doubtful(&self) -> bool {
        self.belief != Belief::Right
    }
}

/// Partitions that the group wants back, as far as they were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revocation {
    awaited: BTreeSet<InputPartition>,
    /// Those of them that librdkafka has. It refuses to take away others.
    read: Vec<InputPartition>,
}

impl Revocation {
    /// A revocation of which nothing was given up.
    pub(super) fn new(partitions: &[InputPartition]) -> Self {
        Self {
            awaited: partitions.iter().copied().collect(),
            read: Vec::new(),
        }
    }

    /// Notes that a partition is not handed over any more.
    pub(super) fn note_given_up(&mut self, partition: InputPartition, was_read: bool) {
        if self.awaited.remove(&partition) && was_read {
            self.read.push(partition);
        }
    }

    /// What was given up of it so far and librdkafka still has.
    pub(super) fn given_up(&self) -> &[InputPartition] {
        &self.read
    }

    /// What librdkafka is to take away, once everything was given up.
    pub(super) fn complete(&self) -> Option<&[InputPartition]> {
        self.awaited.is_empty().then_some(&self.read)
    }
}

#[cfg(test)]
mod tests {
    use model::KindId;

    use super::*;

    fn partition(partition: u32) -> InputPartition {
        InputPartition {
            kind: KindId(0),
            partition,
        }
    }

    #[test]
    fn after_an_end_librdkafka_is_doubted_until_the_next_record() {
        let mut reading = Reading::new(10, 3);
        assert_eq!(reading.take_doubt(), None);
        assert_eq!(reading.note_end(12), 12);
        assert_eq!(reading.take_doubt(), Some(12));
        assert_eq!(reading.take_doubt(), None, "it was sent there");
        assert!(reading.was_doubtful());
        reading.note_end(12);
        reading.note_records(14);
        assert_eq!(reading.take_doubt(), None);
        assert!(!reading.was_doubtful());
        assert_eq!(reading.position(), 15);
    }

    #[test]
    fn a_reading_that_was_sent_elsewhere_is_doubted_until_the_next_record() {
        let mut reading = Reading::sent_to(7, 0);
        assert_eq!(reading.take_doubt(), Some(7));
        let mut reading = Reading::sent_to(7, 0);
        reading.note_records(7);
        assert_eq!(reading.take_doubt(), None);
    }

    #[test]
    fn the_first_record_behind_an_end_that_was_told_tells_librdkafka_nothing() {
        let mut reading = Reading::new(10, 0);
        reading.note_end(12);
        reading.note_records(12);
        assert!(reading.was_doubtful());
        assert_eq!(reading.take_doubt(), Some(13));
        reading.note_records(13);
        assert!(!reading.was_doubtful(), "it was sent there before");
        reading.note_end(14);
        reading.note_records(15);
        assert!(!reading.was_doubtful());
    }

    #[test]
    fn a_position_never_goes_back() {
        let mut reading = Reading::new(10, 0);
        reading.note_records(20);
        reading.note_records(15);
        assert_eq!(reading.note_end(12), 21);
    }

    #[test]
    fn batches_of_an_earlier_assignment_are_not_of_this_one() {
        let reading = Reading::new(0, 3);
        assert!(!reading.is_of(2));
        assert!(reading.is_of(3));
    }

    #[test]
    fn a_revocation_is_answered_when_all_of_it_was_given_up_with_what_was_read() {
        let mut revocation = Revocation::new(&[partition(0), partition(1)]);
        assert_eq!(revocation.complete(), None);
        revocation.note_given_up(partition(2), true);
        revocation.note_given_up(partition(1), false);
        assert_eq!(revocation.complete(), None);
        revocation.note_given_up(partition(0), true);
        assert_eq!(revocation.complete(), Some([partition(0)].as_slice()));
    }

    #[test]
    fn an_empty_revocation_is_complete_at_once() {
        assert_eq!(Revocation::new(&[]).complete(), Some([].as_slice()));
    }
}
