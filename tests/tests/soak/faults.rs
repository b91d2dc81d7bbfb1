//! What can happen to an instance or the broker.

use std::time::{Duration, Instant};

use tests::system::{Instance, Scene, State};
use tests::wait_at_most;

use crate::report::{IN_CHECKPOINT, IN_RELEASE};
use crate::site::Site;

/// How long a transaction is waited for; one is begun every few milliseconds while there is load.
const AIM_WITHIN: Duration = Duration::from_secs(20);
/// How many looks into a transaction a fault comes: its records are written, its offsets sent.
const LOOKS: usize = 40;
/// A session of three seconds, a transaction of ten, and a rebalance.
const EXPELLED_WITHIN: Duration = Duration::from_secs(60);
/// How long a woken process may take to find out.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
/// What a process says that was away for too long.
const LOST: &str = "the assignment was lost";
pub(crate) const FENCED: &str = "fenced by a newer instance";
/// What it says if that came to light in a rebalance.
pub(crate) const LET_GO: &str = "let this member go";
const NOT_MEMBER: &str = "not a member of the group any more";

/// One fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// `kill -9`, in a checkpoint's transaction if it is aimed; what the next process begins with.
    Kill { is_aimed: bool, next: Next },
    /// `kill -9` of the leader in a release's transaction.
    KillLeader,
    /// `SIGSTOP` until others have the partitions, in a checkpoint's transaction if it is aimed.
    Freeze { is_aimed: bool },
    /// The same while another process takes the place of the static member.
    Replace,
    /// `SIGTERM` and a new start; without its state if that is lost.
    Restart { is_state_lost: bool },
    /// `SIGTERM`, and nobody takes its place.
    Leave,
    /// One more.
    Join,
    /// `kill -9` of the broker and a new start.
    Broker,
}

/// What comes after a kill.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next {
    Own,
    Empty,
    Copy,
    Nobody,
}

impl Fault {
    pub(crate) fn draw(site: &mut Site) -> Self {
        let running = site.scene.fleet.running().len();
        let throw = site.dice.below(100);
        match throw {
            0..52 => Self::Kill {
                is_aimed: !site.dice.once_in(4),
                next: *site.dice.one_of(&[
                    Next::Own,
                    Next::Own,
                    Next::Empty,
                    Next::Copy,
                    if running > 2 { Next::Nobody } else { Next::Own },
                ]),
            },
            52..62 if running > 1 => Self::Freeze {
                is_aimed: site.dice.once_in(2),
            },
            62..68 => Self::Replace,
            68..80 if running > 2 => Self::Leave,
            80..92 if running < 4 => Self::Join,
            92..98 => Self::Broker,
            _ => Self::Restart {
                is_state_lost: site.dice.once_in(3),
            },
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::KillLeader => "kill of the leader",
            Self::Freeze { .. } => "freeze",
            Self::Replace => "freeze and replacement",
            Self::Restart { .. } => "restart",
            Self::Leave => "leave",
            Self::Join => "join",
            Self::Broker => "kill of the broker",
        }
    }
}

impl Site {
    pub(crate) fn carry_out(&mut self, fault: &Fault) {
        match *fault {
            Fault::Kill { is_aimed, next } => self.kill(is_aimed, next),
            Fault::KillLeader => self.kill_leader(),
            Fault::Freeze { is_aimed } => self.freeze(is_aimed),
            Fault::Replace => self.replace(),
            Fault::Restart { is_state_lost } => self.restart(is_state_lost),
            Fault::Leave => {
                let running = self.scene.fleet.running();
                let slot = *self.dice.one_of(&running);
                self.stop(slot);
            }
            Fault::Join => {
                let vacant = self.scene.fleet.vacant();
                let slot = *self.dice.one_of(&vacant);
                self.scene.fleet.start(slot, &State::Own);
            }
            Fault::Broker => {
                self.is_broker_killed = true;
                self.broker.kill();
                self.broker.restart();
            }
        }
        self.report.fault(fault.name());
    }

    /// An instance that counts, in the middle of a checkpoint if that is wanted; and its transactional id.
    fn victim(&mut self, is_aimed: bool) -> (usize, Option<String>) {
        if !is_aimed {
            // Wherever it has come to: starting, reading, joining.
            let running = self.scene.fleet.running();
            let slot = *self.dice.one_of(&running);
            return (slot, self.scene.fleet.transactional_id(slot));
        }
        self.await_owner();
        let owners = self.scene.owners();
        let slot = *self.dice.one_of(&owners);
        let id = self.scene.fleet.transactional_id(slot).unwrap();
        self.aim(&id);
        (slot, Some(id))
    }

    /// Returns somewhere in a transaction, if there is one soon.
    fn aim(&mut self, id: &str) {
        let looks = self.dice.below(LOOKS);
        self.transactions.aim(id, looks, AIM_WITHIN);
    }

    fn kill(&mut self, is_aimed: bool, next: Next) {
        let (slot, id) = self.victim(is_aimed);
        self.scene.fleet.take(slot).kill();
        if id.is_some_and(|id| self.transactions.is_left_open(&id)) {
            self.report.note(IN_CHECKPOINT);
        }
        if self.dice.once_in(3) {
            self.copies.extend(self.scene.fleet.keep_copy(slot));
        }
        let state = match next {
            Next::Nobody => {
                self.report.note("nobody restarted");
                return;
            }
            Next::Copy if !self.copies.is_empty() => {
                self.report.note("another's old state");
                State::Copy(self.dice.one_of(&self.copies).clone())
            }
            Next::Own | Next::Copy => State::Own,
            Next::Empty => {
                self.report.note("state deleted");
                State::Empty
            }
        };
        self.scene.fleet.start(slot, &state);
    }

    fn kill_leader(&mut self) {
        self.await_owner();
        let fleet = &mut self.scene.fleet;
        let leader = wait_at_most(EXPELLED_WITHIN, || fleet.leader());
        let slot = leader.unwrap_or_else(|| panic!("nobody leads:\n{}", self.scene.fleet.logs()));
        let running = self.scene.fleet.running();
        let id = format!("{}-release", self.scene.fleet.deployment.cluster.group_id());
        self.aim(&id);
        self.scene.fleet.take(slot).kill();
        if self.transactions.is_left_open(&id) {
            self.report.note(IN_RELEASE);
        }
        // Another one is to close the month: this one comes back only if it was the last.
        if running.len() == 1 {
            self.scene.fleet.start(slot, &State::Own);
        }
    }

    fn freeze(&mut self, is_aimed: bool) {
        self.await_owner();
        let (slot, id) = if is_aimed {
            self.victim(true)
        } else {
            let owners = self.scene.owners();
            (*self.dice.one_of(&owners), None)
        };
        let mark = self.scene.fleet.instance(slot).log().len();
        self.scene.fleet.instance(slot).freeze();
        let frozen = Instant::now();
        if id.is_some_and(|id| self.transactions.is_left_open(&id)) {
            self.report.note("frozen in a checkpoint");
        }
        let others: Vec<usize> = self.scene.fleet.running();
        let others: Vec<usize> = others.into_iter().filter(|other| *other != slot).collect();
        let fleet = &mut self.scene.fleet;
        let taken = wait_at_most(EXPELLED_WITHIN, || {
            let owned: usize = others.iter().map(|other| fleet.owned(*other)).sum();
            // Another one may not know yet what it has lost itself.
            let is_over = frozen.elapsed() > Scene::SESSION + Duration::from_secs(1);
            (is_over && owned == Scene::PARTITIONS).then_some(())
        });
        assert!(
            taken.is_some(),
            "nobody takes the partitions of slot {slot}:\n{}",
            self.scene.fleet.logs()
        );
        self.scene.fleet.instance(slot).thaw();
        self.see_told(slot, mark, &[LOST, FENCED, NOT_MEMBER, LET_GO]);
        if self.scene.fleet.instance(slot).ended().is_some() {
            assert_eq!(self.scene.fleet.take(slot).code(TOLD_WITHIN), Some(75));
            self.scene.fleet.start(slot, &State::Own);
        }
    }

    /// Waits until a woken instance says what became of it.
    fn see_told(&mut self, slot: usize, mark: usize, sentences: &[&'static str]) {
        let instance = self.scene.fleet.instance(slot);
        let said = told(instance, mark, sentences);
        let Some(said) = said else {
            panic!("a zombie says nothing:\n{}", instance.log());
        };
        self.report.note(match said {
            LOST => "zombie told: lost",
            FENCED => "zombie told: fenced",
            _ => "zombie told: no member",
        });
    }

    fn replace(&mut self) {
        let running = self.scene.fleet.running();
        let statics: Vec<usize> = running
            .into_iter()
            .filter(|slot| self.scene.fleet.is_static(*slot))
            .collect();
        let Some(slot) = statics.first().copied() else {
            return self.restart(false);
        };
        let joined = wait_at_most(EXPELLED_WITHIN, || {
            (self.scene.fleet.owned(slot) > 0).then_some(())
        });
        assert!(
            joined.is_some(),
            "slot {slot} counts nothing:\n{}",
            self.scene.fleet.logs()
        );
        self.scene.fleet.instance(slot).freeze();
        let former = self.scene.fleet.start(slot, &State::Empty);
        let mut former = former.unwrap();
        let replaced = wait_at_most(EXPELLED_WITHIN, || {
            (self.scene.fleet.owned(slot) > 0).then_some(())
        });
        assert!(
            replaced.is_some(),
            "nobody takes its place:\n{}",
            self.scene.fleet.logs()
        );
        let mark = former.log().len();
        former.thaw();
        let said = told(&mut former, mark, &[FENCED]);
        assert_eq!(said, Some(FENCED), "{}", former.log());
        assert_eq!(former.code(TOLD_WITHIN), Some(75), "{}", former.log());
        self.report.note("zombie told: fenced");
    }

    fn stop(&mut self, slot: usize) {
        let mut instance = self.scene.fleet.take(slot);
        // Before it listens to signals they end it, as they end every process.
        wait_at_most(EXPELLED_WITHIN, || {
            let is_up = instance.log().contains("serving HTTP") || instance.ended().is_some();
            is_up.then_some(())
        });
        let code = instance.stop();
        // It may just have found the broker away.
        let is_excused = self.is_broker_killed && code == Some(75);
        assert!(code == Some(0) || is_excused, "it ended with {code:?}");
    }

    fn restart(&mut self, is_state_lost: bool) {
        let running = self.scene.fleet.running();
        let slot = *self.dice.one_of(&running);
        self.stop(slot);
        let state = if is_state_lost {
            self.report.note("state deleted");
            State::Empty
        } else {
            State::Own
        };
        self.scene.fleet.start(slot, &state);
    }
}

/// The first of these sentences that an instance has said since.
fn told(instance: &mut Instance, mark: usize, sentences: &[&'static str]) -> Option<&'static str> {
    wait_at_most(TOLD_WITHIN, || {
        let log = instance.log();
        let said = &log[mark..];
        sentences.iter().find(|text| said.contains(**text)).copied()
    })
}
