//! Structures: the boards in force from one month on until the next structure begins.

use super::codes::IcbCode;
use super::reference::Row;
use crate::Month;

/// An Integrated Care Board as it is under one structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Its ODS code.
    pub code: IcbCode,
    /// Its name.
    pub name: String,
    /// The ODS code of its NHS England region.
    pub region_code: String,
    /// The name of its region.
    pub region_name: String,
}

/// An NHS England region as it is under one structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its ODS code.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// All boards in force over months in which nothing about them changes.
#[derive(Debug, Clone)]
pub(super) struct Structure {
    /// The first month; the last is the one before the next structure's first.
    pub(super) from: Month,
    /// Ascending by code.
    pub(super) boards: Vec<Board>,
    /// Ascending by code.
    pub(super) regions: Vec<Region>,
    /// For each board, the one that it becomes under the next structure.
    next: Vec<IcbCode>,
}

/// The structures of checked reference data, the oldest first.
///
/// One begins wherever a board begins or ends, also when it only gets another name, region or part
/// of another board's practices: each of these may change what a practice is filed under.
pub(super) fn structures(rows: &[Row]) -> Vec<Structure> {
    let mut starts: Vec<Month> = rows
        .iter()
        .flat_map(|row| [Some(row.from), row.to])
        .flatten()
        .collect();
    starts.sort_unstable();
    starts.dedup();
    let next_starts = starts.iter().skip(1).copied().map(Some).chain([None]);
    starts
        .iter()
        .zip(next_starts)
        .map(|(from, next)| Structure::new(rows, *from, next))
        .collect()
}

impl Structure {
    fn new(rows: &[Row], from: Month, next: Option<Month>) -> Self {
        let in_force = || rows.iter().filter(|row| row.in_force(from));
        let board = |row: &Row| Board {
            code: row.code,
            name: row.name.clone(),
            region_code: row.region_code.clone(),
            region_name: row.region_name.clone(),
        };
        let boards: Vec<Board> = in_force().map(board).collect();
        let region = |board: &Board| Region {
            code: board.region_code.clone(),
            name: board.region_name.clone(),
        };
        let mut regions: Vec<Region> = boards.iter().map(region).collect();
        regions.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        regions.dedup();
        let becomes = |row: &Row| match row.successors[..] {
            _ if row.to != next => row.code,
            [only] => only,
            _ => IcbCode::UNKNOWN,
        };
        Self {
            from,
            boards,
            regions,
            next: in_force().map(becomes).collect(),
        }
    }

    fn place_of(&self, code: IcbCode) -> Option<usize> {
        self.boards
            .binary_search_by_key(&code, |board| board.code)
            .ok()
    }

    pub(super) fn board(&self, code: IcbCode) -> Option<&Board> {
        self.place_of(code).map(|place| &self.boards[place])
    }

    /// The code if it is in force, else `Unknown`: nothing is reported under a board that has no
    /// row.
    pub(super) fn or_unknown(&self, code: IcbCode) -> IcbCode {
        self.place_of(code).map_or(IcbCode::UNKNOWN, |_| code)
    }

    /// The board that a board of this structure becomes under the next one: itself if it goes on,
    /// its successor if that is the only one, else `Unknown`.
    pub(super) fn next_of(&self, code: IcbCode) -> IcbCode {
        self.place_of(code)
            .map_or(IcbCode::UNKNOWN, |place| self.next[place])
    }
}

/// What an event with nothing but this code is filed under: under each structure the code itself if
/// it is in force then, else what it became if that is certain, else `Unknown`.
pub(super) fn boards_of_code(structures: &[Structure], code: IcbCode) -> Vec<IcbCode> {
    let mut boards = Vec::with_capacity(structures.len());
    let mut inherited = IcbCode::UNKNOWN;
    for structure in structures {
        let board = if structure.board(code).is_some() {
            code
        } else {
            inherited
        };
        boards.push(board);
        inherited = structure.next_of(board);
    }
    boards
}
