//! When checkpoints are committed, and what follows when that fails.

use std::time::Duration;

use model::{InputPartition, Month, Timestamp};

use super::Instance;
use super::owned::Owned;
use super::taking::Claim;
use crate::Occurrence;
use crate::checkpoint::{self, Checkpoint, Statement};
use crate::ports::{CommitError, Error, Ports, Transaction};

/// A transaction takes no further partition once it is this large.
const TRANSACTION_BYTES: usize = 16 << 20;
/// Registers held by all deltas together, in bytes, that make a checkpoint due.
const DELTA_BYTES_MAX: usize = 96 << 20;
/// Registers held by the delta of one partition that make a checkpoint due.
const PARTITION_BYTES_MAX: usize = 12 << 20;
/// Dead letters of a partition that make a checkpoint due.
const DEAD_LETTERS_MAX: usize = 4096;
/// Pause before an aborted transaction is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// A transaction of which it is not known whether it was committed.
#[derive(Debug)]
pub(super) struct Unresolved {
    checkpoints: Vec<Checkpoint>,
}

impl Instance {
    pub(super) fn checkpoint_if_due(
        &mut self,
        ports: &mut Ports<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.note_floors(now);
        let interval = self.options.checkpoint_interval;
        let held: usize = self
            .owned
            .values()
            .map(|owned| owned.aggregate.delta.bytes())
            .sum();
        let is_due = self.owned.values().any(|owned| {
            owned.idle_is_due
                || owned.aggregate.delta.bytes() >= PARTITION_BYTES_MAX
                || owned.aggregate.dead_letters.len() >= DEAD_LETTERS_MAX
                || owned
                    .changed_since
                    .is_some_and(|since| now >= since.saturating_add(interval))
        });
        if is_due || held >= DELTA_BYTES_MAX {
            let owned: Vec<InputPartition> = self.owned.keys().copied().collect();
            self.checkpoint(ports, &owned, now)?;
        }
        Ok(())
    }

    /// Commits what has changed in these partitions, in as many transactions as it takes.
    pub(super) fn checkpoint(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &[InputPartition],
        now: Timestamp,
    ) -> Result<(), Error> {
        if now < self.commit_not_before || self.unresolved.is_some() {
            return Ok(());
        }
        let mut checkpoints = Vec::new();
        let mut bytes = 0;
        for (index, partition) in partitions.iter().enumerate() {
            if let Some(checkpoint) = self.prepare(ports, *partition)? {
                bytes += checkpoint.bytes();
                checkpoints.push(checkpoint);
            }
            let is_last = index + 1 == partitions.len();
            if !checkpoints.is_empty() && (is_last || bytes >= TRANSACTION_BYTES) {
                bytes = 0;
                if !self.commit(ports, std::mem::take(&mut checkpoints), now)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Finds out what became of a transaction whose outcome is not known.
    pub(super) fn resolve(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        let Some(unresolved) = self.unresolved.take() else {
            return Ok(());
        };
        let partitions: Vec<InputPartition> = unresolved
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.partition)
            .collect();
        let Some(committed) = ports.source.committed(&partitions)? else {
            self.unresolved = Some(unresolved);
            return Ok(());
        };
        let moved: Vec<_> = unresolved
            .checkpoints
            .iter()
            .zip(&committed)
            .filter(|(checkpoint, _)| checkpoint.from != checkpoint.to)
            .collect();
        let is_committed = !moved.is_empty()
            && moved
                .iter()
                .all(|(checkpoint, committed)| **committed == Some(checkpoint.to));
        let is_not = moved.iter().all(|(checkpoint, committed)| {
            committed.is_none_or(|offset| offset == checkpoint.from)
        });
        if is_committed {
            self.note_committed(ports, &unresolved.checkpoints)
        } else if is_not {
            // The memory stands; the same step is repeated.
            self.commit_not_before = now.saturating_add(RETRY_PAUSE);
            Ok(())
        } else {
            // Somebody else has gone on: whatever we still own is taken again.
            self.take_again(ports, &partitions)
        }
    }

    fn take_again(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &[InputPartition],
    ) -> Result<(), Error> {
        let kept: Vec<InputPartition> = partitions
            .iter()
            .copied()
            .filter(|partition| self.assigned.contains(partition))
            .collect();
        self.forget(ports, partitions, true)?;
        for partition in kept {
            self.assigned.insert(partition);
            self.claims.insert(partition, Claim::default());
        }
        Ok(())
    }

    /// The first month that partitions should keep: `retention_months` behind the latest closed one.
    /// Every month whose 12-month window holds a dropped month is closed, since at least 11 are kept.
    fn floor_due(&self) -> Option<Month> {
        let retention = i32::try_from(self.options.retention_months).unwrap_or(i32::MAX);
        self.view
            .latest_closed()
            .map(|latest| latest.plus(-retention))
    }

    fn note_floors(&mut self, now: Timestamp) {
        let Some(due) = self.floor_due() else { return };
        for owned in self
            .owned
            .values_mut()
            .filter(|owned| owned.aggregate.floor < due)
        {
            owned.changed_since.get_or_insert(now);
        }
    }

    /// The floor of a partition's next checkpoint. It rises by a month at a time, which bounds the tombstones.
    fn next_floor(&self, owned: &Owned) -> Month {
        let floor = owned.aggregate.floor;
        match self.floor_due() {
            Some(due) if due > floor => floor.next(),
            _ => floor,
        }
    }

    fn prepare(
        &self,
        ports: &mut Ports<'_>,
        partition: InputPartition,
    ) -> Result<Option<Checkpoint>, Error> {
        let Some(owned) = self.owned.get(&partition) else {
            return Ok(None);
        };
        if owned.changed_since.is_none() && !owned.idle_is_due {
            return Ok(None);
        }
        let statement = Statement {
            number: owned.number + 1,
            settings: self
                .agreed_settings
                .expect("nothing is taken before the settings are known"),
            topic_id: owned.topic_id,
            idle: owned.states_idle(),
            floor: self.next_floor(owned),
        };
        if statement.floor > owned.aggregate.floor {
            ports.host.observe(&Occurrence::FloorRaised {
                partition,
                floor: statement.floor,
            });
        }
        let (aggregate, partials) = (&owned.aggregate, self.partials_partitions);
        let from = owned.committed;
        checkpoint::prepare(
            &self.options,
            &self.view,
            ports.store,
            aggregate,
            from,
            statement,
            partials,
        )
        .map(Some)
    }

    /// Commits one transaction; false if that failed and the rest had better wait.
    fn commit(
        &mut self,
        ports: &mut Ports<'_>,
        mut checkpoints: Vec<Checkpoint>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut transaction = Transaction::default();
        for checkpoint in &mut checkpoints {
            transaction
                .partials
                .extend(checkpoint.partials.iter().cloned());
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
            bytes: checkpoints.iter().map(Checkpoint::bytes).sum(),
        });
        let error = match ports.checkpoints.commit(&transaction) {
            Ok(()) => return self.note_committed(ports, &checkpoints).map(|()| true),
            Err(error) => error,
        };
        if let CommitError::Fatal(error) = error {
            return Err(error);
        }
        ports
            .host
            .observe(&Occurrence::CheckpointFailed(&error.to_string()));
        self.commit_not_before = now.saturating_add(RETRY_PAUSE);
        if matches!(error, CommitError::Unknown(_)) {
            self.unresolved = Some(Unresolved { checkpoints });
        }
        Ok(false)
    }

    fn note_committed(
        &mut self,
        ports: &mut Ports<'_>,
        checkpoints: &[Checkpoint],
    ) -> Result<(), Error> {
        let partials = checkpoints
            .iter()
            .flat_map(|checkpoint| &checkpoint.partials);
        self.view.apply_own(ports.store, partials)?;
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
