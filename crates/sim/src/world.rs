//! One world: a deployment, what its producers send, and whatever happens to it, step by step.
//!
//! A step is a turn of an instance, a record that arrives, time that passes, the end of a transaction that reaches
//! a partition, or something that goes wrong. A process that stands still in the middle of a call lets the world
//! go on in there, so turns of instances interleave at every port call.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use engine::ports::{DeadLetter, Published};
use memlog::{Cluster, MemSource, OpenTransaction};
use model::{InputPartition, Offset, Timestamp};

use crate::civil::{self, HOUR, MINUTE, SECOND};
use crate::disk::Health;
use crate::events::Operation;
use crate::faults::{Fault, Limits};
use crate::invariants::{Checked, Checker, Content, Contents, Violation};
use crate::plan::Plan;
use crate::process::Slot;
use crate::rng::Rng;
use crate::stats::Stats;
use crate::trace::{Keep, Trace};
use crate::variants::Variant;

mod committing;
mod passing;
mod recounting;
mod troubles;
mod turns;

/// How a world is run.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Decides everything.
    pub seed: u64,
    /// Faults that are left out.
    pub limits: Limits,
    /// Something done wrong.
    pub variant: Option<Variant>,
    /// How much of the trace is kept.
    pub keep: Keep,
}

impl Setting {
    /// The world of a seed, with all its faults.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            limits: Limits::default(),
            variant: None,
            keep: Keep::Nothing,
        }
    }
}

/// How a world went.
#[derive(Debug, Clone)]
pub struct Report {
    /// What happened in it.
    pub stats: Stats,
    /// What happened that must not, if anything did.
    pub violation: Option<Violation>,
    /// What happened, line by line, as far as it was to be kept.
    pub trace: Vec<String>,
}

/// The group gives up a member that stands still for longer.
const SESSION_TIMEOUT: i64 = MINUTE;
/// Steps after the last record, faults included.
const STEPS_BEHIND: usize = 200;
/// Steps between two looks at all disks.
const STEPS_BETWEEN_VIEWS: u64 = 64;

pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) plan: Plan,
    pub(crate) cluster: Cluster,
    pub(crate) slots: RefCell<Vec<Rc<Slot>>>,
    operations: RefCell<VecDeque<Operation>>,
    schedule: RefCell<Rng>,
    weather: RefCell<Rng>,
    pub(crate) trace: RefCell<Trace>,
    pub(crate) checker: RefCell<Checker>,
    stats: RefCell<Stats>,
    pub(crate) violation: RefCell<Option<Violation>>,
    faults: Cell<u64>,
    pub(crate) is_calm: Cell<bool>,
    depth: Cell<u32>,
    /// What open transactions on owned topics hold.
    contents: RefCell<BTreeMap<OpenTransaction, Content>>,
    /// Transactions whose request to commit is on its way.
    late: RefCell<Vec<OpenTransaction>>,
    /// A transaction on input topics that is open.
    input: Cell<Option<OpenTransaction>>,
    /// Group members whose process died, until they are missed.
    ghosts: RefCell<Vec<(i64, MemSource)>>,
    /// How far the owned topics were compacted.
    pub(crate) compacted: RefCell<BTreeMap<Published, i64>>,
    /// Copies of directories.
    copies: RefCell<Vec<Contents>>,
    /// Dead letters from before counting began anew.
    letters_before: Cell<usize>,
    processes: Cell<u64>,
    /// How many months instances are told to keep.
    pub(crate) retention_months: Cell<u32>,
    /// How often an operator put settings in force.
    pub(crate) settings_changes: Cell<u64>,
    /// Batches of published records that instances were given.
    pub(crate) deliveries: Cell<u64>,
}

/// Runs a world to its end, or to the first thing that must not happen.
#[must_use]
pub fn run(setting: &Setting) -> Report {
    let world = World::new(setting);
    if let Some(variant) = setting.variant {
        variant.switch(true);
    }
    world.live();
    if !world.is_over() {
        world.settle();
    }
    if let Some(variant) = setting.variant {
        variant.switch(false);
    }
    world.report()
}

impl World {
    fn new(setting: &Setting) -> Rc<Self> {
        let plan = Plan::of(setting.seed);
        let cluster = Cluster::new(&plan.counts, plan.partials, plan.month_close);
        cluster.advance_to(Timestamp::from_millis(civil::month_start(0)));
        cluster.hold_markers(!plan.has_prompt_markers);
        let slots = (0..plan.instances).map(|index| Rc::new(Slot::new(index)));
        Rc::new(Self {
            setting: setting.clone(),
            cluster,
            slots: RefCell::new(slots.collect()),
            operations: RefCell::new(plan.operations.clone()),
            schedule: RefCell::new(Rng::new(setting.seed, 3)),
            weather: RefCell::new(Rng::new(setting.seed, 4)),
            trace: RefCell::new(Trace::new(setting.keep)),
            checker: RefCell::new(Checker::new(&plan.options)),
            stats: RefCell::default(),
            violation: RefCell::default(),
            faults: Cell::new(0),
            is_calm: Cell::new(false),
            depth: Cell::new(0),
            contents: RefCell::default(),
            late: RefCell::default(),
            input: Cell::new(None),
            ghosts: RefCell::default(),
            compacted: RefCell::default(),
            copies: RefCell::default(),
            letters_before: Cell::new(0),
            processes: Cell::new(0),
            retention_months: Cell::new(plan.options.retention_months),
            settings_changes: Cell::new(0),
            deliveries: Cell::new(0),
            plan,
        })
    }

    fn report(self: Rc<Self>) -> Report {
        // Slots hold processes, which hold the world.
        let slots = self.slots.take();
        for slot in &slots {
            drop(slot.process.take());
        }
        let mut stats = self.stats.take();
        let (months, revisions) = self.checker.borrow().releases();
        let count = |number: usize| u64::try_from(number).expect("few");
        stats.worlds = 1;
        stats.releases = count(months);
        stats.revisions = count(revisions);
        stats.dead_letters = count(self.cluster.dead_letters().len());
        Report {
            stats,
            violation: self.violation.take(),
            trace: self.trace.replace(Trace::new(Keep::Nothing)).into_lines(),
        }
    }

    /// Everything that producers send and everything that goes wrong meanwhile.
    fn live(self: &Rc<Self>) {
        let slots = self.slots.borrow().clone();
        for slot in &slots {
            if slot.index == 0 || self.draw(2) == 0 {
                self.start(slot);
            }
        }
        while !self.is_over() && !self.operations.borrow().is_empty() {
            self.step();
        }
        for _ in 0..STEPS_BEHIND {
            self.step();
        }
    }

    pub(crate) fn step(self: &Rc<Self>) {
        if self.is_over() {
            return;
        }
        self.count(|stats| stats.steps += 1);
        match self.draw(100) {
            0..66 => self.turn_any(),
            66..78 => self.feed(),
            78..88 => {
                let most = [2 * SECOND, 20 * SECOND, 20 * SECOND, 5 * MINUTE, HOUR][self.draw(5)];
                let millis = self.schedule.borrow_mut().between(1, most);
                self.pass(millis);
            }
            88..95 => self.write_markers(),
            _ => self.trouble(),
        }
        self.check_all();
    }

    fn check_all(&self) {
        if self.is_over() {
            return;
        }
        if self.cluster.markers().is_empty() {
            let partitions = self.highs();
            let committed = partitions.keys().filter_map(|partition| {
                let offset = self.cluster.committed(*partition)?;
                Some((*partition, offset))
            });
            let committed: Vec<(InputPartition, Offset)> = committed.collect();
            self.check(self.checker.borrow().offsets(&committed));
        }
        let steps = self.stats.borrow().steps;
        if steps.is_multiple_of(STEPS_BETWEEN_VIEWS) {
            self.check_disks();
        }
    }

    /// Looks at the disks of instances that are not in the middle of a turn, and at the dead letters.
    pub(crate) fn check_disks(&self) {
        let slots = self.slots.borrow().clone();
        for slot in slots.iter().filter(|slot| slot.is_running.get()) {
            if slot.process.try_borrow().is_ok() && slot.disk.health.get() == Health::Good {
                let checker = self.checker.borrow();
                let contents = slot.disk.contents();
                self.check(checker.view(&contents, &self.read_at_least()));
            }
        }
        let letters = self.dead_letters();
        self.check(self.checker.borrow().dead_letters(&letters));
    }

    /// How far a view must have read to be whole: behind what was compacted, there newer pieces stand beside older
    /// progress; and to the end, where checkpoints may be read in pieces.
    fn read_at_least(&self) -> BTreeMap<Published, i64> {
        if self.plan.limits.held_bytes < engine::Limits::default().held_bytes {
            return self.cluster.published_stable().into_iter().collect();
        }
        self.compacted.borrow().clone()
    }

    /// The committed dead letters since the partials were emptied last.
    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.cluster
            .dead_letters()
            .split_off(self.letters_before.get())
    }

    // The schedule.

    /// A number below `n`, decided by the schedule.
    pub(crate) fn draw(&self, n: usize) -> usize {
        self.schedule.borrow_mut().index(n)
    }

    /// The id of a filling.
    pub(crate) fn filling(&self) -> [u8; 16] {
        if self.setting.variant == Some(Variant::ViewOfAnotherFillingKept) {
            return [7; 16];
        }
        let mut schedule = self.schedule.borrow_mut();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&schedule.next().to_le_bytes());
        id[8..].copy_from_slice(&schedule.next().to_le_bytes());
        id
    }

    fn any_slot(&self) -> Rc<Slot> {
        let slots = self.slots.borrow();
        Rc::clone(&slots[self.draw(slots.len())])
    }

    // What goes wrong.

    /// Whether this goes wrong now.
    pub(crate) fn fault(&self, fault: Fault) -> bool {
        if self.is_calm.get() || self.plan.weather == 0 {
            return false;
        }
        let drawn = self.weather.borrow_mut().below(100_000);
        if drawn >= u64::from(fault.rate() * self.plan.weather) {
            return false;
        }
        let limits = &self.setting.limits;
        let is_spent = limits
            .faults_max
            .is_some_and(|most| self.faults.get() >= most);
        if is_spent || limits.without.contains(&fault) {
            return false;
        }
        self.faults.set(self.faults.get() + 1);
        self.count(|stats| *stats.faults.entry(fault).or_default() += 1);
        self.note(|| format!("fault {}: {fault:?}", self.faults.get()));
        true
    }

    // Keeping books.

    pub(crate) fn highs(&self) -> BTreeMap<InputPartition, i64> {
        let counts = self.cluster.input_counts();
        engine::closing::all_partitions(&counts)
            .filter_map(|partition| Some((partition, self.cluster.high(partition)?.0)))
            .collect()
    }

    pub(crate) fn note_delivery(&self) {
        self.deliveries.set(self.deliveries.get() + 1);
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.stats.borrow_mut());
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        let mut trace = self.trace.borrow_mut();
        trace.note(|| {
            let now = self.cluster.now();
            format!("{now} {}", line())
        });
    }

    pub(crate) fn check(&self, checked: Checked) {
        if let Err(violation) = checked {
            self.violate(violation);
        }
    }

    pub(crate) fn violate(&self, violation: Violation) {
        self.note(|| format!("VIOLATION {violation}"));
        self.violation.borrow_mut().get_or_insert(violation);
    }

    /// Whether something happened that must not.
    pub(crate) fn is_over(&self) -> bool {
        self.violation.borrow().is_some()
    }
}
