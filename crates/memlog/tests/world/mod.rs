//! A cluster in memory with instances on it, fed from a workload.

#![allow(dead_code, unused_imports, reason = "each test uses its part of it")]

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ports::{Error, Host, Ports};
use engine::{Instance, Lowest, Occurrence, Options, Tally};
use memlog::{Cluster, InputRecord, MemCheckpoints, MemJournal, MemReleases, MemSource, MemStore};
use model::{Calendar, Geography, Kinds, Month, Timestamp};
use wire::v1::MonthClose;
use workload::{Item, Practices};

pub(crate) mod events;
pub(crate) mod faults;
pub(crate) mod site;
pub(crate) mod watched;

pub(crate) use events::{at, login, order, registration};
pub(crate) use faults::{Fault, Faulty, Plan};
pub(crate) use site::Site;
pub(crate) use watched::Watched;

pub(crate) fn month(text: &str) -> Month {
    text.parse().unwrap()
}

pub(crate) fn options(practices: &str, first_month: &str) -> Options {
    Options {
        group_id: "appmi".into(),
        kinds: Kinds::builtin(),
        geography: Geography::load(None, Some(("practices.csv", practices))).unwrap(),
        calendar: Calendar::new("Europe/London").unwrap(),
        hash_key: sketch::HashKey::derive(&[7; 32]).unwrap(),
        precision: sketch::Precision::new(12).unwrap(),
        first_month: month(first_month),
        grace: Duration::from_hours(72),
        idle_timeout: Duration::from_mins(5),
        max_skew: Duration::from_mins(15),
        retention_months: 15,
        revision_interval: Duration::from_hours(24),
        deduplication_window: Duration::from_hours(1),
        deduplication_events_max: 32_768,
        encoding: wire::events::Encoding::Protobuf,
        payload_bytes_max: 65_536,
        include_payload: false,
        checkpoint_interval: Duration::from_mins(30),
        release_format: wire::releases::Format::Protobuf,
    }
}

/// The surroundings of one instance.
pub(crate) struct TestHost {
    cluster: Cluster,
    /// How far its clock is behind the cluster's.
    pub(crate) behind: Duration,
    pub(crate) stop: bool,
    ids: u8,
    pub(crate) seen: Vec<String>,
    /// What became of all records.
    pub(crate) tally: Tally,
    /// How things stood, each time that they stood otherwise.
    pub(crate) standings: Vec<Standing>,
}

/// [`engine::Standing`], kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) partition_counts: Vec<u32>,
    pub(crate) recount_records_left: u64,
    pub(crate) closed_until: Timestamp,
    pub(crate) lowest: Option<Lowest>,
}

impl From<&engine::Standing<'_>> for Standing {
    fn from(standing: &engine::Standing<'_>) -> Self {
        Self {
            partition_counts: standing.partition_counts.to_vec(),
            recount_records_left: standing.recount_records_left,
            closed_until: standing.closed_until,
            lowest: standing.lowest,
        }
    }
}

impl Host for TestHost {
    fn now(&mut self) -> Timestamp {
        self.cluster.now().saturating_sub(self.behind)
    }

    fn is_asked_to_stop(&mut self) -> bool {
        self.stop
    }

    fn random_id(&mut self) -> [u8; 16] {
        self.ids += 1;
        [self.ids; 16]
    }

    fn observe(&mut self, occurrence: &Occurrence<'_>) {
        match occurrence {
            Occurrence::Turned { .. } | Occurrence::Restoring { .. } => {}
            Occurrence::Standing(standing) => {
                let standing = Standing::from(standing);
                if self.standings.last() != Some(&standing) {
                    self.standings.push(standing);
                }
            }
            Occurrence::Counted { tally, .. } => {
                self.tally.counted += tally.counted;
                self.tally.duplicates += tally.duplicates;
                self.tally.dead_letters += tally.dead_letters;
                self.tally.unknown_geography += tally.unknown_geography;
                self.tally.sealed += tally.sealed;
            }
            other => self.seen.push(format!("{other:?}")),
        }
    }
}

/// A running instance: dropping it without [`Process::stop`] is a crash.
pub(crate) struct Process {
    pub(crate) host: TestHost,
    pub(crate) source: Watched,
    checkpoints: Faulty<MemCheckpoints>,
    pub(crate) journal: MemJournal,
    releases: Faulty<MemReleases>,
    /// What goes wrong with the next checkpoints.
    pub(crate) checkpoint_faults: Plan,
    /// What goes wrong with the next releases.
    pub(crate) release_faults: Plan,
    pub(crate) store: MemStore,
    pub(crate) instance: Instance,
}

impl Process {
    pub(crate) fn start(
        cluster: &Cluster,
        name: &str,
        options: &Options,
        store: &MemStore,
    ) -> Result<Self, Error> {
        let mut host = TestHost {
            cluster: cluster.clone(),
            behind: Duration::ZERO,
            stop: false,
            ids: 0,
            seen: Vec::new(),
            tally: Tally::default(),
            standings: Vec::new(),
        };
        let mut source = Watched::new(MemSource::new(cluster));
        let (checkpoint_faults, release_faults) = (Plan::default(), Plan::default());
        let mut checkpoints = Faulty::new(MemCheckpoints::new(&source, name), &checkpoint_faults);
        let mut journal = MemJournal::new(cluster);
        let mut releases = Faulty::new(MemReleases::new(cluster), &release_faults);
        let mut store = store.clone();
        let mut ports = Ports {
            source: &mut source,
            checkpoints: &mut checkpoints,
            journal: &mut journal,
            releases: &mut releases,
            store: &mut store,
            host: &mut host,
        };
        let instance = Instance::open(options.clone(), &mut ports)?.expect("not asked to stop");
        Ok(Self {
            host,
            source,
            checkpoints,
            journal,
            releases,
            checkpoint_faults,
            release_faults,
            store,
            instance,
        })
    }

    pub(crate) fn turn(&mut self) -> Result<bool, Error> {
        let mut ports = Ports {
            source: &mut self.source,
            checkpoints: &mut self.checkpoints,
            journal: &mut self.journal,
            releases: &mut self.releases,
            store: &mut self.store,
            host: &mut self.host,
        };
        self.instance.turn(&mut ports)
    }

    pub(crate) fn turns(&mut self, turns: usize) {
        for _ in 0..turns {
            self.turn().unwrap();
        }
    }

    /// The error that it ends with.
    pub(crate) fn error(&mut self) -> Error {
        for _ in 0..40 {
            if let Err(error) = self.turn() {
                return error;
            }
        }
        panic!("it went on");
    }

    /// How many occurrences begin with a text, as `Debug` prints them.
    pub(crate) fn seen(&self, begin: &str) -> usize {
        self.host
            .seen
            .iter()
            .filter(|seen| seen.starts_with(begin))
            .count()
    }

    pub(crate) fn stop(mut self) -> Result<TestHost, Error> {
        self.host.stop = true;
        while self.turn()? {}
        Ok(self.host)
    }
}

pub(crate) fn append(cluster: &Cluster, item: &Item) {
    cluster.advance_to(item.timestamp);
    cluster.append(
        item.input_partition(),
        InputRecord {
            timestamp: item.timestamp,
            content_type: item.content_type,
            payload: item.payload.clone(),
        },
    );
}

/// Turns until everything is committed, then lets the clock pass until nothing more is released.
pub(crate) fn settle(cluster: &Cluster, processes: &mut [Process], until: Timestamp) {
    for _ in 0..1000 {
        for process in &mut *processes {
            process.turns(3);
        }
        if cluster.lag() == 0 {
            break;
        }
        cluster.advance_to(cluster.now().saturating_add(Duration::from_secs(60)));
    }
    assert_eq!(cluster.lag(), 0, "everything is committed");
    cluster.advance_to(until);
    for _ in 0..400 {
        for process in &mut *processes {
            process.turns(2);
        }
        cluster.advance_to(cluster.now().saturating_add(Duration::from_secs(2)));
    }
}

/// The last revision of every record, by key; asserts that every (key, revision) came once and whole.
pub(crate) fn releases(cluster: &Cluster) -> BTreeMap<(String, String, String), MonthClose> {
    let mut seen = std::collections::BTreeSet::new();
    let mut sizes: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut last = BTreeMap::new();
    for (key, value, headers) in cluster.released() {
        let record = wire::releases::decode(&value).unwrap();
        assert!(
            seen.insert((key, record.revision)),
            "every (key, revision) once"
        );
        let header = |name: &str| {
            headers
                .iter()
                .find(|(key, _)| key == name)
                .unwrap()
                .1
                .clone()
        };
        let size = sizes.entry(header("appmi-release")).or_default();
        *size = (size.0 + 1, header("appmi-records").parse().unwrap());
        last.insert(
            (
                record.month.clone(),
                record.level.clone(),
                record.code.clone(),
            ),
            record,
        );
    }
    for (release, (found, said)) in sizes {
        assert_eq!(found, said, "release {release} is whole");
    }
    last
}

/// How the released figures compare with the exact ones.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) exact: usize,
    pub(crate) estimates: usize,
    pub(crate) inside: usize,
}

/// Compares a month's records with the oracle's: counts must be equal, estimates are tallied.
pub(crate) fn compare(
    released: &BTreeMap<(String, String, String), MonthClose>,
    oracle: &workload::Oracle,
    month: Month,
) -> Comparison {
    let mut comparison = Comparison::default();
    let rows = oracle.measures(month);
    assert!(!rows.is_empty());
    for row in rows {
        let key = (month.to_string(), row.level.to_owned(), row.code.clone());
        let record = released
            .get(&key)
            .unwrap_or_else(|| panic!("{key:?} was not released"));
        let measure = record
            .measures
            .iter()
            .find(|measure| measure.measure == row.measure)
            .unwrap_or_else(|| panic!("{key:?} has no {}: {record:?}", row.measure));
        if measure.estimated {
            comparison.estimates += 1;
            if (measure.lower_95..=measure.upper_95).contains(&row.value) {
                comparison.inside += 1;
            }
        } else {
            comparison.exact += 1;
            assert_eq!(measure.value, row.value, "{key:?} {}", row.measure);
            assert_eq!((measure.lower_95, measure.upper_95), (row.value, row.value));
        }
    }
    comparison
}

pub(crate) fn workload(months: u32, one_in: u64, seed: u64) -> workload::Options {
    workload::Options {
        seed,
        one_in,
        months,
        partitions: workload::Partitions {
            logins: 3,
            prescription_orders: 2,
            registrations: 1,
        },
        practices: Practices::synthetic(),
        ..workload::Options::default()
    }
}

pub(crate) fn counts(options: &workload::Options) -> [u32; 3] {
    let partitions = options.partitions;
    [
        partitions.logins,
        partitions.prescription_orders,
        partitions.registrations,
    ]
}
