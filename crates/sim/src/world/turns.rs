//! Processes: they start, take turns, stand still and die.

use std::rc::Rc;

use engine::ports::Error;

use super::{SESSION_TIMEOUT, World};
use crate::faults::Fault;
use crate::invariants::violated;
use crate::process::{Batches, Process, Slot};

/// How deep worlds go on inside of calls.
const DEPTH_MAX: u32 = 2;

impl World {
    pub(super) fn turn_any(self: &Rc<Self>) {
        let slot = self.any_slot();
        self.turn(&slot);
    }

    /// One turn of an instance, if there is one that is not in the middle of a turn.
    pub(crate) fn turn(self: &Rc<Self>, slot: &Rc<Slot>) {
        let Ok(mut held) = slot.process.try_borrow_mut() else {
            return;
        };
        let Some(process) = held.as_mut() else { return };
        self.count(|stats| stats.turns += 1);
        *slot.highs.borrow_mut() = self.highs();
        let result = process.turn();
        if self.is_over() {
            return;
        }
        let is_dead = slot.is_dead.get();
        match result {
            Ok(true) if !is_dead => return,
            Err(Error::World(why)) => self.note(|| format!("{} ends: {why}", slot.index)),
            Err(Error::Configuration(why)) if process.has_former_settings() => {
                self.note(|| format!("{} ends: {why}", slot.index));
            }
            Err(error) if !is_dead => {
                let invariant = "no instance meets data that contradicts itself";
                return self.violate(violated(invariant, format!("{}: {error}", slot.index)));
            }
            _ => self.note(|| format!("{} has stopped", slot.index)),
        }
        if is_dead {
            self.count(|stats| stats.crashes += 1);
        } else if !slot.is_asked_to_stop.get() {
            self.count(|stats| stats.failures += 1);
        }
        let process = held.take();
        drop(held);
        slot.is_running.set(false);
        if let Some(process) = process {
            self.bury(process);
        }
    }

    /// A dead process is a member of the group until it is missed, at most for the session time-out.
    pub(crate) fn bury(&self, process: Process) {
        let source = process.into_source();
        let until =
            self.cluster.now().as_millis() + self.schedule.borrow_mut().between(0, SESSION_TIMEOUT);
        self.ghosts.borrow_mut().push((until, source));
    }

    /// Starts an instance with what is on its disk.
    pub(crate) fn start(self: &Rc<Self>, slot: &Rc<Slot>) {
        let Ok(mut held) = slot.process.try_borrow_mut() else {
            return;
        };
        if held.is_some() {
            return;
        }
        self.processes.set(self.processes.get() + 1);
        self.count(|stats| stats.starts += 1);
        let number = self.processes.get();
        self.note(|| format!("{} starts as p{number}", slot.index));
        slot.is_dead.set(false);
        slot.is_asked_to_stop.set(false);
        slot.is_cut_off.set(false);
        slot.is_running.set(true);
        let batches = Batches {
            run_records: [1, 3, 100][self.draw(3)],
            journal_bytes: [1, 200, 4000, 4 << 20][self.draw(4)],
        };
        *held = Some(Process::new(self, slot, number, &batches));
    }

    /// The world goes on while a process stands still.
    pub(crate) fn go_on_without(self: &Rc<Self>, slot: &Rc<Slot>) {
        if self.depth.get() >= DEPTH_MAX {
            return;
        }
        self.depth.set(self.depth.get() + 1);
        let expire = || {
            self.note(|| format!("the session of {} times out", slot.index));
            self.cluster.expire(&slot.member.borrow().clone());
        };
        let until = self.cluster.now().as_millis() + SESSION_TIMEOUT;
        if self.draw(2) == 0 {
            expire();
        }
        for _ in 0..self.draw(60) {
            self.step();
        }
        if self.cluster.now().as_millis() > until {
            expire();
        }
        self.join_anew(slot);
        self.depth.set(self.depth.get() - 1);
    }

    /// A client that the group has let go may join by itself before its process looks.
    pub(super) fn join_anew(&self, slot: &Slot) {
        let member = slot.member.borrow().clone();
        let is_let_go = member.proof().is_some() && !self.cluster.is_member(&member);
        if is_let_go && !slot.is_cut_off.get() && self.fault(Fault::JoinedAnew) {
            self.note(|| format!("{} joins anew, and does not know", slot.index));
            self.cluster.join(&member);
        }
    }
}
