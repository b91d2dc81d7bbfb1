//! The loop: one instance of appmi, driven through its ports one turn at a time.
//!
//! A turn reads what was published, takes partitions that the group assigned, counts what came in,
//! commits a checkpoint when one is due, and, as the leader, releases months. Production, the demo and
//! a simulation call the same [`Instance::turn`].

mod checkpointing;
mod leading;
mod measuring;
mod owned;
mod restoring;
mod taking;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{InputPartition, KindId, Timestamp};
use wire::v1;

use crate::aggregate::Counter;
use crate::ports::{Error, Input, Ports};
use crate::view::View;
use crate::{Limits, Occurrence, Options, settings};
use leading::Lead;
use owned::Owned;
use restoring::Restoring;
use taking::Claim;
use watching::Watch;

/// Longest wait for input when nothing else is to be done.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// Longest wait while something else is waited for as well.
const WAIT_BUSY: Duration = Duration::from_millis(5);
/// How often the number of input partitions is asked for.
const COUNTS_INTERVAL: Duration = Duration::from_secs(30);

/// One instance of appmi.
#[derive(Debug)]
pub struct Instance {
    options: Options,
    limits: Limits,
    own_settings: v1::Settings,
    partials_partitions: u32,
    month_close_partitions: u32,
    view: View,
    restoring: Restoring,
    joined: bool,
    /// The number of the settings that were found to be equal to the own ones.
    agreed_settings: Option<u64>,
    assigned: BTreeSet<InputPartition>,
    claims: BTreeMap<InputPartition, Claim>,
    owned: BTreeMap<InputPartition, Owned>,
    counter: Counter,
    /// The time of the last turn.
    turned_at: Timestamp,
    commit_not_before: Timestamp,
    lead: Lead,
    partition_counts: Option<Vec<u32>>,
    counted_at: Timestamp,
    idle_at: Timestamp,
    measured_at: Timestamp,
    measured_last: Option<InputPartition>,
    /// A question about partitions was not answered in this turn.
    is_unanswered: bool,
    take_not_before: Timestamp,
    /// The claim that was asked about alone last, since all of them together were not answered.
    asked_alone: Option<InputPartition>,
    /// What the checkpoint that is due has still to commit.
    uncommitted: BTreeSet<InputPartition>,
    watch: Watch,
}

impl Instance {
    /// Opens the view and begins to read what was published since; none if asked to stop before
    /// the broker answered.
    ///
    /// # Errors
    /// If the view can't be opened or the broker refuses.
    pub fn open(options: Options, ports: &mut Ports<'_>) -> Result<Option<Self>, Error> {
        let topic_ids = loop {
            if ports.host.is_asked_to_stop() {
                return Ok(None);
            }
            if let Some(ids) = ports.journal.topic_ids()? {
                break ids;
            }
            ports.host.observe(&Occurrence::Turned {
                view_ready: false,
                joined: false,
                assigned: 0,
                owned: 0,
                leader: false,
            });
        };
        let (partials, month_close) = ports.journal.partition_counts();
        let (view, discarded) = View::open(
            ports.store,
            options.kinds.clone(),
            options.precision,
            options.first_month,
            topic_ids,
        )?;
        if let Some(why) = discarded {
            ports.host.observe(&Occurrence::ViewDiscarded(why));
        }
        let never = Timestamp::MIN;
        Ok(Some(Self {
            own_settings: settings::of(&options, partials, month_close),
            options,
            limits: Limits::default(),
            partials_partitions: partials,
            month_close_partitions: month_close,
            view,
            restoring: Restoring::Begun,
            joined: false,
            agreed_settings: None,
            assigned: BTreeSet::new(),
            claims: BTreeMap::new(),
            owned: BTreeMap::new(),
            counter: Counter::default(),
            turned_at: never,
            commit_not_before: never,
            lead: Lead::default(),
            partition_counts: None,
            counted_at: never,
            idle_at: never,
            measured_at: never,
            measured_last: None,
            is_unanswered: false,
            take_not_before: never,
            asked_alone: None,
            uncommitted: BTreeSet::new(),
            watch: Watch::default(),
        }))
    }

    /// Sets other limits than the default ones.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.view.set_held_bytes_max(limits.held_bytes);
    }

    /// Turns until asked to stop.
    ///
    /// # Errors
    /// Whatever the process can't go on after. Nothing is lost: what was not committed is counted again.
    pub fn run(&mut self, ports: &mut Ports<'_>) -> Result<(), Error> {
        while self.turn(ports)? {}
        Ok(())
    }

    /// What has been read of the owned topics.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// One turn; false once it was asked to stop and has left the group.
    ///
    /// # Errors
    /// As [`Instance::run`].
    pub fn turn(&mut self, ports: &mut Ports<'_>) -> Result<bool, Error> {
        let now = ports.host.now();
        self.note_clock(now);
        self.is_unanswered = false;
        if ports.host.is_asked_to_stop() {
            self.stop(ports, now)?;
            return Ok(false);
        }
        let has_read = self.read_view(ports)?;
        let view_ready = matches!(self.restoring, Restoring::Done);
        if view_ready {
            self.agree_on_settings()?;
            if !self.joined {
                ports.source.join()?;
                self.joined = true;
            }
            self.refresh_counts(ports, now)?;
            self.lead(ports, now)?;
            self.take(ports, now)?;
            self.receive(ports, now, has_read)?;
            self.measure(ports, now)?;
            self.note_idle(ports, now)?;
            self.checkpoint_if_due(ports, now)?;
            self.watch(ports, now);
        }
        ports.host.observe(&Occurrence::Turned {
            view_ready,
            joined: self.joined && ports.source.is_member(),
            assigned: self.assigned.len(),
            owned: self.owned.len(),
            leader: self.is_leader(),
        });
        Ok(true)
    }

    /// Intervals are measured by the wall clock. When that is set back, whatever waits for one would wait for the
    /// old time to come again, so what began later than now begins now.
    fn note_clock(&mut self, now: Timestamp) {
        if now < self.turned_at {
            for noted in [
                &mut self.commit_not_before,
                &mut self.take_not_before,
                &mut self.counted_at,
                &mut self.idle_at,
                &mut self.measured_at,
            ] {
                *noted = now.min(*noted);
            }
            self.lead.note_clock(now);
            self.watch.note_clock(now);
            for owned in self.owned.values_mut() {
                owned.note_clock(now);
            }
        }
        self.turned_at = now;
    }

    fn agree_on_settings(&mut self) -> Result<(), Error> {
        let Some(recorded) = self.view.settings() else {
            return Ok(());
        };
        if self.agreed_settings == Some(recorded.number) {
            return Ok(());
        }
        let differences = settings::differences(recorded, &self.own_settings);
        if !differences.is_empty() {
            return Err(Error::Configuration(differences.to_text()));
        }
        self.agreed_settings = Some(recorded.number);
        Ok(())
    }

    fn refresh_counts(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        if self.partition_counts.is_none() || now >= self.counted_at.saturating_add(COUNTS_INTERVAL)
        {
            self.counted_at = now;
            if let Some(counts) = ports.source.partition_counts()? {
                self.partition_counts = Some(counts);
            }
        }
        Ok(())
    }

    /// Takes one thing from the input and deals with it.
    fn receive(
        &mut self,
        ports: &mut Ports<'_>,
        now: Timestamp,
        has_read: bool,
    ) -> Result<(), Error> {
        // What is counted waits in memory until it can be committed, however long that takes.
        let is_full = self.is_over_limits();
        let wait = if has_read {
            Duration::ZERO
        } else if self.claims.is_empty() && !is_full && !self.lead.is_reading() {
            WAIT_MAX
        } else {
            WAIT_BUSY
        };
        let input = if is_full {
            ports.source.poll_group(wait)?
        } else {
            ports.source.poll(wait)?
        };
        match input {
            Input::Nothing => {}
            Input::Run { partition, records } => {
                let Some(owned) = self.owned.get_mut(&partition) else {
                    return Ok(());
                };
                let position = owned.aggregate.position;
                if let Some(first) = records.first().filter(|first| first.offset < position) {
                    let offset = first.offset;
                    return Err(self.counted_already(partition, offset, position));
                }
                let sealed_before = self.view.sealed_before();
                let letters = owned.aggregate.dead_letters.len();
                let aggregate = &mut owned.aggregate;
                let tally =
                    self.counter
                        .count(&self.options, aggregate, &records, now, sealed_before);
                owned.note_counted(&tally, letters, now);
                let position = owned.aggregate.position;
                ports.host.observe(&Occurrence::Counted {
                    partition,
                    tally,
                    position,
                });
                if tally.unknown_geography > 0 {
                    let kind = self.options.kinds.get(partition.kind);
                    self.watch.look_at(&self.options, kind, &records, now);
                }
                for letter in &owned.aggregate.dead_letters[letters..] {
                    ports.host.observe(&Occurrence::DeadLettered(letter));
                }
            }
            Input::End {
                partition,
                position,
            } => {
                if let Some(owned) = self.owned.get_mut(&partition) {
                    owned.note_end(position, now);
                }
            }
            Input::Assigned(partitions) => {
                for partition in partitions {
                    ports.host.observe(&Occurrence::Assigned(partition));
                    self.assigned.insert(partition);
                    self.claims.insert(partition, Claim::default());
                }
            }
            Input::Revoked(partitions) => self.give_back(ports, &partitions, now)?,
            Input::Lost(partitions) => self.forget(ports, &partitions, true)?,
        }
        Ok(())
    }

    /// Commits what partitions have counted and gives them back to the group.
    fn give_back(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &[InputPartition],
        now: Timestamp,
    ) -> Result<(), Error> {
        self.checkpoint_last(ports, partitions, now)?;
        // Whatever became of it, the next owner goes on from the group's stable offset.
        self.forget(ports, partitions, false)
    }

    fn forget(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &[InputPartition],
        lost: bool,
    ) -> Result<(), Error> {
        for partition in partitions {
            self.assigned.remove(partition);
            self.claims.remove(partition);
            if self.owned.remove(partition).is_some() {
                ports.host.observe(&Occurrence::Released {
                    partition: *partition,
                    lost,
                });
            }
        }
        ports.source.unassign(partitions)
    }

    /// Commits what was counted and leaves the group.
    fn stop(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        let owned: Vec<InputPartition> = self.owned.keys().copied().collect();
        self.checkpoint_last(ports, &owned, now)?;
        ports.source.leave();
        Ok(())
    }

    /// Commits before partitions are given up, all at once and without stating any to be idle: that would take a
    /// question to the broker for each, and nobody is to wait for the answers.
    fn checkpoint_last(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &[InputPartition],
        now: Timestamp,
    ) -> Result<(), Error> {
        for partition in partitions {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.is_idle = false;
            }
        }
        self.commit_not_before = Timestamp::MIN;
        let mut left = partitions.iter().copied().collect();
        while !BTreeSet::is_empty(&left) && self.checkpoint(ports, &mut left, now)? {}
        Ok(())
    }

    /// The leader owns partition 0 of the first kind's topic.
    fn is_leader(&self) -> bool {
        self.assigned.contains(&InputPartition {
            kind: KindId(0),
            partition: 0,
        })
    }
}
