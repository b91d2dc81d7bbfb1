//! What must come out: every measure of a workload, exactly.
//!
//! The oracle is shown every record once, in the order of its partition's log. It has its own months,
//! placing, duplicates and counting, written from the rules and not from the engine, and no limits:
//! every account is in a hash set. A workload at one in a hundred of the national figures takes it a
//! few hundred megabytes a year.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::{InputPartition, Kind, KindId, Kinds, Month, Reason, Timestamp};

use crate::item::Item;
use counts::{Accounts, Counts};
use months::{MonthNumber, Months};
pub use placing::Error as TableError;
use placing::{Placing, UNKNOWN};
pub use residence::Residence;
use residence::Sessions;
use window::Window;

mod counts;
mod months;
mod placing;
mod residence;
mod window;

/// The rules that verdicts depend on.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// Whose months count, "Europe/London".
    pub time_zone: &'a str,
    /// Nothing before it is counted.
    pub first_month: Month,
    /// The reference data, as text.
    pub reference: &'a str,
    /// The practices, as text.
    pub practices: &'a str,
    /// The table of kinds.
    pub kinds: &'a Kinds,
    /// How far ahead of its record's timestamp an event may have occurred.
    pub max_skew: Duration,
    /// How long a generation of identities lasts at most, in event time.
    pub window: Duration,
    /// How many identities it holds at most.
    pub events_max: usize,
    /// Whether to keep what [`Oracle::residence`] needs; it doubles the memory.
    pub keeps_sessions: bool,
}

impl<'a> Options<'a> {
    /// The rules as they are by default.
    #[must_use]
    pub fn new(first_month: Month, practices: &'a str, kinds: &'a Kinds) -> Self {
        Self {
            time_zone: "Europe/London",
            first_month,
            reference: crate::REFERENCE,
            practices,
            kinds,
            max_skew: Duration::from_secs(15 * 60),
            window: Duration::from_secs(60 * 60),
            events_max: 32_768,
            keeps_sessions: false,
        }
    }
}

/// Why there can be no oracle of these options.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The time zone is unknown.
    #[error("unknown time zone")]
    TimeZone(#[from] jiff::Error),
    /// A table can't be read.
    #[error("a table can't be read")]
    Table(#[from] TableError),
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is counted.
    Counted,
    /// Its partition remembers its identity.
    Duplicate,
    /// It can't be counted.
    DeadLetter(Reason),
}

/// A measure of a geography in a month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// "icb", "region" or "england".
    pub level: &'static str,
    /// ODS code, "Unknown" or "E92000001".
    pub code: String,
    /// The measure's name.
    pub measure: String,
    /// Its exact value.
    pub value: u64,
}

/// Exact results of the records that it was shown.
#[derive(Debug)]
pub struct Oracle {
    months: Months,
    placing: Placing,
    kinds: Kinds,
    first_month: MonthNumber,
    max_skew: Duration,
    window: Duration,
    events_max: usize,
    clock: Timestamp,
    floors: HashMap<InputPartition, MonthNumber>,
    windows: HashMap<InputPartition, Window>,
    counts: Counts,
    sessions: Option<Sessions>,
    duplicates: u64,
    dead_letters: BTreeMap<Reason, u64>,
}

const ENGLAND: &str = "E92000001";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Oracle {
    /// An oracle that has seen nothing. Its clock stands at the end of time, so nothing is ahead of it, and no
    /// partition has a floor.
    ///
    /// # Errors
    /// If the time zone is unknown or a table can't be read.
    pub fn new(options: &Options<'_>) -> Result<Self, Error> {
        Ok(Self {
            months: Months::new(options.time_zone)?,
            placing: Placing::new(options.reference, options.practices)?,
            kinds: options.kinds.clone(),
            first_month: months::number(options.first_month),
            max_skew: options.max_skew,
            window: options.window,
            events_max: options.events_max,
            clock: Timestamp::MAX,
            floors: HashMap::new(),
            windows: HashMap::new(),
            counts: Counts::default(),
            sessions: options.keeps_sessions.then(Sessions::default),
            duplicates: 0,
            dead_letters: BTreeMap::new(),
        })
    }

    /// What the clock says from now on, for `ahead_of_clock`.
    pub fn set_clock(&mut self, now: Timestamp) {
        self.clock = now;
    }

    /// The first month that a partition keeps from now on, for `too_old`. It only rises.
    pub fn raise_floor(&mut self, partition: InputPartition, floor: Month) {
        let floor = months::number(floor);
        let kept = self.floors.entry(partition).or_insert(floor);
        *kept = floor.max(*kept);
    }

    /// Takes the next record of its partition's log.
    pub fn observe(&mut self, item: &Item) -> Verdict {
        let month = self.months.of(item.truth.occurred_at);
        if let Some(reason) = self.dead_letter(item, month) {
            *self.dead_letters.entry(reason).or_default() += 1;
            return Verdict::DeadLetter(reason);
        }
        let truth = &item.truth;
        let window = self.windows.entry(item.input_partition()).or_default();
        if window.is_duplicate(
            truth.identity,
            truth.occurred_at,
            self.window,
            self.events_max,
        ) {
            self.duplicates += 1;
            return Verdict::Duplicate;
        }
        let lineage = self.placing.place(truth.practice, truth.icb);
        let kind = self.kinds.get(item.kind);
        let has_users = kind.users.is_some() || kind.users_12_months.is_some();
        self.counts.add(
            item.kind,
            month,
            lineage,
            has_users.then_some(truth.account),
        );
        if let Some(sessions) = self.sessions.as_mut().filter(|_| kind.has_session) {
            sessions.add(month, truth.account, truth.occurred_at, lineage);
        }
        Verdict::Counted
    }

    /// The first reason why the record can't be counted. Those of its bytes come first in the order of reasons, and
    /// were decided when it was made.
    fn dead_letter(&self, item: &Item, month: MonthNumber) -> Option<Reason> {
        let floor = self.floors.get(&item.input_partition());
        if item.truth.defect.is_some() {
            item.truth.defect
        } else if item.truth.occurred_at > item.timestamp.saturating_add(self.max_skew) {
            Some(Reason::AheadOfRecord)
        } else if item.timestamp > self.clock.saturating_add(DAY) {
            Some(Reason::AheadOfClock)
        } else if month < self.first_month {
            Some(Reason::BeforeFirstMonth)
        } else if floor.is_some_and(|floor| month < *floor) {
            Some(Reason::TooOld)
        } else {
            None
        }
    }

    /// Records that were duplicates.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Records that can't be counted, by reason; reasons that never applied are left out.
    #[must_use]
    pub fn dead_letters(&self) -> &BTreeMap<Reason, u64> {
        &self.dead_letters
    }

    /// Every measure of every geography in a month, of what was shown so far: boards and regions ascending with
    /// `Unknown` last, then England; kinds in the order of their table. Zeros are included.
    #[must_use]
    pub fn measures(&self, month: Month) -> Vec<Row> {
        let month = months::number(month);
        let in_force = self.placing.in_force(month);
        let mut places: Vec<(&'static str, &str)> = Vec::new();
        places.extend(in_force.keys().map(|code| ("icb", *code)));
        places.push(("icb", UNKNOWN));
        let mut regions: Vec<&str> = in_force.values().copied().collect();
        regions.sort_unstable();
        regions.dedup();
        places.extend(regions.into_iter().map(|code| ("region", code)));
        places.extend([("region", UNKNOWN), ("england", ENGLAND)]);
        let mut tally = Tally::default();
        for (id, kind) in self.kinds.iter() {
            tally.of_kind(self, id, kind, month);
        }
        let mut rows = Vec::new();
        for (level, code) in places {
            for (_, kind) in self.kinds.iter() {
                for measure in measures(kind, level) {
                    let value = tally
                        .0
                        .get(&(level, code, measure))
                        .map_or(0, Value::number);
                    rows.push(Row {
                        level,
                        code: code.to_owned(),
                        measure: measure.to_owned(),
                        value,
                    });
                }
            }
        }
        rows
    }

    /// Distinct users logging in by board over a month and those before it, `months` in all, by their last session and
    /// by any session. Empty unless sessions are kept.
    #[must_use]
    pub fn residence(&self, month: Month, months: i32) -> Vec<Residence> {
        let month = months::number(month);
        let compare = |sessions: &Sessions| {
            let window = month - months + 1..=month;
            sessions.compare(window, |lineage| self.placing.board(lineage, month))
        };
        self.sessions.as_ref().map(compare).unwrap_or_default()
    }
}

/// The names of a kind's measures at a level.
fn measures<'a>(kind: &'a Kind, level: &str) -> impl Iterator<Item = &'a str> {
    let all_time = kind.all_time.as_ref().filter(|_| level == "england");
    let optional = [kind.users.as_ref(), kind.users_12_months.as_ref(), all_time];
    std::iter::once(kind.name.as_str()).chain(optional.into_iter().flatten().map(String::as_str))
}

/// A month's values while they are put together, by level, code and measure.
#[derive(Default)]
struct Tally<'a>(HashMap<(&'static str, &'a str, &'a str), Value>);

enum Value {
    Events(u64),
    Users(Accounts),
}

impl Value {
    fn number(&self) -> u64 {
        match self {
            Self::Events(events) => *events,
            Self::Users(accounts) => u64::try_from(accounts.len()).expect("a length fits 64 bits"),
        }
    }
}

impl<'a> Tally<'a> {
    fn of_kind(&mut self, oracle: &'a Oracle, id: KindId, kind: &'a Kind, month: MonthNumber) {
        for back in 0..12 {
            for (lineage, cell) in oracle.counts.cells(id, month - back) {
                // All are reported under the boards of the month that is asked for.
                let board = oracle.placing.board(lineage, month);
                let region = oracle
                    .placing
                    .in_force(month)
                    .get(board)
                    .copied()
                    .unwrap_or(UNKNOWN);
                for place in [("icb", board), ("region", region), ("england", ENGLAND)] {
                    if back == 0 {
                        self.add_events(place, &kind.name, cell.events);
                        self.add_users(place, kind.users.as_deref(), &cell.accounts);
                    }
                    self.add_users(place, kind.users_12_months.as_deref(), &cell.accounts);
                }
            }
        }
        if let Some(all_time) = &kind.all_time {
            let events = kind.baseline + oracle.counts.events_until(id, month);
            self.add_events(("england", ENGLAND), all_time, events);
        }
    }

    fn add_events(
        &mut self,
        (level, code): (&'static str, &'a str),
        measure: &'a str,
        events: u64,
    ) {
        let value = self
            .0
            .entry((level, code, measure))
            .or_insert(Value::Events(0));
        if let Value::Events(sum) = value {
            *sum += events;
        }
    }

    fn add_users(
        &mut self,
        (level, code): (&'static str, &'a str),
        measure: Option<&'a str>,
        accounts: &Accounts,
    ) {
        let Some(measure) = measure else { return };
        let value = self
            .0
            .entry((level, code, measure))
            .or_insert_with(|| Value::Users(Accounts::default()));
        if let Value::Users(all) = value {
            all.extend(accounts);
        }
    }
}

#[cfg(test)]
mod tests;
