//! Instances under load with a subscriber who was there from the beginning: what tests of faults begin with.

use std::time::Duration;

use model::{Kinds, Month};
use workload::{Options, Profile, Workload};

use super::audit::{Audit, Audited};
use super::deployment::Deployment;
use super::feed::{Feed, latest_closed_month, workload_options};
use super::fleet::Fleet;
use super::stream::Stream;
use crate::wait::wait_at_most;

/// Months that are released: few, for every quiet moment revises all of them.
const MONTHS: i32 = 3;
/// Input partitions of `workload_options`.
const PARTITIONS: [u32; 3] = [3, 2, 1];
/// Records a second.
const RATE: u32 = 400;
/// How long everything may take to be released once the load has paused.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

/// A fleet, its load and its audit.
pub struct Scene {
    /// The instances.
    pub fleet: Fleet,
    /// What is put in.
    pub stream: Stream,
    /// What comes out.
    pub audit: Audit,
}

impl Scene {
    /// How many input partitions there are.
    pub const PARTITIONS: usize = 6;

    /// The session of its instances, far shorter than the default of 45 seconds.
    pub const SESSION: Duration = Duration::from_secs(3);

    /// On brokers that keep so many copies of each partition: slots for so many static and dynamic members, in
    /// which nothing runs yet, and a load that is paused, of one in so many of the published events of three months
    /// that are over.
    ///
    /// # Panics
    /// If the brokers or the file system refuse.
    pub fn new(
        bootstrap: &str,
        copies: u32,
        members: (usize, usize),
        one_in: u64,
        seed: u64,
    ) -> Self {
        let kinds = Kinds::builtin();
        let first_month = latest_closed_month().plus(1 - MONTHS);
        let mut deployment = Deployment::on(bootstrap, copies, &kinds, &PARTITIONS);
        let configuration = &mut deployment.configuration;
        configuration.set_text("months.first_month", &first_month.to_string());
        configuration.set_text("checkpoint.interval", "20ms");
        let session = Self::SESSION.as_millis().to_string();
        configuration.set_property("session.timeout.ms", &session);
        let options = Options {
            first_month,
            ..workload_options(one_in, 3, seed)
        };
        let items = Workload::new(Profile::published(), &options);
        let months: Vec<Month> = (0..MONTHS).map(|month| first_month.plus(month)).collect();
        let feed = Feed::since(first_month, &deployment, &kinds);
        Self {
            audit: Audit::new(&deployment, months),
            stream: Stream::new(feed, items, RATE),
            fleet: Fleet::new(deployment, members.0, members.1),
        }
    }

    /// The slots whose instances count something.
    pub fn owners(&mut self) -> Vec<usize> {
        let running = self.fleet.running();
        running
            .into_iter()
            .filter(|slot| self.fleet.owned(*slot) > 0)
            .collect()
    }

    /// Waits until these slots together count everything.
    ///
    /// # Panics
    /// If that takes too long.
    #[track_caller]
    pub fn await_owned(&mut self, slots: &[usize]) {
        let owned = wait_at_most(SETTLED_WITHIN, || {
            self.fleet.tend();
            let owned: usize = slots.iter().map(|slot| self.fleet.owned(*slot)).sum();
            (owned == Self::PARTITIONS).then_some(())
        });
        let mut logs = || self.fleet.logs();
        assert!(owned.is_some(), "{slots:?} do not count all:\n{}", logs());
    }

    /// Pauses the load, waits until everything is released, and checks everything.
    ///
    /// # Panics
    /// If something is wrong or missing, or an instance has ended.
    #[track_caller]
    pub fn settle(&mut self) -> Audited {
        self.stream.pause();
        self.audit.begin_anew();
        let complete = wait_at_most(SETTLED_WITHIN, || {
            self.fleet.tend();
            let audit = &mut self.audit;
            let complete = self.stream.oracle(|oracle| audit.is_complete(oracle));
            complete.then_some(())
        });
        assert!(
            complete.is_some(),
            "not everything is released: {}\n{}",
            self.audit.difference(),
            self.fleet.logs()
        );
        let audit = &mut self.audit;
        self.stream.oracle(|oracle| audit.check(oracle))
    }

    /// Stops everything: an orderly end, after which a subscriber who comes late has what the first one has.
    ///
    /// # Panics
    /// If an instance does not end as asked, or the two differ.
    #[track_caller]
    pub fn end(&mut self) {
        for slot in self.fleet.running() {
            assert_eq!(self.fleet.take(slot).stop(), Some(0));
        }
        let later = self.fleet.deployment.releases().read_to_end();
        assert_eq!(self.audit.released(), later, "who comes later has the same");
    }
}
