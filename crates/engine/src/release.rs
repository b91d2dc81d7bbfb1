//! What a month's release says: every measure of every geography, from the view's counts and unions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use model::{IcbCode, KindId, Lineage, Measure, Month, Timestamp};
use sketch::{Registers, estimate_registers};
use wire::releases::{ENGLAND, Level, ReleaseKey, UNKNOWN};
use wire::v1;

use crate::Options;
use crate::ports::{Error, Store};
use crate::view::{View, damaged, keys, number};

mod bounds;

use bounds::Figure;

/// All records of a month's release: England, regions, ICBs, with `Unknown` behind those in force.
///
/// # Errors
/// If the store can't be read.
pub fn records(
    options: &Options,
    view: &View,
    store: &dyn Store,
    month: Month,
    revision: u32,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<v1::MonthClose>, Error> {
    let places = Places::of(options, month);
    let mut records: Vec<v1::MonthClose> = places
        .rows
        .iter()
        .map(|place| place.record(month, revision, reason, now))
        .collect();
    for (kind, _) in options.kinds.iter() {
        let figures = figures(options, view, store, &places, month, kind)?;
        for row in options
            .kinds
            .measures()
            .filter(|row| row.measure.kind() == kind)
        {
            for (place, record) in places.rows.iter().zip(&mut records) {
                if row.measure.is_england_only() && place.level != Level::England {
                    continue;
                }
                let figure = &figures[place.index][row.measure.slot()];
                record
                    .measures
                    .push(figure.measure(options, row.name, row.measure, month));
            }
        }
    }
    Ok(records)
}

/// The key of a release's record.
///
/// # Panics
/// If the record is not one of [`records`].
#[must_use]
pub fn key(record: &v1::MonthClose) -> Vec<u8> {
    let month = record.month.parse().expect("a release names its month");
    let level = record.level.parse().expect("a release names its level");
    ReleaseKey {
        month,
        level,
        code: &record.code,
    }
    .encode()
}

/// The index of a measure's figure within its kind.
trait Slot {
    fn slot(&self) -> usize;
}

impl Slot for Measure {
    fn slot(&self) -> usize {
        match self {
            Self::Count(_) => 0,
            Self::Users(_) => 1,
            Self::Users12Months(_) => 2,
            Self::AllTime(_) => 3,
        }
    }
}

/// A geography of a month's release.
struct Place {
    index: usize,
    level: Level,
    code: String,
    name: String,
    region_code: String,
    region_name: String,
}

/// The geographies of a month, and which boards make up which.
struct Places {
    rows: Vec<Place>,
    /// Index of the row, by board.
    boards: BTreeMap<IcbCode, usize>,
    /// Index of a board's region's row, by the board's row.
    region_of: BTreeMap<usize, usize>,
    england: usize,
}

impl Places {
    fn of(options: &Options, month: Month) -> Self {
        let geography = &options.geography;
        let mut places = Self {
            rows: Vec::new(),
            boards: BTreeMap::new(),
            region_of: BTreeMap::new(),
            england: 0,
        };
        places.england = places.push(Level::England, (ENGLAND, "England"), ("", ""));
        let mut regions = BTreeMap::new();
        for region in geography.regions_in(month) {
            let row = (region.code.as_str(), region.name.as_str());
            regions.insert(row.0, places.push(Level::Region, row, row));
        }
        let unknown = places.push(Level::Region, (UNKNOWN, UNKNOWN), (UNKNOWN, UNKNOWN));
        for board in geography.boards_in(month) {
            let region = (board.region_code.as_str(), board.region_name.as_str());
            let row = places.push(Level::Icb, (board.code.as_str(), &board.name), region);
            places.boards.insert(board.code, row);
            places.region_of.insert(row, regions[region.0]);
        }
        let row = places.push(Level::Icb, (UNKNOWN, UNKNOWN), (UNKNOWN, UNKNOWN));
        places.boards.insert(IcbCode::UNKNOWN, row);
        places.region_of.insert(row, unknown);
        places
    }

    fn push(&mut self, level: Level, (code, name): (&str, &str), region: (&str, &str)) -> usize {
        let index = self.rows.len();
        self.rows.push(Place {
            index,
            level,
            code: code.to_owned(),
            name: name.to_owned(),
            region_code: region.0.to_owned(),
            region_name: region.1.to_owned(),
        });
        index
    }

    /// The rows of boards.
    fn board_rows(&self) -> impl Iterator<Item = usize> {
        self.region_of.keys().copied()
    }
}

impl Place {
    fn record(&self, month: Month, revision: u32, reason: &str, now: Timestamp) -> v1::MonthClose {
        v1::MonthClose {
            month: month.to_string(),
            level: self.level.as_str().to_owned(),
            code: self.code.clone(),
            name: self.name.clone(),
            region_code: self.region_code.clone(),
            region_name: self.region_name.clone(),
            revision,
            reason: reason.to_owned(),
            released_at: Some(timestamp(now)),
            measures: Vec::new(),
        }
    }
}

/// The figures of a kind, by row and by slot of the measure.
type Figures = Vec<[Figure; 4]>;

fn figures(
    options: &Options,
    view: &View,
    store: &dyn Store,
    places: &Places,
    month: Month,
    kind: KindId,
) -> Result<Figures, Error> {
    let window_from = month.plus(-11).max(options.first_month);
    let events = events(options, view, store, places, (window_from, month), kind)?;
    let mut figures: Figures = vec![Default::default(); places.rows.len()];
    for (row, events) in events.by_row.iter().enumerate() {
        figures[row][0] = Figure::exact(events.in_month);
    }
    figures[places.england][3] = Figure::exact(events.all_time);
    let table = options.kinds.get(kind);
    if table.has_users() {
        let in_month = unions(options, store, places, (month, month), kind, None)?;
        // Without the measure the months before are not read, and its slot is not published.
        let from = table
            .users_12_months
            .as_ref()
            .map_or(month, |_| window_from);
        let within = (from, month.prev());
        let in_window = unions(options, store, places, within, kind, Some(&in_month))?;
        for row in 0..places.rows.len() {
            let estimate =
                |registers: &Registers| estimate_registers(options.precision, registers.as_slice());
            let of_month = Figure::estimated(&estimate(&in_month[row]));
            let of_window = Figure::estimated(&estimate(&in_window[row]));
            figures[row][1] = of_month.at_most(events.by_row[row].in_month);
            figures[row][2] = of_window
                .at_most(events.by_row[row].in_window)
                .at_least(&figures[row][1]);
        }
        bounds::nest(&mut figures, &places.region_of, places.england);
    }
    Ok(figures)
}

/// Events of a row.
#[derive(Clone, Copy, Default)]
struct Events {
    in_month: u64,
    in_window: u64,
}

struct KindEvents {
    by_row: Vec<Events>,
    all_time: u64,
}

fn events(
    options: &Options,
    view: &View,
    store: &dyn Store,
    places: &Places,
    (from, to): (Month, Month),
    kind: KindId,
) -> Result<KindEvents, Error> {
    let table = options.kinds.get(kind);
    let mut by_row = vec![Events::default(); places.rows.len()];
    let below_floors: u64 = view
        .all_stated()
        .filter(|(partition, _)| partition.kind == kind)
        .map(|(_, stated)| stated.progress.all_time_below_floor)
        .sum();
    let mut all_time = table.baseline + below_floors;
    let (begin, end) = keys::counts_of(&table.name);
    let mut board_of = BoardOf::new(options, places, to);
    let mut result = Ok(());
    store.scan(&begin, &end, &mut |key, value| {
        let counted = keys::count_of(key)
            .ok_or_else(damaged)
            .and_then(|(_, month, lineage)| Ok((month, board_of.row(lineage)?, number(value)?)));
        match counted {
            Ok((month, row, events)) if month <= to => {
                all_time += events;
                if month >= from {
                    by_row[row].in_window += events;
                }
                if month == to {
                    by_row[row].in_month += events;
                }
                ControlFlow::Continue(())
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                result = Err(error);
                ControlFlow::Break(())
            }
        }
    })?;
    result?;
    for row in places.board_rows() {
        let events = by_row[row];
        for above in [places.region_of[&row], places.england] {
            by_row[above].in_month += events.in_month;
            by_row[above].in_window += events.in_window;
        }
    }
    Ok(KindEvents { by_row, all_time })
}

/// The union of sketches of every row over some months, laid over `base` if there is one.
fn unions(
    options: &Options,
    store: &dyn Store,
    places: &Places,
    (from, to): (Month, Month),
    kind: KindId,
    base: Option<&Vec<Registers>>,
) -> Result<Vec<Registers>, Error> {
    let name = &options.kinds.get(kind).name;
    let mut rows = match base {
        Some(base) => base.clone(),
        None => vec![Registers::new(options.precision); places.rows.len()],
    };
    let report_month = base.map_or(to, |_| to.next());
    let mut board_of = BoardOf::new(options, places, report_month);
    let mut page_registers = vec![0; options.precision.page_len()];
    let mut result = Ok(());
    if from <= to {
        let (begin, end) = (
            keys::unions_from(name, from),
            keys::unions_from(name, to.next()),
        );
        store.scan(&begin, &end, &mut |key, value| {
            let done = keys::union_of(key)
                .ok_or_else(damaged)
                .and_then(|(lineage, page)| {
                    let row = board_of.row(lineage)?;
                    sketch::decode_page(value, &mut page_registers).map_err(|_| damaged())?;
                    rows[row].union_page(page, &page_registers);
                    Ok(())
                });
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    result = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
    }
    result?;
    for row in places.board_rows() {
        let board = rows[row].clone();
        for above in [places.region_of[&row], places.england] {
            rows[above].union(&board);
        }
    }
    Ok(rows)
}

/// The row of a lineage's board in the structure of a month, remembered by lineage.
struct BoardOf<'a> {
    options: &'a Options,
    places: &'a Places,
    month: Month,
    known: BTreeMap<String, usize>,
}

impl<'a> BoardOf<'a> {
    fn new(options: &'a Options, places: &'a Places, month: Month) -> Self {
        Self {
            options,
            places,
            month,
            known: BTreeMap::new(),
        }
    }

    fn row(&mut self, lineage: &str) -> Result<usize, Error> {
        if let Some(row) = self.known.get(lineage) {
            return Ok(*row);
        }
        let parsed: Lineage = lineage.parse().map_err(|_| damaged())?;
        let board = self.options.geography.board_of(&parsed, self.month);
        let unknown = self.places.boards[&IcbCode::UNKNOWN];
        let row = self.places.boards.get(&board).copied().unwrap_or(unknown);
        self.known.insert(lineage.to_owned(), row);
        Ok(row)
    }
}

fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let millis = at.as_millis();
    prost_types::Timestamp {
        seconds: millis.div_euclid(1000),
        nanos: i32::try_from(millis.rem_euclid(1000) * 1_000_000).expect("below a second"),
    }
}
