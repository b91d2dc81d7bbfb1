//! What the faults happen to, and the rounds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tests::system::{Scene, State};
use tests::{Broker, Dice, Transactions, wait_at_most};

use crate::faults::{FENCED, Fault, LET_GO};
use crate::report::{Report, say};

/// About what a round puts in; the workload is made long enough for twice as many.
const ROUND_RECORDS: usize = 8_000;
/// Records of the published months at full scale, and the other kinds.
const NATIONAL_RECORDS: u64 = 170_000_000;
/// How long it may take until somebody counts.
const OWNED_WITHIN: Duration = Duration::from_secs(180);

/// A deployment with up to four instances, its load and its subscriber.
pub(crate) struct Site {
    pub(crate) broker: Broker,
    pub(crate) scene: Scene,
    pub(crate) transactions: Transactions,
    pub(crate) dice: Dice,
    pub(crate) report: Report,
    /// State directories of processes that were killed.
    pub(crate) copies: Vec<PathBuf>,
    /// In this round.
    pub(crate) is_broker_killed: bool,
}

impl Site {
    pub(crate) fn new(broker: Broker, seed: u64, rounds: usize) -> Self {
        let wanted = u64::try_from(2 * rounds * ROUND_RECORDS).unwrap();
        let one_in = (NATIONAL_RECORDS / wanted).max(1);
        let bootstrap = broker.bootstrap();
        let mut site = Self {
            scene: Scene::new(&bootstrap, 1, (2, 2), one_in, seed),
            transactions: Transactions::new(&bootstrap),
            broker,
            dice: Dice::new(seed),
            report: Report::default(),
            copies: Vec::new(),
            is_broker_killed: false,
        };
        // A process that starts while the broker is away says so and ends; so does one whose place was taken.
        site.scene.fleet.is_supervised = true;
        for slot in [0, 2, 3] {
            site.scene.fleet.start(slot, &State::Own);
        }
        site
    }

    /// Load and faults, then quiet, and a look at everything that came out.
    pub(crate) fn round(&mut self, number: usize, faults: usize) {
        let began = Instant::now();
        let (before, put) = (self.report.faults(), self.scene.stream.put());
        self.scene.stream.flow();
        self.await_owner();
        let mut names = Vec::new();
        for _ in 0..faults {
            let fault = Fault::draw(self);
            names.push(fault.name());
            self.carry_out(&fault);
            self.scene.audit.released();
            self.scene.fleet.tend();
        }
        self.scene.stream.pause();
        assert!(self.scene.stream.put() > put, "the load is not over");
        if self.dice.once_in(2) {
            names.push(Fault::KillLeader.name());
            self.carry_out(&Fault::KillLeader);
        }
        let quiet = Instant::now();
        let audited = self.scene.settle();
        for last in std::mem::take(&mut self.scene.fleet.restarts) {
            self.report.note(if last.contains(FENCED) {
                "restarted after it was fenced"
            } else if last.contains(LET_GO) {
                "restarted after it was let go in a rebalance"
            } else {
                assert!(self.is_broker_killed, "it ended with: {last}");
                "restarted after it found no broker"
            });
        }
        self.is_broker_killed = false;
        self.report.records = self.scene.stream.put();
        self.report.releases = audited.releases;
        self.report.dead_letters = audited.dead_letters;
        self.report.compared += audited.comparison.exact;
        say(&format!(
            "round {number}: {} faults ({}), {} records; all equal {:.1?} after the last fault, {:.1?} in all; \
             {} kills, {} of them inside a transaction so far",
            self.report.faults() - before,
            names.join(", "),
            self.scene.stream.put() - put,
            quiet.elapsed(),
            began.elapsed(),
            self.report.kills(),
            self.report.kills_inside(),
        ));
    }

    /// Waits until somebody counts something.
    pub(crate) fn await_owner(&mut self) {
        let owned = wait_at_most(OWNED_WITHIN, || {
            self.scene.fleet.tend();
            (!self.scene.owners().is_empty()).then_some(())
        });
        assert!(
            owned.is_some(),
            "nobody counts:\n{}",
            self.scene.fleet.logs()
        );
    }

    /// Stops everything and compares what subscribers have who come now.
    pub(crate) fn end(mut self) -> Report {
        self.scene.end();
        self.report
    }
}
