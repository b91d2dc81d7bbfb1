//! Releases: what a leader decides, and what a subscriber can read.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use engine::ports::LeaderRecord;
use model::InputPartition;
use wire::v1::MonthClose;

use super::{Checked, Checker, Violation, ensure, violated};
use crate::civil::{self, MonthNo};
use crate::oracle::{Figure, Snapshot};
use crate::places::{ENGLAND, Row};
use crate::plan::{IDLE_TIMEOUT, Plan};

/// A leader's decision, at the moment it goes to publish it.
pub(crate) struct Decided<'a> {
    pub(crate) records: &'a [LeaderRecord],
    /// The number of each partition's checkpoint in its view.
    pub(crate) seen: BTreeMap<InputPartition, u64>,
    /// The same of all that was committed when it took the release id.
    pub(crate) taken: BTreeMap<InputPartition, u64>,
    /// The input partitions that there were when its turn began.
    pub(crate) partitions: BTreeSet<InputPartition>,
    /// The broker's time.
    pub(crate) now: i64,
}

/// One revision of a month: every record by its key.
type Revision = BTreeMap<Vec<u8>, MonthClose>;

#[derive(Default)]
pub(crate) struct Releases {
    months: BTreeMap<MonthNo, Vec<Revision>>,
}

impl Releases {
    pub(super) fn is_closed(&self, month: MonthNo) -> bool {
        self.months.contains_key(&month)
    }

    pub(super) fn latest_closed(&self) -> Option<MonthNo> {
        self.months.keys().next_back().copied()
    }

    pub(super) fn last_records(&self) -> impl Iterator<Item = (&Vec<u8>, &MonthClose)> {
        self.months.values().filter_map(|all| all.last()).flatten()
    }
}

impl Checker {
    /// How many months were closed and how many revisions followed.
    pub(crate) fn releases(&self) -> (usize, usize) {
        let months = self.releases.months.len();
        let all: usize = self.releases.months.values().map(Vec::len).sum();
        (months, all - months)
    }

    /// What a leader is about to publish.
    pub(crate) fn decided(&self, plan: &Plan, decided: &Decided<'_>) -> Checked {
        let records = read(decided.records)?;
        let Some(first) = records.values().next() else {
            return Ok(()); // The settings.
        };
        let month = month_of(first)?;
        for (partition, number) in &decided.taken {
            ensure(
                decided.seen.get(partition) >= Some(number),
                "a leader knows all that was committed when it took the id",
                || {
                    format!(
                        "{month}: {} {:?}",
                        self.name(*partition),
                        decided.seen.get(partition)
                    )
                },
            )?;
        }
        let snapshots = self.snapshots(&decided.seen)?;
        let boundary = plan.boundary(month);
        for partition in &decided.partitions {
            let reached = snapshots.get(partition).and_then(|snapshot| {
                let idle = snapshot.idle_at.map(|at| at - IDLE_TIMEOUT);
                snapshot.latest.max(idle)
            });
            ensure(
                reached.is_some_and(|reached| reached >= boundary) && decided.now >= boundary,
                "a month is released only behind its end and grace",
                || {
                    let name = self.name(*partition);
                    format!(
                        "{month}: {name} at {reached:?}, the clock at {}, not {boundary}",
                        decided.now
                    )
                },
            )?;
        }
        let sealed_before = self.sealed_before(&snapshots);
        ensure(
            month >= sealed_before,
            "a sealed month is not released again",
            || format!("{month}, sealed before {sealed_before}"),
        )?;
        self.check_recounted(&snapshots)?;
        self.check_figures(&snapshots, month, &records)
    }

    /// Months before this are sealed: a floor is in their window, or was when counting began anew.
    fn sealed_before(&self, snapshots: &BTreeMap<InputPartition, Rc<Snapshot>>) -> MonthNo {
        let floors = snapshots.values().map(|snapshot| snapshot.floor);
        let by_floor = floors.max().filter(|floor| *floor > 0);
        let recount = self.recount.as_ref();
        let by_recount = recount.map_or(0, |recount| recount.sealed_before);
        by_floor.map_or(0, |floor| floor + 11).max(by_recount)
    }

    /// Releases stay the record until everything that they were made of is counted again.
    fn check_recounted(&self, snapshots: &BTreeMap<InputPartition, Rc<Snapshot>>) -> Checked {
        let until = self.recount.iter().flat_map(|recount| &recount.until);
        for (partition, until) in until {
            let position = snapshots.get(partition).map(|snapshot| snapshot.position);
            ensure(
                position.is_some_and(|position| position >= *until),
                "nothing is released during a recount",
                || format!("{} to {position:?} of {until}", self.name(*partition)),
            )?;
        }
        Ok(())
    }

    /// The snapshots of these checkpoints.
    pub(super) fn snapshots(
        &self,
        numbers: &BTreeMap<InputPartition, u64>,
    ) -> Result<BTreeMap<InputPartition, Rc<Snapshot>>, Violation> {
        let mut snapshots = BTreeMap::new();
        for (partition, number) in numbers {
            let ledger = self.ledgers.get(partition);
            let snapshot = ledger
                .and_then(|ledger| ledger.history.get(number))
                .ok_or_else(|| {
                    let found = format!("checkpoint {number} of {}", self.name(*partition));
                    violated("a view knows only what was committed", found)
                })?;
            snapshots.insert(*partition, Rc::clone(snapshot));
        }
        Ok(snapshots)
    }

    fn check_figures(
        &self,
        snapshots: &BTreeMap<InputPartition, Rc<Snapshot>>,
        month: MonthNo,
        records: &Revision,
    ) -> Checked {
        const INVARIANT: &str = "a release says what the events add up to";
        let exact = self.oracle.figures(snapshots, month);
        let mut said = BTreeMap::new();
        for record in records.values() {
            for measure in &record.measures {
                let figure = Figure {
                    value: measure.value,
                    lower: measure.lower_95,
                    upper: measure.upper_95,
                };
                let place = (record.level.as_str(), record.code.as_str());
                said.insert((place, measure.measure.as_str()), figure);
            }
        }
        let name = civil::month_name(month);
        ensure(said.len() == exact.len(), INVARIANT, || {
            format!("{name}: {} figures, should be {}", said.len(), exact.len())
        })?;
        for ((row, measure), figure) in exact {
            let Row { level, code } = row;
            let found = said.get(&((level, code), measure));
            ensure(found == Some(&figure), INVARIANT, || {
                format!("{name} {level}/{code} {measure}: {found:?}, should be {figure:?}")
            })?;
        }
        Ok(())
    }

    /// A release was committed.
    pub(super) fn released(&mut self, records: &[LeaderRecord]) -> Checked {
        let records = read(records)?;
        let Some(first) = records.values().next() else {
            return Ok(());
        };
        let month = month_of(first)?;
        let name = civil::month_name(month);
        let interval = self.revision_interval;
        let latest = self.releases.latest_closed();
        let revisions = self.releases.months.entry(month).or_default();
        let revision = usize::try_from(first.revision).expect("32 bits fit");
        ensure(
            revision >= revisions.len(),
            "every month and revision is released once",
            || format!("{name}/{revision}"),
        )?;
        ensure(
            revision == revisions.len(),
            "revisions are numbered without a gap",
            || format!("{name}/{revision} with {} before it", revisions.len()),
        )?;
        ensure(
            revision > 0 || latest.map_or(0, |latest| latest + 1) == month,
            "months are closed in order",
            || format!("{name} behind {latest:?}"),
        )?;
        let count = |record: &MonthClose, measure: &str| {
            let mut measures = record.measures.iter();
            measures
                .find(|found| found.measure == measure)
                .map(|found| found.value)
        };
        if let Some(last) = revisions.last() {
            let former = last.values().next().expect("releases have records");
            let gap = released_at(first) - released_at(former);
            ensure(gap >= interval, "revisions keep their interval", || {
                format!("{name}/{revision} follows after {gap} ms of {interval}")
            })?;
            ensure(
                last.iter()
                    .any(|(key, record)| record.measures != records[key].measures),
                "a revision says something else",
                || format!("{name}/{revision}"),
            )?;
            for (key, record) in last {
                for measure in ["logins", "prescription_orders", "registrations"] {
                    ensure(
                        self.recount.is_some()
                            || count(record, measure) <= count(&records[key], measure),
                        "a count never falls",
                        || format!("{name}/{revision} {measure}"),
                    )?;
                }
            }
        }
        revisions.push(records);
        Ok(())
    }

    /// Every month that should be closed is, and every month that is not sealed says what is known now.
    pub(crate) fn settled(&self, months: MonthNo) -> Checked {
        let snapshots: BTreeMap<_, _> = self
            .ledgers
            .keys()
            .map(|of| (*of, self.last(*of)))
            .collect();
        if snapshots.values().all(|snapshot| snapshot.latest.is_none()) {
            return Ok(()); // Nothing is released before something was counted.
        }
        let sealed_before = self.sealed_before(&snapshots);
        for month in 0..months {
            let Some(revisions) = self.releases.months.get(&month) else {
                return Err(violated(
                    "when faults stop, every month is closed",
                    civil::month_name(month),
                ));
            };
            if month >= sealed_before {
                let last = revisions.last().expect("a month has a release");
                self.check_figures(&snapshots, month, last)
                    .map_err(|found| {
                        violated("when faults stop, every month says what is known", found)
                    })?;
            }
        }
        Ok(())
    }

    /// What a subscriber reads: whole releases, one behind the other, each once.
    pub(crate) fn subscribed(&self, released: &[Released]) -> Checked {
        let mut whole: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, value, headers) in released {
            let header = |name: &str| {
                let mut found = headers.iter().filter(|(header, _)| header == name);
                found.next().map_or("", |(_, value)| value.as_str())
            };
            wire::releases::decode(value)
                .map_err(|error| violated("releases can be read", error))?;
            let left = whole
                .entry(header(wire::headers::RELEASE))
                .or_insert_with(|| header(wire::headers::RECORDS).parse().unwrap_or(0));
            *left = left.checked_sub(1).ok_or_else(|| {
                violated(
                    "every month and revision is released once",
                    header(wire::headers::RELEASE),
                )
            })?;
        }
        let (months, revisions) = self.releases();
        ensure(
            whole.len() == months + revisions && whole.values().all(|left| *left == 0),
            "subscribers read whole releases",
            || format!("{whole:?}"),
        )
    }
}

/// A record of the month-close topic: key, value, headers.
pub(crate) type Released = (Vec<u8>, Vec<u8>, Vec<memlog::Header>);

/// The records of a release; none if it is something else.
fn read(records: &[LeaderRecord]) -> Result<Revision, Violation> {
    let mut read = Revision::new();
    for record in records {
        let engine::ports::Published::MonthClose(_) = record.to else {
            continue;
        };
        let value = record.value.as_deref().unwrap_or_default();
        let release = wire::releases::decode(value)
            .map_err(|error| violated("releases can be read", error))?;
        let key = format!("{}/{}/{}", release.month, release.level, release.code);
        ensure(
            key.as_bytes() == record.key
                && read.insert(key.clone().into_bytes(), release).is_none(),
            "a release has every record once",
            || key,
        )?;
    }
    let whole = read.values().map(|record| (&record.month, record.revision));
    let whole: BTreeSet<_> = whole.collect();
    let england = read.values().any(|record| record.level == ENGLAND.level);
    ensure(
        whole.len() <= 1 && (read.is_empty() || england),
        "a release is one revision of one month",
        || format!("{whole:?}"),
    )?;
    Ok(read)
}

fn month_of(record: &MonthClose) -> Result<MonthNo, Violation> {
    civil::month_named(&record.month)
        .ok_or_else(|| violated("a release names a month", &record.month))
}

fn released_at(record: &MonthClose) -> i64 {
    let at = record.released_at.unwrap_or_default();
    at.seconds * 1000 + i64::from(at.nanos / 1_000_000)
}
