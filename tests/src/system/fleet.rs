//! Several instances of one group, in slots: each slot has a state directory and maybe a static membership, and
//! outlives the processes that run in it.

use std::fs;
use std::path::{Path, PathBuf};

use super::configuration::Configuration;
use super::deployment::Deployment;
use super::instance::Instance;

/// What an instance says of the id that its checkpoints are committed under.
const TRANSACTIONAL_ID: &str = "transactional_id=\"";

/// The exit code of a process that a restart may help.
const WORLD: i32 = 75;

/// The state directory that an instance starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As the last instance of the slot left it.
    Own,
    /// None.
    Empty,
    /// A copy of this one.
    Copy(PathBuf),
}

/// The instances of a deployment.
pub struct Fleet {
    /// What they run on.
    pub deployment: Deployment,
    configuration: Configuration,
    /// Whether an instance that says that a restart may help is started again.
    pub is_supervised: bool,
    /// The last sentence of each that was.
    pub restarts: Vec<String>,
    slots: Vec<Slot>,
    copies: usize,
}

struct Slot {
    group_instance_id: Option<String>,
    /// What is set for its instances only.
    texts: Vec<(String, String)>,
    state: PathBuf,
    instance: Option<Instance>,
}

impl Fleet {
    /// Slots in which nothing runs yet: static members first, then dynamic ones.
    pub fn new(deployment: Deployment, statics: usize, dynamics: usize) -> Self {
        let slot = |number: usize| Slot {
            group_instance_id: (number < statics).then(|| format!("appmi-{number}")),
            texts: Vec::new(),
            state: deployment.file(&format!("state-{number}")),
            instance: None,
        };
        Self {
            slots: (0..statics + dynamics).map(slot).collect(),
            configuration: deployment.configuration.clone(),
            deployment,
            is_supervised: false,
            restarts: Vec::new(),
            copies: 0,
        }
    }

    /// Sets a property of the clients of all instances that are started from now on.
    pub fn set_property(&mut self, name: &str, value: &str) {
        self.configuration.set_property(name, value);
    }

    /// Sets a key to a text for the next instances of one slot.
    pub fn configure(&mut self, slot: usize, key: &str, text: &str) {
        let of = &mut self.slots[slot];
        of.texts.push((key.to_owned(), text.to_owned()));
    }

    /// Starts an instance in a slot; the one that runs there is no longer looked after and is returned.
    ///
    /// # Panics
    /// If its files can't be written.
    pub fn start(&mut self, slot: usize, state: &State) -> Option<Instance> {
        let of = &mut self.slots[slot];
        let former = of.instance.take();
        if former.is_some() || *state != State::Own {
            // Another process may be in the former one.
            self.copies += 1;
            let fresh = self
                .deployment
                .file(&format!("state-{slot}-{}", self.copies));
            if let State::Copy(from) = state {
                copy(from, &fresh);
            }
            let old = std::mem::replace(&mut of.state, fresh);
            if former.is_none() {
                remove(&old);
            }
        }
        let mut configuration = self.configuration.clone();
        if let Some(id) = &of.group_instance_id {
            configuration.set_property("group.instance.id", id);
        }
        configuration.set_text("state.dir", of.state.to_str().expect("a plain name"));
        for (key, text) in &of.texts {
            configuration.set_text(key, text);
        }
        self.deployment.configuration = configuration;
        of.instance = Some(self.deployment.run());
        former
    }

    /// The slots in which an instance runs.
    pub fn running(&self) -> Vec<usize> {
        let slots = 0..self.slots.len();
        slots
            .filter(|slot| self.slots[*slot].instance.is_some())
            .collect()
    }

    /// The slots in which none runs.
    pub fn vacant(&self) -> Vec<usize> {
        let slots = 0..self.slots.len();
        slots
            .filter(|slot| self.slots[*slot].instance.is_none())
            .collect()
    }

    /// Whether the slot's instances are static members.
    pub fn is_static(&self, slot: usize) -> bool {
        self.slots[slot].group_instance_id.is_some()
    }

    /// The instance in a slot.
    ///
    /// # Panics
    /// If none runs there.
    #[track_caller]
    pub fn instance(&mut self, slot: usize) -> &mut Instance {
        let instance = self.slots[slot].instance.as_mut();
        instance.unwrap_or_else(|| panic!("nothing runs in slot {slot}"))
    }

    /// Takes the instance out of its slot, to be killed or stopped.
    ///
    /// # Panics
    /// If none runs there.
    #[track_caller]
    pub fn take(&mut self, slot: usize) -> Instance {
        let instance = self.slots[slot].instance.take();
        instance.unwrap_or_else(|| panic!("nothing runs in slot {slot}"))
    }

    /// Keeps a copy of the state directory of a slot in which nothing runs; none if it has no state.
    ///
    /// # Panics
    /// If it can't be copied.
    pub fn keep_copy(&mut self, slot: usize) -> Option<PathBuf> {
        let from = &self.slots[slot].state;
        if !from.exists() {
            return None;
        }
        self.copies += 1;
        let to = self.deployment.file(&format!("copy-{}", self.copies));
        copy(from, &to);
        Some(to)
    }

    /// The transactional id of a slot's checkpoints; none before the instance has said it.
    pub fn transactional_id(&mut self, slot: usize) -> Option<String> {
        let log = self.instance(slot).log();
        let (_, rest) = log.split_once(TRANSACTIONAL_ID)?;
        rest.split_once('"').map(|(id, _)| id.to_owned())
    }

    /// How many input partitions the instance in a slot counts; 0 before it serves.
    pub fn owned(&mut self, slot: usize) -> usize {
        let owned = self.gauge(slot, "appmi_partitions_owned");
        owned.map_or(0, |owned| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of partitions"
            )]
            let owned = owned as usize;
            owned
        })
    }

    /// The slot that releases.
    pub fn leader(&mut self) -> Option<usize> {
        let running = self.running();
        running
            .into_iter()
            .find(|slot| self.gauge(*slot, "appmi_is_leader") == Some(1.0))
    }

    /// A gauge without labels; none before the instance serves or once it has ended.
    fn gauge(&mut self, slot: usize, name: &str) -> Option<f64> {
        let metrics = self.instance(slot).try_metrics()?;
        let mut samples = metrics.samples(name);
        samples.next().map(|(_, value)| value)
    }

    /// The end of every instance's log and where it stands in its partitions, for a test that fails.
    pub fn logs(&mut self) -> String {
        let mut text = String::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            if let Some(instance) = &mut slot.instance {
                let log = instance.log();
                let lines: Vec<&str> = log.lines().collect();
                let end = &lines[lines.len().saturating_sub(40)..];
                text += &format!("--- slot {number}\n{}\n", end.join("\n"));
                let metrics = instance.try_metrics();
                for name in ["appmi_input_position", "appmi_input_lag_records"] {
                    let samples = metrics.iter().flat_map(|metrics| metrics.samples(name));
                    for (labels, value) in samples.filter(|(_, value)| !value.is_nan()) {
                        text += &format!("{name} {labels:?} {value}\n");
                    }
                }
            }
        }
        text
    }

    /// Looks after the instances: as a supervisor would, if that was agreed.
    ///
    /// # Panics
    /// With its log, if an instance has ended, but for a supervised one whose exit code says that a restart may
    /// help.
    #[track_caller]
    pub fn tend(&mut self) {
        for slot in self.running() {
            let instance = self.instance(slot);
            let Some(status) = instance.ended() else {
                continue;
            };
            let log = instance.log();
            assert!(
                self.is_supervised && status.code() == Some(WORLD),
                "slot {slot} ended with {status}:\n{log}"
            );
            drop(self.take(slot));
            self.start(slot, &State::Own);
            let last = log.lines().last().unwrap_or_default();
            self.restarts.push(last.to_owned());
        }
    }
}

/// A state directory has files only, and folders of files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a fresh folder can be made");
    for entry in fs::read_dir(from).expect("a state directory can be read") {
        let entry = entry.expect("a state directory can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a state directory can be copied");
        }
    }
}

fn remove(state: &Path) {
    if state.exists() {
        fs::remove_dir_all(state).expect("a state directory can be removed");
    }
}
