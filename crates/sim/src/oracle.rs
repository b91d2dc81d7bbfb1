//! The exact answer: what every prefix of every input partition's log adds up to, and what a month's release says.
//!
//! Plain maps over the answers that the events were made with. Nothing is ever forgotten here: cells below a floor
//! are kept, so a figure that falls because the engine dropped something differs. Of the sketches it shares the
//! hash and the estimate, nothing else.

use std::collections::BTreeMap;
use std::rc::Rc;

use engine::Options;
use model::{InputPartition, Reason};
use sketch::{Precision, Registers};

use crate::civil::MonthNo;
use crate::events::{self, Truth};
use crate::places::{self, Row};
use crate::plan::BASELINE;

/// What is counted of a month and lineage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) events: u64,
    /// Empty where a kind has no distinct users.
    pub(crate) registers: Vec<u8>,
}

/// Everything that a prefix of an input partition's log adds up to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// The number of the checkpoint that made it durable.
    pub(crate) number: u64,
    pub(crate) position: i64,
    pub(crate) floor: MonthNo,
    /// Latest time of a counted event.
    pub(crate) latest: Option<i64>,
    /// When it was stated to be idle: the broker's time of that statement.
    pub(crate) idle_at: Option<i64>,
    pub(crate) cells: BTreeMap<(MonthNo, u8), Rc<Cell>>,
}

/// Dead letters by offset.
pub(crate) type Letters = Vec<(i64, Reason)>;

pub(crate) struct Oracle {
    precision: Precision,
    /// Register and rank of each account.
    slots: Vec<(usize, u8)>,
    truths: BTreeMap<InputPartition, BTreeMap<i64, Truth>>,
}

/// Kinds with distinct users: logins and prescription orders.
pub(crate) fn has_users(partition: InputPartition) -> bool {
    partition.kind.0 < 2
}

impl Oracle {
    pub(crate) fn new(options: &Options) -> Self {
        let slot = |account| {
            let hash = options
                .hash_key
                .account(events::account_id(account).as_bytes());
            Registers::slot(options.precision, hash)
        };
        Self {
            precision: options.precision,
            slots: (0..events::ACCOUNTS).map(slot).collect(),
            truths: BTreeMap::new(),
        }
    }

    /// Takes note of a record that was sent.
    pub(crate) fn note(&mut self, to: InputPartition, offset: i64, truth: Truth) {
        self.truths.entry(to).or_default().insert(offset, truth);
    }

    /// Goes on from a snapshot to a position: what is counted until then, and what is a dead letter. The floor is
    /// the one that the snapshot's checkpoint stated.
    pub(crate) fn fold(&self, of: InputPartition, from: &Snapshot, to: i64) -> (Snapshot, Letters) {
        let mut next = from.clone();
        let mut letters = Letters::new();
        let truths = self.truths.get(&of);
        for (offset, truth) in truths
            .iter()
            .flat_map(|truths| truths.range(from.position..to))
        {
            match truth {
                Truth::Invisible => {}
                Truth::Dead(reason) => letters.push((*offset, *reason)),
                Truth::Event(event) if event.month < from.floor => {
                    letters.push((*offset, Reason::TooOld));
                }
                Truth::Event(event) if event.is_duplicate => {}
                Truth::Event(event) => {
                    next.latest = next.latest.max(Some(event.occurred_at));
                    let cell = next.cells.entry((event.month, event.lineage)).or_default();
                    let cell = Rc::make_mut(cell);
                    cell.events += 1;
                    if has_users(of) {
                        cell.registers.resize(self.precision.registers(), 0);
                        let (register, rank) = self.slots[event.account as usize];
                        let register = &mut cell.registers[register];
                        *register = rank.max(*register);
                    }
                }
            }
        }
        next.position = to;
        (next, letters)
    }

    /// Every measure of every row of a month's release: value and interval.
    pub(crate) fn figures(
        &self,
        snapshots: &BTreeMap<InputPartition, Rc<Snapshot>>,
        month: MonthNo,
    ) -> BTreeMap<(Row, &'static str), Figure> {
        let mut sums = BTreeMap::new();
        for (kind, names) in KINDS.iter().enumerate() {
            let of_kind = snapshots
                .iter()
                .filter(|(partition, _)| usize::from(partition.kind.0) == kind);
            let rows = self.sum(of_kind.map(|(_, snapshot)| snapshot.as_ref()), month);
            let england = rows[&places::ENGLAND].all_time + BASELINE;
            let users = self.users(&rows, month);
            for (row, sum) in &rows {
                sums.insert((*row, names.count), Figure::exact(sum.in_month));
                if let Some([of_month, of_year]) = names.users {
                    sums.insert((*row, of_month), users[row].0);
                    if of_year != NOT_PUBLISHED {
                        sums.insert((*row, of_year), users[row].1);
                    }
                }
            }
            if let Some(name) = names.all_time {
                sums.insert((places::ENGLAND, name), Figure::exact(england));
            }
        }
        sums
    }

    fn sum<'a>(
        &self,
        snapshots: impl Iterator<Item = &'a Snapshot>,
        month: MonthNo,
    ) -> BTreeMap<Row, Sum> {
        let mut rows: BTreeMap<Row, Sum> = BTreeMap::new();
        rows.insert(places::ENGLAND, self.nothing());
        for (board, region) in places::boards(month) {
            for (level, code) in [("icb", board), ("region", region)] {
                rows.insert(Row { level, code }, self.nothing());
            }
        }
        for ((of, lineage), cell) in snapshots.flat_map(|snapshot| &snapshot.cells) {
            if *of > month {
                continue;
            }
            for row in places::rows_of(*lineage, month) {
                let sum = rows.get_mut(&row).expect("every row is there");
                sum.all_time += cell.events;
                if *of == month {
                    sum.in_month += cell.events;
                    raise(&mut sum.of_month, &cell.registers);
                }
                if *of > month - 12 {
                    sum.in_year += cell.events;
                    raise(&mut sum.of_year, &cell.registers);
                }
            }
        }
        rows
    }

    fn nothing(&self) -> Sum {
        Sum {
            of_month: vec![0; self.precision.registers()],
            of_year: vec![0; self.precision.registers()],
            ..Sum::default()
        }
    }

    /// Distinct users of a month and of twelve, bounded by each other, by events and by the geography.
    fn users(&self, rows: &BTreeMap<Row, Sum>, month: MonthNo) -> BTreeMap<Row, (Figure, Figure)> {
        let mut users = BTreeMap::new();
        for (row, sum) in rows {
            let of_month = self.estimate(&sum.of_month).at_most(sum.in_month);
            let of_year = self.estimate(&sum.of_year).at_most(sum.in_year);
            users.insert(*row, (of_month, of_year.at_least(&of_month)));
        }
        let mut lift = |row: Row, below: Row| {
            let below: (Figure, Figure) = users[&below];
            let above = users.get_mut(&row).expect("every row is there");
            *above = (above.0.at_least(&below.0), above.1.at_least(&below.1));
        };
        for (board, region) in places::boards(month) {
            let icb = Row {
                level: "icb",
                code: board,
            };
            let region = Row {
                level: "region",
                code: region,
            };
            lift(region, icb);
        }
        for (_, region) in places::boards(month) {
            let region = Row {
                level: "region",
                code: region,
            };
            lift(places::ENGLAND, region);
        }
        users
    }

    fn estimate(&self, registers: &[u8]) -> Figure {
        let estimate = sketch::estimate_registers(self.precision, registers);
        Figure {
            value: whole(estimate.value.round()),
            lower: whole(estimate.lower_95().floor()),
            upper: whole(estimate.upper_95().ceil()),
        }
    }
}

/// Twelve months of a kind that has no such measure.
const NOT_PUBLISHED: &str = "";

/// Names of measures.
struct Names {
    count: &'static str,
    users: Option<[&'static str; 2]>,
    all_time: Option<&'static str>,
}

const KINDS: [Names; 3] = [
    Names {
        count: "logins",
        users: Some([
            "unique_users_logging_in",
            "unique_users_logging_in_12_months",
        ]),
        all_time: None,
    },
    Names {
        count: "prescription_orders",
        users: Some(["unique_users_ordering_prescriptions", NOT_PUBLISHED]),
        all_time: None,
    },
    Names {
        count: "registrations",
        users: None,
        all_time: Some("registrations_all_time"),
    },
];

#[derive(Default)]
struct Sum {
    in_month: u64,
    in_year: u64,
    all_time: u64,
    of_month: Vec<u8>,
    of_year: Vec<u8>,
}

fn raise(registers: &mut [u8], by: &[u8]) {
    for (register, rank) in registers.iter_mut().zip(by) {
        *register = (*register).max(*rank);
    }
}

/// A value and its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) value: u64,
    pub(crate) lower: u64,
    pub(crate) upper: u64,
}

impl Figure {
    fn exact(value: u64) -> Self {
        Self {
            value,
            lower: value,
            upper: value,
        }
    }

    fn at_most(self, bound: u64) -> Self {
        Self {
            value: self.value.min(bound),
            lower: self.lower.min(bound),
            upper: self.upper.min(bound),
        }
    }

    fn at_least(self, bound: &Self) -> Self {
        Self {
            value: self.value.max(bound.value),
            lower: self.lower.max(bound.lower),
            upper: self.upper.max(bound.upper),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rounded estimate of a small count"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
