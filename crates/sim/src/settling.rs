//! The end of a world: faults stop, everything that was sent is counted, every month is closed, and all books agree.

use std::rc::Rc;

use engine::ports::Published;

use crate::civil::{HOUR, MINUTE, SECOND};
use crate::disk::Health;
use crate::events;
use crate::invariants::{Checked, violated};
use crate::process::Slot;
use crate::world::World;

/// Rounds of ten seconds without anything new after which nothing more is expected: longer than the idle
/// time-out and the checkpoint interval together.
const QUIET_ROUNDS: u32 = 45;
/// Rounds after which something new was expected no longer. An instance that is handed one record at a time reads all
/// of the owned topics, thousands of records after two recounts, some of them twice.
const ROUNDS_MAX: u32 = 20_000;
/// Processes that may end with an error after faults have stopped: those that were fenced or meet a new filling.
const ENDS_MAX: u32 = 30;

impl World {
    pub(crate) fn settle(self: &Rc<Self>) {
        self.note(|| "faults stop".into());
        self.is_calm.set(true);
        self.cluster.hold_markers(false);
        self.feed_all();
        let slots = self.slots.borrow().clone();
        for slot in &slots {
            slot.disk.health.set(Health::Good);
            slot.skew.set(0);
            slot.is_cut_off.set(false);
            slot.is_asked_to_stop.set(false);
        }
        self.pass(2 * MINUTE);
        self.write_all_markers();
        self.settle_now();
        let checked = self.check_committed();
        self.check(checked);
        let end = self.plan.boundary(self.plan.months - 1) + HOUR;
        self.pass((end - self.cluster.now().as_millis()).max(0));
        self.settle_now();
        let interval = self.plan.options.revision_interval.as_millis();
        let interval = i64::try_from(interval).expect("a short time");
        loop {
            let before = self.checker.borrow().releases();
            // Clocks were up to half a day ahead, and so may be the time of the last release.
            self.pass(interval + 13 * HOUR);
            self.settle_now();
            if self.is_over() || self.checker.borrow().releases() == before {
                break;
            }
        }
        if !self.is_over() {
            let checked = self.check_end();
            self.check(checked);
        }
        if !self.is_over() {
            self.restore_from_nothing();
        }
    }

    /// Turns until nothing new has happened for a while.
    fn settle_now(self: &Rc<Self>) {
        let (mut quiet, mut rounds, mut ends) = (0, 0, 0);
        let mut last = self.marks();
        while quiet < QUIET_ROUNDS && !self.is_over() {
            let slots = self.slots.borrow().clone();
            for slot in &slots {
                if !slot.is_running.get() {
                    ends += 1;
                    self.start(slot);
                }
                self.turn(slot);
            }
            self.pass(10 * SECOND);
            let marks = self.marks();
            quiet = if marks == last { quiet + 1 } else { 0 };
            last = marks;
            rounds += 1;
            if rounds > ROUNDS_MAX {
                let invariant = "when faults stop, everything comes to rest";
                self.violate(violated(invariant, "it does not"));
            }
            if ends > ENDS_MAX {
                let invariant = "when faults stop, instances stay up";
                self.violate(violated(invariant, "they do not"));
            }
        }
    }

    /// What changes for as long as something happens.
    fn marks(&self) -> (u64, u64, (usize, usize)) {
        let checker = self.checker.borrow();
        let checkpoints = checker.numbers().values().sum();
        (checkpoints, self.deliveries.get(), checker.releases())
    }

    /// Everything that was sent is counted and committed.
    fn check_committed(&self) -> Checked {
        let checker = self.checker.borrow();
        for (partition, high) in self.highs() {
            let position = checker.last(partition).position;
            if position != high {
                let name = checker.name(partition);
                return Err(violated(
                    "when faults stop, everything is committed within minutes",
                    format!("{name} to {position} of {high}"),
                ));
            }
        }
        Ok(())
    }

    fn check_end(&self) -> Checked {
        self.check_disks();
        self.check_committed()?;
        let checker = self.checker.borrow();
        checker.settled(self.plan.months)?;
        let slots = self.slots.borrow();
        for slot in slots.iter() {
            checker.whole_view(&slot.disk.contents())?;
        }
        self.check_pseudonyms()?;
        let compacted = self.compacted.borrow();
        if !compacted
            .keys()
            .any(|at| matches!(at, Published::MonthClose(_)))
        {
            checker.subscribed(&self.cluster.released())?;
        }
        checker.all_dead_letters(&self.dead_letters())
    }

    /// No account id is on a disk or in a topic that is read by others than its owner.
    fn check_pseudonyms(&self) -> Checked {
        let slots = self.slots.borrow();
        let disks = slots.iter().flat_map(|slot| slot.disk.contents());
        let partials = self.cluster.partials().into_iter();
        let partials = partials.map(|(key, value)| (key, value.unwrap_or_default()));
        let released = self.cluster.released().into_iter();
        let released = released.map(|(key, value, _)| (key, value));
        for (key, value) in disks.chain(partials).chain(released) {
            if [&key, &value]
                .iter()
                .any(|bytes| events::names_an_account(bytes))
            {
                let found = key.escape_ascii().to_string();
                return Err(violated("no account id is kept", found));
            }
        }
        Ok(())
    }

    /// A new instance reads everything that was published, and knows the same.
    fn restore_from_nothing(self: &Rc<Self>) {
        let slot = Rc::new(Slot::new(self.slots.borrow().len()));
        self.slots.borrow_mut().push(Rc::clone(&slot));
        self.settle_now();
        if !self.is_over() {
            self.check_disks();
            let checked = self.checker.borrow().whole_view(&slot.disk.contents());
            self.check(checked);
        }
    }
}
