//! The lookup from GP practices to their boards: a CSV file with a column for every structure.

use super::codes::{IcbCode, pack, unpack};
use super::structures::Structure;
use super::table::{HEADER, Problems, Table};

/// A practice and its board under each structure, `Unknown` where it had none.
pub(super) struct Practice {
    /// The code, as [`pack`] packs it.
    pub(super) code: u64,
    pub(super) boards: Vec<IcbCode>,
}

const CODE: &str = "practice_ods_code";
const BOARD: &str = "icb_ods_code_";
/// What stands instead of a board's code where a practice belongs to the NHS in Wales, which has no
/// boards of this kind: its users of the app are nobody's in England's table, so `Unknown`.
const WALES: &str = "WALES";

/// The practices of a file, ascending by code. Partial if there are problems.
///
/// The boards of a practice need not follow from each other: a practice may move.
pub(super) fn read(text: &str, structures: &[Structure], problems: &mut Problems) -> Vec<Practice> {
    let table = Table::read(text, problems);
    let code_column = table.column(&[CODE], problems);
    let wanted: Vec<String> = structures.iter().map(column_of).collect();
    let board_columns: Vec<Option<usize>> = wanted
        .iter()
        .map(|name| table.column(&[name], problems))
        .collect();
    for header in table.headers().filter(|header| header.starts_with(BOARD)) {
        if !wanted.iter().any(|name| name == header) {
            let wanted = wanted.join(", ");
            problems.add(
                HEADER,
                format!("no structure for column `{header}`; the reference data has {wanted}"),
            );
        }
    }
    let Some(code_column) = code_column else {
        return Vec::new();
    };

    let mut practices = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let Some(code) = pack(row.get(code_column).as_bytes()) else {
            let code = row.get(code_column);
            problems.add(
                row.line,
                format!("`{code}` is not the code of a practice; write 1 to 8 letters and digits"),
            );
            continue;
        };
        let mut boards = Vec::with_capacity(structures.len());
        for (structure, column) in structures.iter().zip(&board_columns) {
            let text = column.map_or("", |column| row.get(column));
            boards.push(board_under(structure, text).unwrap_or_else(|| {
                let from = structure.from;
                problems.add(
                    row.line,
                    format!(
                        "`{text}` is not a board in force in {from}; mend it or leave it empty"
                    ),
                );
                IcbCode::UNKNOWN
            }));
        }
        practices.push((row.line, Practice { code, boards }));
    }
    // With the first character as the highest byte, the order of numbers is that of texts.
    practices.sort_by_key(|(line, practice)| (practice.code.swap_bytes(), *line));
    for pair in practices.windows(2) {
        let [(first, one), (line, other)] = pair else {
            continue;
        };
        if one.code == other.code {
            let code = unpack(one.code);
            problems.add(
                *line,
                format!("practice {code} is on line {first} too; keep one"),
            );
        }
    }
    practices
        .into_iter()
        .map(|(_, practice)| practice)
        .collect()
}

fn column_of(structure: &Structure) -> String {
    format!(
        "{BOARD}{:04}_{:02}",
        structure.from.year(),
        structure.from.month()
    )
}

/// The board of that code, `Unknown` for an empty field and for Wales; none if no such board is in
/// force.
fn board_under(structure: &Structure, text: &str) -> Option<IcbCode> {
    if text.is_empty() || text == WALES {
        return Some(IcbCode::UNKNOWN);
    }
    let code = IcbCode::parse(text.as_bytes())?;
    structure.board(code).map(|board| board.code)
}
