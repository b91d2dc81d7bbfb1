//! Transactions as a broker carries them: records are written while they are open, the outcome is decided
//! once, and then its markers reach the partitions one by one. A reader that waits for the last stable
//! offset sees a partition's part only behind the marker there, so parts of one transaction become visible
//! at different times.

use engine::ports::{DeadLetter, LeaderRecord, Published};
use model::{InputPartition, Offset, Timestamp};

use crate::cluster::{Cluster, OpenTransaction};
use crate::log::{Epoch, Outcome, State};
use crate::source::Proof;

/// What a transaction writes to, and where its end has to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A partition of a topic that is the record.
    Published(Published),
    /// A partition of an input topic.
    Input(InputPartition),
    /// The dead letters topic.
    DeadLetters,
    /// The group's offsets.
    Offsets,
}

/// The end of a decided transaction that has not been written to one of its places yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    transaction: u64,
    /// Where.
    pub place: Place,
}

/// A transaction that is open or lacks a marker somewhere.
#[derive(Debug)]
pub(crate) struct Underway {
    /// The transactional id; none of a producer of input.
    id: Option<String>,
    began_at: Timestamp,
    letters: Vec<DeadLetter>,
    offsets: Vec<(InputPartition, Offset)>,
}

/// A producer under a transactional id, until another one takes that.
#[derive(Debug)]
pub struct Producer {
    cluster: Cluster,
    id: String,
    epoch: Epoch,
}

/// Why a group does not take offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The transaction is no longer open: the producer was fenced, or the broker timed it out.
    NotOpen,
    /// The group does not know the member. Which partitions it has is not looked at.
    NotMember,
}

impl Producer {
    /// Takes an id: fences whoever had it, aborts what that left open, and returns once the ends of all its
    /// transactions are written.
    #[must_use]
    pub fn take(cluster: &Cluster, id: &str) -> Self {
        let mut state = cluster.0.borrow_mut();
        let epoch = state.fence(id);
        drop(state);
        Self {
            cluster: cluster.clone(),
            id: id.to_owned(),
            epoch,
        }
    }

    /// Begins a transaction, once the ends of the one before are written; none if another producer has the id.
    #[must_use]
    pub fn begin(&self) -> Option<OpenTransaction> {
        let mut state = self.cluster.0.borrow_mut();
        if state.epochs.get(&self.id) != Some(&self.epoch) {
            return None;
        }
        for transaction in state.of_id(&self.id) {
            state.mark_all(transaction);
        }
        Some(OpenTransaction(state.open(Some(&self.id))))
    }
}

impl Cluster {
    /// Writes a record to an owned topic in a transaction; false if that is no longer open.
    pub fn write_in(&self, transaction: OpenTransaction, record: &LeaderRecord) -> bool {
        let mut state = self.0.borrow_mut();
        let is_open = state.is_open(transaction.0);
        if is_open {
            state.write(transaction.0, record);
        }
        is_open
    }

    /// Writes dead letters in a transaction; false if that is no longer open.
    pub fn write_letters_in(&self, transaction: OpenTransaction, letters: &[DeadLetter]) -> bool {
        let mut state = self.0.borrow_mut();
        let is_open = state.is_open(transaction.0);
        if let (true, Some(underway)) = (is_open, state.underway.get_mut(&transaction.0)) {
            underway.letters.extend_from_slice(letters);
        }
        is_open
    }

    /// Adds the group's offsets to a transaction, in the name of a member.
    ///
    /// # Errors
    /// If the group does not know the member, or the transaction is no longer open.
    pub fn write_offsets_in(
        &self,
        transaction: OpenTransaction,
        proof: Proof,
        offsets: &[(InputPartition, Offset)],
    ) -> Result<(), Refused> {
        let state = self.0.borrow();
        if !state.is_open(transaction.0) {
            return Err(Refused::NotOpen);
        }
        if !state.group.is_member(proof.0) {
            return Err(Refused::NotMember);
        }
        drop(state);
        self.write_offsets_of_nobody(transaction, offsets)
    }

    /// Adds the group's offsets to a transaction in nobody's name, as brokers take it from a consumer outside
    /// of the group.
    ///
    /// # Errors
    /// If the transaction is no longer open.
    pub fn write_offsets_of_nobody(
        &self,
        transaction: OpenTransaction,
        offsets: &[(InputPartition, Offset)],
    ) -> Result<(), Refused> {
        let mut state = self.0.borrow_mut();
        if !state.is_open(transaction.0) {
            return Err(Refused::NotOpen);
        }
        if let Some(underway) = state.underway.get_mut(&transaction.0) {
            underway.offsets.extend_from_slice(offsets);
        }
        Ok(())
    }

    /// Whether a transaction is open still.
    #[must_use]
    pub fn is_open(&self, transaction: OpenTransaction) -> bool {
        self.0.borrow().is_open(transaction.0)
    }

    /// Aborts transactions under an id that are open since before then, and fences their producers.
    pub fn time_out(&self, before: Timestamp) {
        let mut state = self.0.borrow_mut();
        let late: Vec<(u64, String)> = state
            .underway
            .iter()
            .filter(|(transaction, underway)| {
                underway.began_at < before && state.is_open(**transaction)
            })
            .filter_map(|(transaction, underway)| Some((*transaction, underway.id.clone()?)))
            .collect();
        for (transaction, id) in late {
            state.bump(&id);
            state.end(transaction, Outcome::Aborted);
        }
    }

    /// Whether the ends of transactions are written one by one, when [`Cluster::write_marker`] says so, instead
    /// of all at once.
    pub fn hold_markers(&self, are_held: bool) {
        self.0.borrow_mut().are_markers_held = are_held;
    }

    /// The ends of decided transactions that are not written yet.
    #[must_use]
    pub fn markers(&self) -> Vec<Marker> {
        let state = self.0.borrow();
        let decided = state.underway.keys().filter(|id| !state.is_open(**id));
        let markers = decided.flat_map(|transaction| {
            let places = state.places(*transaction).into_iter();
            places.map(|place| Marker {
                transaction: *transaction,
                place,
            })
        });
        markers.collect()
    }

    /// Writes one of [`Cluster::markers`].
    pub fn write_marker(&self, marker: Marker) {
        self.0.borrow_mut().mark(marker.transaction, marker.place);
    }
}

impl State {
    pub(crate) fn is_open(&self, transaction: u64) -> bool {
        self.outcomes.get(&transaction) == Some(&Outcome::Open)
    }

    pub(crate) fn open(&mut self, id: Option<&str>) -> u64 {
        self.next_transaction += 1;
        let underway = Underway {
            id: id.map(str::to_owned),
            began_at: self.now,
            letters: Vec::new(),
            offsets: Vec::new(),
        };
        self.outcomes.insert(self.next_transaction, Outcome::Open);
        self.underway.insert(self.next_transaction, underway);
        self.next_transaction
    }

    /// Decides a transaction, if it is open; its markers follow at once or when they are asked for.
    pub(crate) fn end(&mut self, transaction: u64, outcome: Outcome) -> bool {
        if !self.is_open(transaction) {
            return false;
        }
        self.outcomes.insert(transaction, outcome);
        if !self.are_markers_held || self.places(transaction).is_empty() {
            self.mark_all(transaction);
        }
        true
    }

    /// Whether a transaction that is not finished has offsets of the partition.
    pub(crate) fn is_offset_pending(&self, partition: InputPartition) -> bool {
        let mut offsets = self
            .underway
            .values()
            .flat_map(|underway| &underway.offsets);
        offsets.any(|(of, _)| *of == partition)
    }

    fn bump(&mut self, id: &str) -> Epoch {
        let epoch = Epoch(self.epochs.get(id).map_or(0, |epoch| epoch.0 + 1));
        self.epochs.insert(id.to_owned(), epoch);
        epoch
    }

    fn fence(&mut self, id: &str) -> Epoch {
        let epoch = self.bump(id);
        for transaction in self.of_id(id) {
            self.end(transaction, Outcome::Aborted);
            self.mark_all(transaction);
        }
        epoch
    }

    fn of_id(&self, id: &str) -> Vec<u64> {
        let mut found = Vec::new();
        for (transaction, underway) in &self.underway {
            if underway.id.as_deref() == Some(id) {
                found.push(*transaction);
            }
        }
        found
    }

    /// Where the end of a transaction is still to be written.
    fn places(&self, transaction: u64) -> Vec<Place> {
        let written = self
            .partitions()
            .filter(|(_, partition)| partition.is_written_by(transaction))
            .map(|(place, _)| place);
        let mut places: Vec<Place> = written.collect();
        if let Some(underway) = self.underway.get(&transaction) {
            places.extend((!underway.letters.is_empty()).then_some(Place::DeadLetters));
            places.extend((!underway.offsets.is_empty()).then_some(Place::Offsets));
        }
        places
    }

    fn mark_all(&mut self, transaction: u64) {
        for place in self.places(transaction) {
            self.mark(transaction, place);
        }
        self.underway.remove(&transaction);
    }

    fn mark(&mut self, transaction: u64, place: Place) {
        let is_committed = self.outcomes.get(&transaction) == Some(&Outcome::Committed);
        let underway = self.underway.get_mut(&transaction);
        match place {
            Place::Published(at) => self.published_mut(at).mark(transaction),
            Place::Input(partition) => {
                if let Some(partition) = self.inputs.get_mut(&partition) {
                    partition.mark(transaction);
                }
            }
            Place::DeadLetters => {
                let letters = underway.map(|underway| std::mem::take(&mut underway.letters));
                if is_committed {
                    self.dead_letters.extend(letters.into_iter().flatten());
                }
            }
            Place::Offsets => {
                let offsets = underway.map(|underway| std::mem::take(&mut underway.offsets));
                if is_committed {
                    let offsets = offsets.into_iter().flatten();
                    self.group.committed.extend(offsets);
                }
            }
        }
        if self.places(transaction).is_empty() {
            self.underway.remove(&transaction);
        }
    }
}
