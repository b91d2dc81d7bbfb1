//! A machine with a disk, a clock and at times a process.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use engine::ports::{Error, Ports};
use engine::{Instance, Limits, Options};
use memlog::{MemJournal, MemSource, Member};
use model::InputPartition;

use crate::disk::Disk;
use crate::ports::{Seat, SimHost, SimJournal, SimSource, SimStore};
use crate::transactions::{SimCheckpoints, SimReleases};
use crate::world::World;

/// A place for an instance.
pub(crate) struct Slot {
    pub(crate) index: usize,
    pub(crate) disk: Disk,
    /// How far its clock is ahead of the brokers', in milliseconds.
    pub(crate) skew: Cell<i64>,
    /// Borrowed for as long as its turn lasts.
    pub(crate) process: RefCell<Option<Process>>,
    pub(crate) is_running: Cell<bool>,
    pub(crate) is_dead: Cell<bool>,
    pub(crate) is_asked_to_stop: Cell<bool>,
    /// No broker answers.
    pub(crate) is_cut_off: Cell<bool>,
    /// It has taken the release id and not asked for ends since.
    pub(crate) has_taken: Cell<bool>,
    pub(crate) member: RefCell<Member>,
    /// High watermarks of the input when the turn began.
    pub(crate) highs: RefCell<BTreeMap<InputPartition, i64>>,
}

impl Slot {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            disk: Disk::new(),
            skew: Cell::new(0),
            process: RefCell::new(None),
            is_running: Cell::new(false),
            is_dead: Cell::new(false),
            is_asked_to_stop: Cell::new(false),
            is_cut_off: Cell::new(false),
            has_taken: Cell::new(false),
            member: RefCell::default(),
            highs: RefCell::default(),
        }
    }
}

/// A running instance with its ports.
pub(crate) struct Process {
    instance: Option<Instance>,
    options: Options,
    limits: Limits,
    /// How often settings had been put in force when it was started.
    settings_changes: u64,
    source: SimSource,
    checkpoints: SimCheckpoints,
    journal: SimJournal,
    releases: SimReleases,
    store: SimStore,
    host: SimHost,
}

/// Limits of what ports hand over at once, so that batches end everywhere.
pub(crate) struct Batches {
    pub(crate) run_records: usize,
    pub(crate) journal_bytes: usize,
}

impl Process {
    pub(crate) fn new(world: &Rc<World>, slot: &Rc<Slot>, number: u64, batches: &Batches) -> Self {
        let seat = Seat {
            world: Rc::clone(world),
            slot: Rc::clone(slot),
        };
        let cluster = &world.cluster;
        let mut source = MemSource::new(cluster);
        source.set_run_records_max(batches.run_records);
        let mut journal = MemJournal::new(cluster);
        journal.set_batch_bytes_max(batches.journal_bytes);
        *slot.member.borrow_mut() = source.member();
        let mut options = world.plan.options.clone();
        options.retention_months = world.retention_months.get();
        if let Some(variant) = world.setting.variant {
            variant.options(&mut options);
        }
        let id = if world.plan.has_static_members {
            format!("instance-{}", slot.index)
        } else {
            format!("p{number}")
        };
        Self {
            instance: None,
            options,
            limits: world.plan.limits,
            settings_changes: world.settings_changes.get(),
            checkpoints: SimCheckpoints::new(&seat, id, source.member()),
            source: SimSource {
                inner: source,
                seat: seat.clone(),
            },
            journal: SimJournal::new(journal, &seat),
            releases: SimReleases::new(&seat, number),
            store: SimStore::open(&seat),
            host: SimHost { seat },
        }
    }

    /// One turn, the opening if it is the first; false once it has stopped as it was asked to.
    pub(crate) fn turn(&mut self) -> Result<bool, Error> {
        let mut ports = Ports {
            source: &mut self.source,
            checkpoints: &mut self.checkpoints,
            journal: &mut self.journal,
            releases: &mut self.releases,
            store: &mut self.store,
            host: &mut self.host,
        };
        match &mut self.instance {
            Some(instance) => instance.turn(&mut ports),
            None => {
                self.instance = Instance::open(self.options.clone(), &mut ports)?;
                if let Some(instance) = &mut self.instance {
                    instance.set_limits(self.limits);
                }
                Ok(self.instance.is_some())
            }
        }
    }

    /// Whether an operator has put other settings in force since it was started.
    pub(crate) fn has_former_settings(&self) -> bool {
        self.settings_changes != self.host.seat.world.settings_changes.get()
    }

    /// What is left of it in the group after it died.
    pub(crate) fn into_source(self) -> MemSource {
        self.source.inner
    }
}
