//! What the faults happen to, and the rounds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::{Kinds, Month};
use tests::system::{
    Audit, Deployment, Feed, Fleet, State, Stream, latest_closed_month, workload_options,
};
use tests::{Broker, Dice, Transactions, wait_at_most};
use wire::releases::Format;
use workload::{Options, Profile, Workload};

use crate::faults::Fault;
use crate::report::{Report, say};

/// Months that are released: few, for every round revises all of them.
const MONTHS: i32 = 3;
/// Records a second.
const RATE: u32 = 400;
/// About what a round puts in; the workload is made long enough for twice as many.
const ROUND_RECORDS: usize = 8_000;
/// Records of the published months at full scale, and the other kinds.
const NATIONAL_RECORDS: u64 = 170_000_000;
/// How long after a round's faults everything may take to be released.
const COMPLETE_WITHIN: Duration = Duration::from_secs(180);
/// Input partitions of `workload_options`.
pub(crate) const PARTITIONS: [u32; 3] = [3, 2, 1];

/// A deployment with up to four instances, its load and its subscriber.
pub(crate) struct Site {
    pub(crate) broker: Broker,
    pub(crate) fleet: Fleet,
    pub(crate) transactions: Transactions,
    pub(crate) dice: Dice,
    pub(crate) report: Report,
    /// State directories of processes that were killed.
    pub(crate) copies: Vec<PathBuf>,
    stream: Stream,
    audit: Audit,
}

impl Site {
    pub(crate) fn new(broker: Broker, seed: u64, rounds: usize) -> Self {
        let kinds = Kinds::builtin();
        let first_month = latest_closed_month().plus(1 - MONTHS);
        let mut deployment = Deployment::new(&broker, &kinds, &PARTITIONS);
        let configuration = &mut deployment.configuration;
        configuration.set_text("months.first_month", &first_month.to_string());
        configuration.set_text("checkpoint.interval", "20ms");
        configuration.set_property("session.timeout.ms", "3000");
        let feed = Feed::since(first_month, &deployment, &kinds);
        let wanted = u64::try_from(2 * rounds * ROUND_RECORDS).unwrap();
        let options = Options {
            first_month,
            ..workload_options((NATIONAL_RECORDS / wanted).max(1), 3, seed)
        };
        let months: Vec<Month> = (0..MONTHS).map(|month| first_month.plus(month)).collect();
        let audit = Audit::new(&deployment, months);
        let items = Workload::new(Profile::published(), &options);
        let mut site = Self {
            transactions: Transactions::new(&broker.bootstrap()),
            broker,
            fleet: Fleet::new(deployment, 2, 2),
            dice: Dice::new(seed),
            report: Report::default(),
            copies: Vec::new(),
            stream: Stream::new(feed, items, RATE),
            audit,
        };
        for slot in [0, 2, 3] {
            site.fleet.start(slot, &State::Own);
        }
        site
    }

    /// Load and faults, then quiet, and a look at everything that came out.
    pub(crate) fn round(&mut self, number: usize, faults: usize) {
        let began = Instant::now();
        let (before, put) = (self.report.faults(), self.stream.put());
        self.stream.flow();
        self.await_owner();
        let mut names = Vec::new();
        for _ in 0..faults {
            let fault = Fault::draw(self);
            names.push(fault.name());
            self.carry_out(&fault);
            self.audit.released();
            self.fleet.assert_all_run();
        }
        self.stream.pause();
        assert!(self.stream.put() > put, "the load is not over");
        if self.dice.once_in(2) {
            names.push(Fault::KillLeader.name());
            self.carry_out(&Fault::KillLeader);
        }
        let quiet = Instant::now();
        self.complete();
        let audit = &mut self.audit;
        let audited = self.stream.oracle(|oracle| audit.check(oracle));
        self.report.records = self.stream.put();
        self.report.releases = audited.releases;
        self.report.dead_letters = audited.dead_letters;
        self.report.compared += audited.comparison.exact;
        say(&format!(
            "round {number}: {} faults ({}), {} records; all equal {:.1?} after the last fault, {:.1?} in all; \
             {} kills, {} of them inside a transaction so far",
            self.report.faults() - before,
            names.join(", "),
            self.stream.put() - put,
            quiet.elapsed(),
            began.elapsed(),
            self.report.kills(),
            self.report.kills_inside(),
        ));
    }

    /// Waits until somebody counts something.
    pub(crate) fn await_owner(&mut self) {
        let owned = wait_at_most(COMPLETE_WITHIN, || {
            self.fleet.assert_all_run();
            (!self.owners().is_empty()).then_some(())
        });
        assert!(owned.is_some(), "nobody counts:\n{}", self.fleet.logs());
    }

    /// The slots whose instances count something.
    pub(crate) fn owners(&mut self) -> Vec<usize> {
        let running = self.fleet.running();
        running
            .into_iter()
            .filter(|slot| self.fleet.owned(*slot) > 0)
            .collect()
    }

    fn complete(&mut self) {
        self.audit.begin_anew();
        let (audit, stream, fleet) = (&mut self.audit, &self.stream, &mut self.fleet);
        let complete = wait_at_most(COMPLETE_WITHIN, || {
            fleet.assert_all_run();
            stream
                .oracle(|oracle| audit.is_complete(oracle))
                .then_some(())
        });
        assert!(
            complete.is_some(),
            "not everything is released: {}\n{}",
            audit.difference(),
            fleet.logs()
        );
    }

    /// Stops everything and compares what subscribers have who come now.
    pub(crate) fn end(mut self) -> Report {
        for slot in self.fleet.running() {
            assert_eq!(self.fleet.take(slot).stop(), Some(0));
        }
        let later = self.fleet.deployment.releases().read_to_end();
        assert_eq!(self.audit.released(), later, "who comes later has the same");
        tests::system::Releases::of(&later, Format::Protobuf);
        self.report
    }
}
