//! The engine's ports on the simulated deployment, with faults at every call.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use engine::Occurrence;
use engine::ports::{
    Bounds, Change, Error, Host, Input, Journal, Published, PublishedBatch, Source, Store, Visit,
};
use memlog::{MemJournal, MemSource, MemStore};
use model::{InputPartition, Offset, Timestamp};
use wire::partials::PartialKey;
use wire::v1;

use crate::faults::Fault;
use crate::process::Slot;
use crate::variants::Variant;
use crate::world::World;

/// Where a process runs: what all its ports know.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) world: Rc<World>,
    pub(crate) slot: Rc<Slot>,
}

impl Seat {
    /// Before a call: the process may die, stand still or be refused.
    pub(crate) fn enter(&self, call: &'static str) -> Result<(), Error> {
        self.alive()?;
        self.interrupt(call)?;
        if self.world.fault(Fault::Refusal) {
            return Err(Error::World(format!("{call}: the broker refuses")));
        }
        Ok(())
    }

    /// In the middle of a call or behind it: the process may die or stand still.
    pub(crate) fn interrupt(&self, call: &'static str) -> Result<(), Error> {
        if self.world.fault(Fault::Crash) {
            self.note(|| format!("dies in {call}"));
            self.slot.is_dead.set(true);
        } else if self.world.fault(Fault::Pause) {
            self.note(|| format!("stands still in {call}"));
            self.world.go_on_without(&self.slot);
            self.note(|| format!("wakes up in {call}"));
        }
        self.alive()
    }

    /// Nothing that a dead process does has an effect.
    pub(crate) fn alive(&self) -> Result<(), Error> {
        if self.slot.is_dead.get() || self.world.is_over() {
            Err(Error::World("the process is dead".into()))
        } else {
            Ok(())
        }
    }

    /// Whether a question to the brokers is not answered in time.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.slot.is_cut_off.get() || self.world.fault(Fault::NoAnswer)
    }

    fn note_input(&self, input: &Input<'_>) {
        if let Input::Assigned(_) | Input::Revoked(_) | Input::Lost(_) = input {
            self.world.count(|stats| stats.rebalances += 1);
        }
        match input {
            Input::Nothing => {}
            Input::Run { partition, records } => self.note(|| {
                let last = records.last().map(|record| record.offset);
                format!("reads {} of {partition:?} to {last:?}", records.len())
            }),
            other => self.note(|| format!("polls {other:?}")),
        }
    }

    pub(crate) fn is(&self, variant: Variant) -> bool {
        self.world.setting.variant == Some(variant)
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        self.world
            .note(|| format!("{} {}", self.slot.index, line()));
    }
}

pub(crate) struct SimSource {
    pub(crate) inner: MemSource,
    pub(crate) seat: Seat,
}

impl Source for SimSource {
    fn join(&mut self) -> Result<(), Error> {
        self.seat.enter("join")?;
        self.seat.note(|| "joins".into());
        self.inner.join()
    }

    fn poll(&mut self, wait: Duration) -> Result<Input<'_>, Error> {
        self.seat.enter("poll")?;
        if self.seat.slot.is_cut_off.get() {
            return Ok(Input::Nothing);
        }
        let input = self.inner.poll(wait)?;
        self.seat.note_input(&input);
        Ok(input)
    }

    fn poll_group(&mut self, wait: Duration) -> Result<Input<'_>, Error> {
        self.seat.enter("poll")?;
        if self.seat.slot.is_cut_off.get() {
            return Ok(Input::Nothing);
        }
        let input = self.inner.poll_group(wait)?;
        self.seat.note_input(&input);
        Ok(input)
    }

    fn assign(&mut self, from: &[(InputPartition, Offset)]) -> Result<(), Error> {
        self.seat.enter("assign")?;
        self.inner.assign(from)
    }

    fn unassign(&mut self, partitions: &[InputPartition]) -> Result<(), Error> {
        self.seat.enter("unassign")?;
        self.inner.unassign(partitions)
    }

    fn committed(
        &mut self,
        partitions: &[InputPartition],
    ) -> Result<Option<Vec<Option<Offset>>>, Error> {
        self.seat.enter("committed")?;
        if self.seat.is_unanswered() {
            return Ok(None);
        }
        let offsets = if self.seat.is(Variant::PartitionTakenBeforeTheViewCaughtUp) {
            Some(vec![None; partitions.len()])
        } else if self.seat.is(Variant::OffsetsThatAreNotStable) {
            let cluster = &self.seat.world.cluster;
            let offsets = partitions.iter().map(|of| cluster.committed(*of));
            Some(offsets.collect())
        } else {
            self.inner.committed(partitions)?
        };
        self.seat
            .note(|| format!("is told offsets {offsets:?} of {partitions:?}"));
        self.seat.interrupt("committed")?;
        Ok(offsets)
    }

    fn bounds(&mut self, partitions: &[InputPartition]) -> Result<Option<Vec<Bounds>>, Error> {
        self.seat.enter("bounds")?;
        if self.seat.is_unanswered() {
            return Ok(None);
        }
        let mut bounds = self.inner.bounds(partitions)?;
        if self.seat.is(Variant::IdleBeforeOpenTransactions) {
            for (partition, bounds) in partitions.iter().zip(bounds.iter_mut().flatten()) {
                let stable = self.seat.world.cluster.stable(*partition);
                bounds.high = stable.unwrap_or(bounds.high);
            }
        }
        self.seat.interrupt("bounds")?;
        Ok(bounds)
    }

    fn partition_counts(&mut self) -> Result<Option<Vec<u32>>, Error> {
        self.seat.enter("partition_counts")?;
        if self.seat.is_unanswered() {
            return Ok(None);
        }
        let counts = self.inner.partition_counts()?;
        self.seat.interrupt("partition_counts")?;
        Ok(counts)
    }

    /// What the client believes: it learns of a lost membership only when it polls.
    fn is_member(&mut self) -> bool {
        self.inner.is_member() || self.seat.is_unanswered()
    }

    fn leave(&mut self) {
        if self.seat.alive().is_ok() {
            self.inner.leave();
        }
    }
}

pub(crate) struct SimJournal {
    inner: MemJournal,
    seat: Seat,
    /// Where reading goes on, as it was handed over.
    read: BTreeMap<Published, Offset>,
}

impl SimJournal {
    pub(crate) fn new(mut inner: MemJournal, seat: &Seat) -> Self {
        if seat.is(Variant::UncommittedRecordsRead) {
            inner.read_uncommitted();
        }
        Self {
            inner,
            seat: seat.clone(),
            read: BTreeMap::new(),
        }
    }
}

impl Journal for SimJournal {
    fn partition_counts(&self) -> (u32, u32) {
        self.inner.partition_counts()
    }

    fn start(&mut self, from: &[(Published, Offset)]) -> Result<(), Error> {
        self.seat.enter("start")?;
        self.seat
            .note(|| format!("reads the journal from {from:?}"));
        self.read = from.iter().copied().collect();
        self.inner.start(from)
    }

    fn poll(&mut self, wait: Duration) -> Result<PublishedBatch, Error> {
        self.seat.enter("journal")?;
        if self.seat.is_unanswered() {
            return Ok(PublishedBatch::default());
        }
        self.inner.begin_with(self.seat.world.draw(6));
        let mut batch = self.inner.poll(wait)?;
        if !batch.positions.is_empty() {
            self.seat.world.note_delivery();
            self.seat.note(|| {
                let records = batch.records.len();
                format!("reads {records} published, to {:?}", batch.positions)
            });
        }
        self.read.extend(batch.positions.iter().copied());
        if self.seat.is(Variant::OlderPartialAppliedOverNewer) {
            batch.records.iter_mut().for_each(|record| {
                rewrite(&record.key, &mut record.value, |count: &mut v1::Count| {
                    count.checkpoint = u64::MAX;
                });
            });
        }
        if self.seat.is(Variant::WindowLostOnRestore) {
            batch.records.iter_mut().for_each(|record| {
                rewrite(
                    &record.key,
                    &mut record.value,
                    |progress: &mut v1::Progress| {
                        progress.window = None;
                    },
                );
            });
        }
        self.seat.interrupt("journal")?;
        Ok(batch)
    }

    fn topic_ids(&mut self) -> Result<Option<[[u8; 16]; 2]>, Error> {
        self.seat.enter("topic_ids")?;
        if self.seat.is_unanswered() {
            return Ok(None);
        }
        self.inner.topic_ids()
    }

    fn ends(&mut self) -> Result<Option<Vec<(Published, Offset)>>, Error> {
        self.seat.enter("ends")?;
        if self.seat.is_unanswered() {
            return Ok(None);
        }
        let is_of_leader = self.seat.slot.has_taken.replace(false);
        let trusts_memory = if is_of_leader {
            self.seat.is(Variant::LeaderThatTrustsItsMemory)
        } else {
            self.seat.is(Variant::PartitionTakenBeforeTheViewCaughtUp)
        };
        let mut ends = self.inner.ends()?;
        if trusts_memory && !self.read.is_empty() {
            for (at, end) in ends.iter_mut().flatten() {
                *end = self.read.get(at).copied().unwrap_or(Offset(0));
            }
        }
        if !is_of_leader && self.seat.is(Variant::PartitionTakenAtEqualPositions) {
            for (_, end) in ends.iter_mut().flatten() {
                *end = Offset(0);
            }
        }
        self.seat.interrupt("ends")?;
        Ok(ends)
    }
}

/// Which record of the partials topic a message is the value of.
trait Piece: prost::Message + Default {
    fn is_at(key: PartialKey<'_>) -> bool;
}

impl Piece for v1::Count {
    fn is_at(key: PartialKey<'_>) -> bool {
        matches!(key, PartialKey::Count { .. })
    }
}

impl Piece for v1::Progress {
    fn is_at(key: PartialKey<'_>) -> bool {
        matches!(key, PartialKey::Progress { .. })
    }
}

fn rewrite<M: Piece>(key: &[u8], value: &mut Option<Vec<u8>>, change: impl FnOnce(&mut M)) {
    if let (Ok(key), Some(bytes)) = (PartialKey::decode(key), value)
        && M::is_at(key)
        && let Ok(mut message) = M::decode(bytes.as_slice())
    {
        change(&mut message);
        *bytes = message.encode_to_vec();
    }
}

pub(crate) struct SimStore {
    /// The directory as it was opened.
    opened: MemStore,
    seat: Seat,
}

impl SimStore {
    pub(crate) fn open(seat: &Seat) -> Self {
        Self {
            opened: seat.slot.disk.store(),
            seat: seat.clone(),
        }
    }
}

impl Store for SimStore {
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error> {
        self.seat.slot.disk.readable()?;
        self.opened.get(key, into)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Error> {
        self.seat.slot.disk.readable()?;
        self.opened.scan(from, to, visit)
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), Error> {
        self.seat.alive()?;
        let disk = &self.seat.slot.disk;
        if self.seat.world.fault(Fault::Crash) {
            self.seat.slot.is_dead.set(true);
        }
        self.seat.alive()?;
        if self.seat.is(Variant::PositionWrittenBeforeItsRecords) {
            let (first, rest): (Vec<Change>, Vec<Change>) = changes.iter().cloned().partition(
                |change| matches!(change, Change::Put(key, _) if key.starts_with(b"read/")),
            );
            disk.write(&first)?;
            self.seat.interrupt("write")?;
            disk.write(&rest)?;
        } else {
            disk.write(changes)?;
        }
        self.seat.interrupt("write")
    }
}

pub(crate) struct SimHost {
    pub(crate) seat: Seat,
}

impl Host for SimHost {
    fn now(&mut self) -> Timestamp {
        let now = self.seat.world.cluster.now().as_millis();
        Timestamp::from_millis(now + self.seat.slot.skew.get())
    }

    fn is_asked_to_stop(&mut self) -> bool {
        self.seat.slot.is_asked_to_stop.get() || self.seat.alive().is_err()
    }

    fn random_id(&mut self) -> [u8; 16] {
        self.seat.world.filling()
    }

    fn observe(&mut self, occurrence: &Occurrence<'_>) {
        self.seat.world.count(|stats| stats.observe(occurrence));
        match occurrence {
            Occurrence::Turned { .. }
            | Occurrence::Restoring { .. }
            | Occurrence::Measured { .. }
            | Occurrence::Watermark { .. }
            | Occurrence::Standing(_)
            | Occurrence::WaitingLong { .. }
            | Occurrence::Waiting { .. } => {}
            other => self.seat.note(|| format!("{other:?}")),
        }
    }
}
