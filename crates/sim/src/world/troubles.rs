//! What happens to processes, machines and brokers between turns.

use std::rc::Rc;

use wire::v1;

use super::{World, civil};
use crate::disk::Health;
use crate::faults::Fault;
use crate::invariants::Contents;
use crate::process::Slot;

/// Copies of directories that are kept.
const COPIES_MAX: usize = 4;

impl World {
    /// Something that may go wrong, or an operator who sets something right.
    pub(super) fn trouble(self: &Rc<Self>) {
        let slot = self.any_slot();
        match self.draw(16) {
            0..6 => self.set_right(&slot),
            6 if self.fault(Fault::Expired) => {
                self.note(|| format!("the session of {} times out", slot.index));
                self.cluster.expire(&slot.member.borrow().clone());
                self.join_anew(&slot);
            }
            7 if self.fault(Fault::Rebalance) => self.cluster.rebalance(),
            8 if self.fault(Fault::Kill) => self.kill(&slot),
            9 if self.fault(Fault::PowerLoss) => self.lose_power(&slot),
            10 if slot.is_running.get() && self.fault(Fault::Stop) => {
                slot.is_asked_to_stop.set(true);
            }
            11 if self.fault(Fault::DiskFull) => slot.disk.health.set(Health::Full),
            11 if self.fault(Fault::DiskGone) => slot.disk.health.set(Health::Gone),
            12 if self.fault(Fault::CutOff) => {
                self.note(|| format!("{} is cut off", slot.index));
                slot.is_cut_off.set(true);
                self.cluster.expire(&slot.member.borrow().clone());
            }
            12 if self.fault(Fault::ClockJump) => {
                let most = 12 * civil::HOUR;
                let skew = self.schedule.borrow_mut().between(-most, most);
                slot.skew.set(skew);
            }
            13 => self.trouble_topics(),
            14 if !self.late.borrow().is_empty() && self.fault(Fault::LateCommit) => {
                let mut late = self.late.borrow_mut();
                let at = self.draw(late.len());
                let open = late.swap_remove(at);
                drop(late);
                self.commit(open);
            }
            15 => self.trouble_group(),
            _ => {}
        }
    }

    /// A supervisor starts a process, a disk is mended.
    fn set_right(self: &Rc<Self>, slot: &Rc<Slot>) {
        slot.disk.health.set(Health::Good);
        slot.is_cut_off.set(false);
        if slot.is_running.get() {
            let mut copies = self.copies.borrow_mut();
            if copies.len() == COPIES_MAX {
                let at = self.draw(COPIES_MAX);
                copies.swap_remove(at);
            }
            if slot.process.try_borrow().is_ok() {
                copies.push(slot.disk.contents());
            }
            return;
        }
        if self.fault(Fault::DiskLost) {
            self.replace(slot, &Contents::new());
        } else if self.fault(Fault::OldDisk) {
            let copies = self.copies.borrow();
            if !copies.is_empty() {
                self.replace(slot, &copies[self.draw(copies.len())]);
            }
        } else if self.fault(Fault::OtherDisk) {
            let other = self.any_slot();
            if other.process.try_borrow().is_ok() {
                self.replace(slot, &other.disk.contents());
            }
        }
        self.start(slot);
    }

    fn replace(&self, slot: &Slot, contents: &Contents) {
        slot.disk
            .replace(contents)
            .expect("a disk in memory takes everything");
    }

    /// `kill -9`: what was written is there.
    fn kill(&self, slot: &Slot) {
        self.note(|| format!("{} is killed", slot.index));
        // One in the middle of a turn dies where it is.
        slot.is_dead.set(true);
        let process = slot.process.try_borrow_mut().ok();
        let process = process.and_then(|mut process| process.take());
        if let Some(process) = process {
            self.count(|stats| stats.crashes += 1);
            slot.is_running.set(false);
            self.bury(process);
        }
    }

    fn lose_power(&self, slot: &Slot) {
        if slot.process.try_borrow().is_err() {
            return;
        }
        self.kill(slot);
        let kept = self.draw(slot.disk.unsynced() + 1);
        self.note(|| format!("{} keeps {kept} writes", slot.index));
        slot.disk
            .lose_power(kept)
            .expect("a disk in memory takes everything");
    }

    fn trouble_topics(&self) {
        if self.fault(Fault::SettingsChanged) {
            self.change_settings();
        }
        if self.plan.is_truncated && self.fault(Fault::Truncation) {
            self.cluster.truncate_committed();
        }
        if !self.fault(Fault::Compaction) {
            return;
        }
        let stable = self.cluster.published_stable();
        let (at, stable) = stable[self.draw(stable.len())];
        let mut schedule = self.schedule.borrow_mut();
        let known = schedule.between(0, stable);
        let cleaned = schedule.between(0, known);
        drop(schedule);
        let expired = self.fault(Fault::ExpiredTombstones);
        self.note(|| format!("{at:?} is compacted to {cleaned} of {known}"));
        self.cluster.clean(at, (cleaned, known), expired);
        let mut compacted = self.compacted.borrow_mut();
        let compacted = compacted.entry(at).or_default();
        *compacted = known.max(*compacted);
    }

    /// What happens to a group without members.
    fn trouble_group(self: &Rc<Self>) {
        if self.depth.get() > 0 {
            return;
        }
        if self.fault(Fault::ForgottenGroup) {
            self.stop_all();
            self.cluster.forget_group();
        } else if !self.plan.is_truncated && self.fault(Fault::Reset) {
            // One that nobody stopped is no member, and goes on as soon as it wakes up.
            let slots = self.slots.borrow().clone();
            for slot in slots.iter().filter(|slot| slot.is_running.get()) {
                if self.draw(2) == 0 {
                    self.cluster.expire(&slot.member.borrow().clone());
                } else {
                    self.kill(slot);
                }
            }
            self.wait_for_an_empty_group();
            self.count_anew();
        }
    }

    /// An operator puts another retention in force. Instances that were told the former one end and are started again
    /// with the new one.
    fn change_settings(&self) {
        let Some(in_force) = self.settings_in_force() else {
            return;
        };
        let months = self.schedule.borrow_mut().small(11, 13);
        self.retention_months.set(months);
        self.checker.borrow_mut().note_retention(months);
        self.note(|| format!("{months} months are to be kept"));
        self.write_settings(&v1::Settings {
            number: in_force.number + 1,
            retention_months: months,
            ..in_force
        });
    }

    /// All processes die.
    fn stop_all(&self) {
        let slots = self.slots.borrow().clone();
        for slot in slots.iter().filter(|slot| slot.is_running.get()) {
            self.kill(slot);
        }
        self.wait_for_an_empty_group();
    }

    /// Sessions and transactions time out, their ends are written.
    fn wait_for_an_empty_group(&self) {
        self.pass(2 * civil::MINUTE);
        assert!(!self.cluster.has_members(), "all of them are missed");
        self.write_all_markers();
    }
}
