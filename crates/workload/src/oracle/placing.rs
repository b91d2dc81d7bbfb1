//! The oracle's own placing: the reference and practices tables, read again from their text.
//!
//! A *structure* is a stretch of time with the same codes in force. What an event is filed under is one
//! board, or none, per structure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::months::{MonthNumber, first_day};
use crate::item::Code;

/// What "no board" is called.
pub(super) const UNKNOWN: &str = "Unknown";

/// A board per structure, `Unknown` where there is none.
pub(super) type Boards = Vec<String>;

/// Why tables can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not CSV.
    #[error("the table is not CSV")]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error("the table has no column {0}")]
    Column(String),
    /// No row.
    #[error("the reference data has no board")]
    Empty,
}

/// A row of the reference data. Dates are compared as they are written.
#[derive(Debug, Clone)]
struct Row {
    code: String,
    region: String,
    from: String,
    /// The day on which it is no longer in force; none if it still is.
    to: Option<String>,
    successors: Vec<String>,
}

impl Row {
    fn is_in_force(&self, day: &str) -> bool {
        self.from.as_str() <= day && self.to.as_deref().is_none_or(|to| day < to)
    }
}

/// Where events belong.
#[derive(Debug)]
pub(super) struct Placing {
    rows: Vec<Row>,
    /// The first days of the structures, ascending.
    structures: Vec<String>,
    practices: HashMap<String, Boards>,
    /// What codes came to, as they were sent.
    known: HashMap<(Code, Code), u32>,
    lineages: Vec<Boards>,
    numbers: BTreeMap<Boards, u32>,
}

impl Placing {
    pub(super) fn new(reference: &str, practices: &str) -> Result<Self, Error> {
        let rows = read_reference(reference)?;
        let mut placing = Self {
            structures: structures(&rows),
            rows,
            practices: HashMap::new(),
            known: HashMap::new(),
            lineages: Vec::new(),
            numbers: BTreeMap::new(),
        };
        if placing.structures.is_empty() {
            return Err(Error::Empty);
        }
        placing.read_practices(practices)?;
        Ok(placing)
    }

    /// The number of what an event with these codes is filed under.
    pub(super) fn place(&mut self, practice: Code, icb: Code) -> u32 {
        if let Some(number) = self.known.get(&(practice, icb)) {
            return *number;
        }
        let tidy = |code: Code| code.as_str().trim_ascii().to_ascii_uppercase();
        let boards = match self.practices.get(&tidy(practice)) {
            Some(boards) => boards.clone(),
            None => self.boards_of_code(&tidy(icb)),
        };
        let next = u32::try_from(self.lineages.len()).expect("few ways to be filed");
        let number = *self.numbers.entry(boards.clone()).or_insert(next);
        if number == next {
            self.lineages.push(boards);
        }
        self.known.insert((practice, icb), number);
        number
    }

    /// The board, in a month, of what is filed under a number.
    pub(super) fn board(&self, lineage: u32, month: MonthNumber) -> &str {
        let day = first_day(month);
        let begun = self
            .structures
            .iter()
            .filter(|start| **start <= day)
            .count();
        let index = usize::try_from(lineage).expect("a number given out above");
        &self.lineages[index][begun.saturating_sub(1)]
    }

    /// The codes in force in a month, each with its region; without `Unknown`.
    pub(super) fn in_force(&self, month: MonthNumber) -> BTreeMap<&str, &str> {
        let day = first_day(month);
        self.rows
            .iter()
            .filter(|row| row.is_in_force(&day))
            .map(|row| (row.code.as_str(), row.region.as_str()))
            .collect()
    }

    /// A code's board under each structure.
    fn boards_of_code(&self, code: &str) -> Boards {
        self.structures
            .iter()
            .map(|start| self.board_at(code, start))
            .collect()
    }

    /// The code itself if it is in force on that day, else where its only successors lead.
    fn board_at(&self, code: &str, day: &str) -> String {
        let mut code = code;
        // A code can't change more often than there are rows; this ends where successors run in a circle.
        for _ in 0..=self.rows.len() {
            let rows = || self.rows.iter().filter(|row| row.code == code);
            if rows().any(|row| row.is_in_force(day)) {
                return code.to_owned();
            }
            let ended = rows().filter(|row| row.to.as_deref().is_some_and(|to| to <= day));
            match ended
                .max_by_key(|row| &row.from)
                .map(|row| row.successors.as_slice())
            {
                Some([only]) => code = only,
                _ => break,
            }
        }
        UNKNOWN.to_owned()
    }

    /// A practice has a column per structure. Under one without a column it follows its last board.
    fn read_practices(&mut self, text: &str) -> Result<(), Error> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader.headers()?.clone();
        let code = column(&headers, "practice_ods_code")?;
        let columns: Vec<Option<usize>> = self
            .structures
            .iter()
            .map(|start| format!("icb_ods_code_{}_{}", &start[..4], &start[5..7]))
            .map(|name| headers.iter().position(|header| header == name))
            .collect();
        for row in reader.records() {
            let row = row?;
            let mut boards: Boards = Vec::new();
            for (start, column) in self.structures.iter().zip(&columns) {
                let board = match column {
                    Some(column) => {
                        let named = row.get(*column).unwrap_or("").trim_ascii();
                        let is_board = self
                            .rows
                            .iter()
                            .any(|row| row.code == named && row.is_in_force(start));
                        if is_board {
                            named.to_owned()
                        } else {
                            UNKNOWN.to_owned()
                        }
                    }
                    None => boards
                        .last()
                        .map_or(UNKNOWN.to_owned(), |last| self.board_at(last, start)),
                };
                boards.push(board);
            }
            let code = row
                .get(code)
                .unwrap_or("")
                .trim_ascii()
                .to_ascii_uppercase();
            if !code.is_empty() {
                self.practices.insert(code, boards);
            }
        }
        Ok(())
    }
}

fn read_reference(text: &str) -> Result<Vec<Row>, Error> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let columns = [
        column(&headers, "icb_ods_code")?,
        column(&headers, "region_ods_code")?,
        column(&headers, "valid_from")?,
        column(&headers, "valid_to")?,
        column(&headers, "successor_ods_codes").or(column(&headers, "successor_ods_code"))?,
    ];
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row?;
        let [code, region, from, to, successors] =
            columns.map(|column| row.get(column).unwrap_or("").trim_ascii().to_owned());
        let successors = successors.split(';').filter(|code| !code.is_empty());
        rows.push(Row {
            code,
            region,
            from,
            to: (!to.is_empty()).then_some(to),
            successors: successors.map(str::to_owned).collect(),
        });
    }
    Ok(rows)
}

/// The days on which the set of codes in force changes, the first one included.
fn structures(rows: &[Row]) -> Vec<String> {
    let days: BTreeSet<&str> = rows.iter().map(|row| row.from.as_str()).collect();
    let mut structures = Vec::new();
    let mut before = BTreeSet::new();
    for day in days {
        let codes: BTreeSet<&str> = rows
            .iter()
            .filter(|row| row.is_in_force(day))
            .map(|row| row.code.as_str())
            .collect();
        if codes != before {
            structures.push(day.to_owned());
            before = codes;
        }
    }
    structures
}

fn column(headers: &csv::StringRecord, name: &str) -> Result<usize, Error> {
    let place = headers.iter().position(|header| header == name);
    place.ok_or_else(|| Error::Column(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Practices;

    fn place(practice: &str, icb: &str) -> [String; 2] {
        let mut placing = Placing::new(crate::REFERENCE, Practices::synthetic().text()).unwrap();
        let lineage = placing.place(Code::new(practice).unwrap(), Code::new(icb).unwrap());
        [2025 * 12 + 2, 2026 * 12 + 3].map(|month| placing.board(lineage, month).to_owned())
    }

    fn practice_of(old: &str, new: &str) -> String {
        let list = Practices::synthetic();
        let row = list
            .text()
            .lines()
            .find(|line| line.ends_with(&format!(",{old},{new}")))
            .unwrap();
        row.split(',').next().unwrap().to_owned()
    }

    #[test]
    fn a_new_structure_begins_only_where_the_codes_change() {
        let placing = Placing::new(crate::REFERENCE, "practice_ods_code\n").unwrap();
        assert_eq!(placing.structures, ["2022-07-01", "2026-04-01"]);
        assert_eq!(placing.in_force(2025 * 12 + 2).len(), 42);
        assert_eq!(placing.in_force(2026 * 12 + 3).len(), 36);
    }

    #[test]
    fn a_code_is_its_board_or_its_only_successor() {
        assert_eq!(place("", "QE1"), ["QE1", "QE1"]);
        assert_eq!(place("", " qh8 "), ["QH8", "D7T5G"]);
        assert_eq!(
            place("", "QNX"),
            ["QNX", "S9B9J"],
            "by way of the row of 2023"
        );
        assert_eq!(
            place("", "QRL"),
            ["QRL", "QRL"],
            "the code is in force under both"
        );
    }

    #[test]
    fn a_split_board_has_no_successor_and_a_later_board_no_past() {
        for split in ["QM7", "QJG", "QNQ"] {
            assert_eq!(place("", split), [split, UNKNOWN]);
        }
        assert_eq!(place("", "S1Y5D"), [UNKNOWN, "S1Y5D"]);
        assert_eq!(place("", "QZZ"), [UNKNOWN, UNKNOWN]);
        assert_eq!(place("", ""), [UNKNOWN, UNKNOWN]);
    }

    #[test]
    fn a_known_practice_wins_also_without_a_board() {
        let practice = practice_of("QM7", "D7T5G");
        assert_eq!(place(&practice, "QE1"), ["QM7", "D7T5G"]);
        assert_eq!(place(&practice.to_ascii_lowercase(), ""), ["QM7", "D7T5G"]);
        assert_eq!(place(&practice_of("", ""), "QE1"), [UNKNOWN, UNKNOWN]);
        assert_eq!(
            place("V81999", "QE1"),
            ["QE1", "QE1"],
            "an unknown practice does not"
        );
    }

    #[test]
    fn a_practice_without_a_column_for_a_structure_follows_its_board() {
        let practices = "practice_ods_code,icb_ods_code_2022_07\nP1,QH8\nP2,QM7\n";
        let mut placing = Placing::new(crate::REFERENCE, practices).unwrap();
        let mut april = |practice: &str| {
            let lineage = placing.place(Code::new(practice).unwrap(), Code::EMPTY);
            placing.board(lineage, 2026 * 12 + 3).to_owned()
        };
        assert_eq!([april("P1"), april("P2")], ["D7T5G", UNKNOWN]);
    }
}
