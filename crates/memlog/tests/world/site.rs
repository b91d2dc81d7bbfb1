//! A small cluster with instances on it, for events made by hand.

use std::time::Duration;

use engine::{Options, ports};
use memlog::{Cluster, MemStore};
use model::{InputPartition, KindId, Timestamp};
use wire::v1::MonthClose;

use super::events::{Event, at};
use super::{Process, options};

/// Turns without anything new after which nothing more is expected: at ten seconds each they are
/// longer than `idle_timeout` and the checkpoint interval.
const QUIET_TURNS: usize = 45;

/// A cluster with instances on it.
pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) options: Options,
    pub(crate) processes: Vec<Process>,
    started: usize,
}

/// Two practices of each board that was split, one for each part, one that stayed and one without a board.
const PRACTICES: &str = "\
practice_ods_code,icb_ods_code_2022_07,icb_ods_code_2026_04
A10001,QM7,D7T5G
A10002,QM7,S1Y5D
A20001,QJG,D7T5G
A20002,QJG,T6Y0W
A30001,QNQ,S0E4D
A30002,QNQ,QRL
A40001,QHM,QHM
A90001,,
";

/// Options for events made by hand: the built-in boards, checkpoints every half minute.
pub(crate) fn small_options(first_month: &str) -> Options {
    Options {
        checkpoint_interval: Duration::from_secs(30),
        ..options(PRACTICES, first_month)
    }
}

impl Site {
    /// One partition a topic and one instance, the clock at the beginning of the first month.
    pub(crate) fn new(first_month: &str) -> Self {
        Self::with(small_options(first_month), &[1, 1, 1])
    }

    pub(crate) fn with(options: Options, counts: &[u32]) -> Self {
        let cluster = Cluster::new(counts, 2, 2);
        cluster.advance_to(options.calendar.start_of(options.first_month));
        let mut site = Self {
            cluster,
            options,
            processes: Vec::new(),
            started: 0,
        };
        site.start();
        site
    }

    /// Starts a further instance with an empty disk.
    pub(crate) fn start(&mut self) -> &mut Process {
        self.start_on(&MemStore::default())
    }

    pub(crate) fn start_on(&mut self, store: &MemStore) -> &mut Process {
        let process = self.try_start(&self.options.clone(), store).unwrap();
        self.processes.push(process);
        self.processes.last_mut().unwrap()
    }

    pub(crate) fn try_start(
        &mut self,
        options: &Options,
        store: &MemStore,
    ) -> Result<Process, ports::Error> {
        self.started += 1;
        let name = format!("p{}", self.started);
        Process::start(&self.cluster, &name, options, store)
    }

    /// The sentence that a new instance with an empty disk stops with, and that it is a contradiction.
    pub(crate) fn contradiction(&mut self) -> String {
        self.processes.clear();
        let options = self.options.clone();
        let mut process = self.try_start(&options, &MemStore::default()).unwrap();
        match process.error() {
            ports::Error::Contradiction(text) => text,
            other => panic!("{other:?}"),
        }
    }

    /// Kills all instances and starts one, with an empty disk or that of the first.
    pub(crate) fn restart(&mut self, keeps_disk: bool) {
        let kept = self.processes.first().map(|process| process.store.clone());
        self.processes.clear();
        self.start_on(&kept.filter(|_| keeps_disk).unwrap_or_default());
    }

    pub(crate) fn send(&self, event: &Event) {
        self.cluster.advance_to(event.arrived_at);
        self.cluster.append(event.to, event.record(&self.options));
    }

    pub(crate) fn turns(&mut self, turns: usize) {
        for _ in 0..turns {
            for process in &mut self.processes {
                process.turns(1);
            }
        }
    }

    /// Moves the clock and lets everything happen that will happen.
    pub(crate) fn settle_at(&mut self, text: &str) {
        self.settle_at_time(at(text));
    }

    pub(crate) fn settle(&mut self) {
        self.settle_at_time(self.cluster.now());
    }

    fn settle_at_time(&mut self, now: Timestamp) {
        self.cluster.advance_to(now);
        let mut last = self.marks();
        let mut quiet = 0;
        while quiet < QUIET_TURNS {
            self.turns(1);
            self.cluster
                .advance_to(self.cluster.now().saturating_add(Duration::from_secs(10)));
            let marks = self.marks();
            quiet = if marks == last { quiet + 1 } else { 0 };
            last = marks;
        }
    }

    fn marks(&self) -> (usize, usize, u64) {
        let cluster = &self.cluster;
        (
            cluster.partials().len(),
            cluster.released().len(),
            cluster.lag(),
        )
    }

    /// Revisions of a month with their reasons, in the order in which they were released.
    pub(crate) fn revisions(&self, month: &str) -> Vec<(u32, String)> {
        let mut revisions: Vec<(u32, String)> = Vec::new();
        for record in self.records(month) {
            let revision = (record.revision, record.reason);
            if revisions.last() != Some(&revision) {
                revisions.push(revision);
            }
        }
        revisions
    }

    /// All records of a month that were ever released, in order.
    pub(crate) fn records(&self, month: &str) -> Vec<MonthClose> {
        let released = self.cluster.released();
        let records = released
            .iter()
            .map(|(_, value, _)| wire::releases::decode(value).unwrap());
        records.filter(|record| record.month == month).collect()
    }

    /// A measure's last released value.
    pub(crate) fn value(&self, month: &str, code: &str, measure: &str) -> u64 {
        self.measure(month, code, measure).value
    }

    pub(crate) fn measure(&self, month: &str, code: &str, measure: &str) -> wire::v1::Measure {
        let records = self.records(month);
        let record = records
            .iter()
            .rev()
            .find(|record| record.code == code)
            .unwrap_or_else(|| panic!("{month} of {code} was not released"));
        let found = record
            .measures
            .iter()
            .find(|found| found.measure == measure);
        found
            .unwrap_or_else(|| panic!("{month} of {code} has no {measure}"))
            .clone()
    }

    /// A measure of England.
    pub(crate) fn england(&self, month: &str, measure: &str) -> u64 {
        self.value(month, "E92000001", measure)
    }

    /// What happened so far, over all running instances, that begins with a text.
    pub(crate) fn seen(&self, begin: &str) -> usize {
        self.processes
            .iter()
            .map(|process| process.seen(begin))
            .sum()
    }

    pub(crate) fn partition(kind: u8, partition: u32) -> InputPartition {
        InputPartition {
            kind: KindId(kind),
            partition,
        }
    }
}
