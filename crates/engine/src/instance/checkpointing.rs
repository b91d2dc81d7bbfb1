//! When checkpoints are committed, and what follows when that fails.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use model::{InputPartition, Month, Timestamp};

use super::Instance;
use super::owned::Owned;
use super::taking::Claim;
use crate::checkpoint::{self, Checkpoint, Statement};
use crate::ports::{CommitError, Error, Ports, Store, Transaction};
use crate::view::keys;
use crate::{Occurrence, closing};

/// Pause before an aborted transaction is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl Instance {
    pub(super) fn checkpoint_if_due(
        &mut self,
        ports: &mut Ports<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.note_floors(now);
        if self.uncommitted.is_empty() && self.is_checkpoint_due(now) {
            self.uncommitted = self.owned.keys().copied().collect();
        }
        let mut left = std::mem::take(&mut self.uncommitted);
        let result = self.checkpoint(ports, &mut left, now);
        self.uncommitted = left;
        result.map(drop)
    }

    fn is_checkpoint_due(&self, now: Timestamp) -> bool {
        let interval = self.options.checkpoint_interval;
        let is_overdue = |since: Timestamp| now >= since.saturating_add(interval);
        self.is_over_limits()
            || self
                .owned
                .values()
                .any(|owned| owned.idle_is_due || owned.changed_since.is_some_and(is_overdue))
    }

    /// Whether what is counted and not committed is as large as it may get.
    pub(super) fn is_over_limits(&self) -> bool {
        let mut held = 0;
        let mut is_over = false;
        for owned in self.owned.values() {
            let bytes = owned.aggregate.delta.changed_bytes();
            held += bytes;
            is_over |= bytes >= self.limits.partition_bytes
                || owned.aggregate.dead_letters.len() >= self.limits.letters
                || owned.letter_bytes >= self.limits.letter_bytes;
        }
        is_over || held >= self.limits.delta_bytes
    }

    /// Commits what has changed in these partitions, in one transaction as far as that reaches, and takes those away
    /// that it has dealt with. False if nothing can be committed now.
    pub(super) fn checkpoint(
        &mut self,
        ports: &mut Ports<'_>,
        left: &mut BTreeSet<InputPartition>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        if now < self.commit_not_before {
            return Ok(false);
        }
        let idle = self.idle_among(ports, left)?;
        let mut checkpoints = Vec::new();
        let mut done = BTreeSet::new();
        let mut bytes = 0;
        for partition in left.iter() {
            let Some(checkpoint) = self.prepare(ports, *partition, idle.contains(partition))?
            else {
                done.insert(*partition);
                continue;
            };
            bytes += checkpoint.bytes();
            checkpoints.push(checkpoint);
            if bytes >= self.limits.transaction_bytes {
                break;
            }
        }
        let partitions = checkpoints.iter().map(|checkpoint| checkpoint.partition);
        let partitions: Vec<InputPartition> = partitions.collect();
        let is_committed = checkpoints.is_empty() || self.commit(ports, checkpoints, now)?;
        if is_committed {
            done.extend(partitions);
        }
        left.retain(|partition| !done.contains(partition));
        Ok(is_committed)
    }

    /// Gives up what was counted since the last checkpoint and takes the partitions anew, from what is
    /// published: it is not known whether that is from before or behind a transaction, and no offset tells
    /// of one that did not move it.
    /// They stay assigned all the while.
    fn take_again(&mut self, partitions: &[InputPartition]) {
        for partition in partitions {
            self.owned.remove(partition);
            if self.assigned.contains(partition) {
                self.claims.insert(*partition, Claim::default());
            }
        }
    }

    fn note_floors(&mut self, now: Timestamp) {
        let Some(due) = closing::floor_due(&self.options, &self.view) else {
            return;
        };
        for owned in self
            .owned
            .values_mut()
            .filter(|owned| owned.aggregate.floor < due)
        {
            owned.changed_since.get_or_insert(now);
        }
    }

    /// The floor of a partition's next checkpoint. It rises by one month of cells at a time, which bounds
    /// the tombstones.
    fn next_floor(
        &self,
        store: &dyn Store,
        partition: InputPartition,
        owned: &Owned,
    ) -> Result<Month, Error> {
        let floor = owned.aggregate.floor;
        let due = closing::floor_due(&self.options, &self.view).filter(|due| *due > floor);
        let Some(due) = due else { return Ok(floor) };
        let kind = self.view.kind_name(partition);
        let (from, to) = (
            keys::counts_begin(kind, partition.partition),
            keys::counts_from(kind, partition.partition, due),
        );
        let mut first = None;
        store.scan(&from, &to, &mut |key, _| {
            first = keys::count_of(key).map(|(_, month, _)| month);
            ControlFlow::Break(())
        })?;
        Ok(first.map_or(due, Month::next))
    }

    /// Lays what a partition has counted over the view; none if there is nothing to commit.
    fn prepare(
        &mut self,
        ports: &mut Ports<'_>,
        partition: InputPartition,
        idle: bool,
    ) -> Result<Option<Checkpoint>, Error> {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Ok(None);
        };
        owned.idle_is_due &= idle;
        if !owned.may_have_changed() {
            return Ok(None);
        }
        let owned = &self.owned[&partition];
        let floor = self.next_floor(ports.store, partition, owned)?;
        if !idle && !owned.has_changed(floor) {
            // Months that are read from several partitions may let a floor rise, and not any more.
            self.owned
                .entry(partition)
                .and_modify(Owned::note_unchanged);
            return Ok(None);
        }
        let owned = &self.owned[&partition];
        let statement = Statement {
            number: owned.number + 1,
            settings: self
                .agreed_settings
                .expect("nothing is taken before the settings are known"),
            topic_id: owned.topic_id,
            idle,
            floor,
        };
        if statement.floor > owned.aggregate.floor {
            ports.host.observe(&Occurrence::FloorRaised {
                partition,
                floor: statement.floor,
            });
        }
        let (aggregate, partials) = (&owned.aggregate, self.partials_partitions);
        checkpoint::prepare(
            &self.options,
            &self.view,
            ports.store,
            aggregate,
            statement,
            partials,
        )
        .map(Some)
    }

    /// Of which partitions a checkpoint made now may state that they are idle: nothing was counted since they were
    /// found so, and they stand at the high watermark still. Only those are asked about that have something to commit.
    fn idle_among(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &BTreeSet<InputPartition>,
    ) -> Result<BTreeSet<InputPartition>, Error> {
        let may_be_idle = |partition: &&InputPartition| {
            let owned = self.owned.get(partition);
            owned.is_some_and(|owned| owned.is_idle() && owned.may_have_changed())
        };
        let asked: Vec<_> = partitions.iter().filter(may_be_idle).copied().collect();
        self.at_their_ends(ports, &asked)
    }

    /// Commits one transaction; false if that failed and the rest had better wait.
    fn commit(
        &mut self,
        ports: &mut Ports<'_>,
        mut checkpoints: Vec<Checkpoint>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let bytes = checkpoints.iter().map(Checkpoint::bytes).sum();
        let mut transaction = Transaction::default();
        for checkpoint in &mut checkpoints {
            transaction.partials.append(&mut checkpoint.partials);
            transaction
                .dead_letters
                .append(&mut checkpoint.dead_letters);
            transaction
                .offsets
                .push((checkpoint.partition, checkpoint.to));
        }
        ports.host.observe(&Occurrence::CheckpointBegins {
            partitions: checkpoints.len(),
            records: transaction.partials.len(),
            bytes,
        });
        let error = match ports.checkpoints.commit(&transaction) {
            Ok(()) => {
                self.note_committed(ports, &transaction, &checkpoints)?;
                return Ok(true);
            }
            Err(CommitError::Fatal(error)) => return Err(error),
            Err(error) => error,
        };
        ports
            .host
            .observe(&Occurrence::CheckpointFailed(&error.to_string()));
        self.commit_not_before = now.saturating_add(RETRY_PAUSE);
        if matches!(error, CommitError::Unknown(_)) {
            let partitions: Vec<InputPartition> = checkpoints
                .iter()
                .map(|checkpoint| checkpoint.partition)
                .collect();
            self.take_again(&partitions);
        }
        Ok(false)
    }

    fn note_committed(
        &mut self,
        ports: &mut Ports<'_>,
        transaction: &Transaction,
        checkpoints: &[Checkpoint],
    ) -> Result<(), Error> {
        self.view
            .apply_own(ports.store, transaction.partials.iter())?;
        for checkpoint in checkpoints {
            if let Some(owned) = self.owned.get_mut(&checkpoint.partition) {
                let Statement { number, floor, .. } = checkpoint.statement;
                owned.note_committed(number, checkpoint.to, floor);
            }
        }
        let events = checkpoints.iter().map(|checkpoint| checkpoint.events).sum();
        ports
            .host
            .observe(&Occurrence::CheckpointCommitted { events });
        Ok(())
    }
}
