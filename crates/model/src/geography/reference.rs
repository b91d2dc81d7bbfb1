//! The dated reference data of boards: a CSV file, read and checked against itself.
//!
//! One row is one board as it was from one month to another. A board that goes on changed (another
//! name, another region) ends and begins again under its code, and names itself as its successor.

use std::collections::BTreeSet;

use super::codes::IcbCode;
use super::table::{Problems, Row as Fields, Table};
use crate::Month;

/// A board while nothing about it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) code: IcbCode,
    pub(super) name: String,
    pub(super) region_code: String,
    pub(super) region_name: String,
    /// The first month in which it is in force.
    pub(super) from: Month,
    /// The first month in which it no longer is; none as long as no end is known.
    pub(super) to: Option<Month>,
    /// The boards that took its practices over, ascending; none without an end.
    pub(super) successors: Vec<IcbCode>,
}

impl Row {
    pub(super) fn in_force(&self, month: Month) -> bool {
        self.from <= month && self.to.is_none_or(|to| month < to)
    }

    fn meets(&self, other: &Self) -> bool {
        self.in_force(other.from) || other.in_force(self.from)
    }

    /// Whether `next` is this board, gone on unchanged as far as is kept here.
    fn goes_on_as(&self, next: &Self) -> bool {
        self.to == Some(next.from)
            && self.successors == [next.code]
            && self.code == next.code
            && self.name == next.name
            && self.region_code == next.region_code
            && self.region_name == next.region_name
    }
}

/// The rows of a file, ascending by code and month, those that only repeat the one before folded
/// into it. Empty or partial if there are problems.
pub(super) fn read(text: &str, problems: &mut Problems) -> Vec<Row> {
    let table = Table::read(text, problems);
    let Some(columns) = Columns::find(&table, problems) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    // What is wrong with a row is said once, and not again of the rows that refer to it.
    let mut excused = BTreeSet::new();
    for fields in &table.rows {
        match columns.row(fields, problems) {
            Some(row) => rows.push(row),
            None => excused.extend(IcbCode::parse(fields.get(columns.code).as_bytes())),
        }
    }
    rows.sort_by_key(|row| (row.code, row.from, row.line));
    check_each_code(&rows, &excused, problems);
    check_successors(&rows, &excused, problems);
    check_regions(&rows, problems);
    fold(rows)
}

struct Columns {
    code: usize,
    name: usize,
    region_code: usize,
    region_name: usize,
    from: usize,
    to: usize,
    successors: usize,
}

impl Columns {
    fn find(table: &Table, problems: &mut Problems) -> Option<Self> {
        let mut column = |names: &[&str]| table.column(names, problems);
        let (code, name) = (column(&["icb_ods_code"]), column(&["icb_name"]));
        let (region_code, region_name) = (column(&["region_ods_code"]), column(&["region_name"]));
        let (from, to) = (column(&["valid_from"]), column(&["valid_to"]));
        let successors = column(&["successor_ods_codes", "successor_ods_code"]);
        Some(Self {
            code: code?,
            name: name?,
            region_code: region_code?,
            region_name: region_name?,
            from: from?,
            to: to?,
            successors: successors?,
        })
    }

    /// The row that the fields say; every field that says nothing is a problem.
    fn row(&self, fields: &Fields, problems: &mut Problems) -> Option<Row> {
        let mut check = Checked { fields, problems };
        let code = check.code(fields.get(self.code));
        let name = check.words(self.name, "icb_name");
        let region_code = check.words(self.region_code, "region_ods_code");
        let region_name = check.words(self.region_name, "region_name");
        let from = check.month(self.from, "valid_from");
        let to = match fields.get(self.to) {
            "" => Some(None),
            _ => check.month(self.to, "valid_to").map(Some),
        };
        let to = match (from, to) {
            (Some(from), Some(Some(to))) if to <= from => {
                let problem =
                    format!("valid_to {to}-01 is not after valid_from {from}-01; mend one");
                check.problem(problem);
                None
            }
            _ => to,
        };
        let named = fields
            .get(self.successors)
            .split(';')
            .map(str::trim)
            .filter(|code| !code.is_empty());
        let successors: Vec<_> = named.map(|code| check.code(code)).collect();
        let mut successors: Vec<_> = successors.into_iter().collect::<Option<_>>()?;
        successors.sort_unstable();
        successors.dedup();
        Some(Row {
            line: fields.line,
            code: code?,
            name: name?,
            region_code: region_code?,
            region_name: region_name?,
            from: from?,
            to: to?,
            successors,
        })
    }
}

/// One row's fields on their way to values.
struct Checked<'a> {
    fields: &'a Fields,
    problems: &'a mut Problems,
}

impl Checked<'_> {
    fn problem(&mut self, problem: String) {
        self.problems.add(self.fields.line, problem);
    }

    fn code(&mut self, text: &str) -> Option<IcbCode> {
        let code = IcbCode::parse(text.as_bytes()).filter(|code| code.as_str() != "UNKNOWN");
        if code.is_none() {
            self.problem(format!(
                "`{text}` is not the code of a board; write 1 to 8 letters and digits"
            ));
        }
        code
    }

    fn words(&mut self, column: usize, name: &str) -> Option<String> {
        let text = self.fields.get(column);
        if text.is_empty() {
            self.problem(format!("no {name}; fill it in"));
            return None;
        }
        if text.chars().any(char::is_control) {
            self.problem(format!(
                "{name} holds a line break or control character; take it out"
            ));
            return None;
        }
        Some(text.to_owned())
    }

    /// The month whose first day the field names.
    fn month(&mut self, column: usize, name: &str) -> Option<Month> {
        let text = self.fields.get(column);
        let month = text
            .strip_suffix("-01")
            .and_then(|month| month.parse().ok());
        if month.is_none() {
            self.problem(format!(
                "{name} `{text}` is not the first day of a month; write it as 2026-04-01"
            ));
        }
        month
    }
}

/// The rows of one code follow each other: no overlap, no gap, and each names itself as its
/// successor.
fn check_each_code(rows: &[Row], excused: &BTreeSet<IcbCode>, problems: &mut Problems) {
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        let code = row.code;
        if code != next.code || excused.contains(&code) {
            continue;
        }
        match row.to {
            Some(to) if to == next.from => {
                if !row.successors.contains(&code) {
                    let problem = format!(
                        "{code} goes on on line {}; name it among its successors",
                        next.line
                    );
                    problems.add(row.line, problem);
                }
            }
            Some(to) if to < next.from => problems.add(
                next.line,
                format!(
                    "{code} is in no row from {to} to {}; let its rows follow each other",
                    next.from.prev()
                ),
            ),
            _ => problems.add(
                next.line,
                format!(
                    "{code} is in force on line {} too; end that row where this one begins",
                    row.line
                ),
            ),
        }
    }
}

/// A board that ends has successors, and they are in force when it ends.
fn check_successors(rows: &[Row], excused: &BTreeSet<IcbCode>, problems: &mut Problems) {
    for row in rows {
        let Some(to) = row.to else {
            if !row.successors.is_empty() {
                problems.add(
                    row.line,
                    "successors without a valid_to; say when the board ends, or leave them out",
                );
            }
            continue;
        };
        if row.successors.is_empty() {
            problems.add(
                row.line,
                format!(
                    "{} ends without a successor; name the boards that took over",
                    row.code
                ),
            );
        }
        for successor in row.successors.iter().filter(|code| !excused.contains(code)) {
            let mut rows = rows
                .iter()
                .filter(|other| other.code == *successor)
                .peekable();
            if rows.peek().is_none() {
                problems.add(
                    row.line,
                    format!("successor {successor} has no row; add it or mend the code"),
                );
            } else if !rows.any(|other| other.in_force(to)) {
                let problem = format!("successor {successor} is not in force on {to}-01; mend one");
                problems.add(row.line, problem);
            }
        }
    }
}

/// A region has one name at a time.
fn check_regions(rows: &[Row], problems: &mut Problems) {
    for (place, row) in rows.iter().enumerate() {
        let differs = |other: &&Row| {
            row.region_code == other.region_code
                && row.region_name != other.region_name
                && row.meets(other)
        };
        if let Some(other) = rows[..place].iter().find(differs) {
            let (code, name, line) = (&row.region_code, &other.region_name, other.line);
            problems.add(
                row.line,
                format!(
                    "region {code} is named `{name}` on line {line}; give it one name at a time"
                ),
            );
        }
    }
}

fn fold(rows: Vec<Row>) -> Vec<Row> {
    let mut folded: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match folded.last_mut() {
            Some(before) if before.goes_on_as(&row) => {
                before.to = row.to;
                before.successors = row.successors;
            }
            _ => folded.push(row),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "icb_ods_code,icb_name,region_ods_code,region_name,valid_from,valid_to,\
                          successor_ods_codes\n";

    fn problems(rows: &str) -> Vec<String> {
        let mut problems = Problems::new("icbs.csv");
        read(&format!("{HEADER}{rows}"), &mut problems);
        problems.into_result(()).err().unwrap_or_default()
    }

    #[track_caller]
    fn one_problem(rows: &str, line: usize, words: &str) {
        let problems = problems(rows);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with(&format!("icbs.csv:{line}: ")),
            "{problems:?}"
        );
        assert!(
            problems[0].contains(words) && problems[0].contains("; "),
            "{problems:?}"
        );
    }

    #[test]
    fn every_field_is_checked() {
        one_problem(
            "A-1,One,R,Ro,2022-07-01,,\n",
            2,
            "`A-1` is not the code of a board",
        );
        one_problem(
            "Unknown,One,R,Ro,2022-07-01,,\n",
            2,
            "is not the code of a board",
        );
        one_problem("A,,R,Ro,2022-07-01,,\n", 2, "no icb_name");
        one_problem(
            "A,\"O\nne\",R,Ro,2022-07-01,,\n",
            2,
            "icb_name holds a line break",
        );
        one_problem("A,One,,Ro,2022-07-01,,\n", 2, "no region_ods_code");
        one_problem("A,One,R,,2022-07-01,,\n", 2, "no region_name");
        one_problem(
            "A,One,R,Ro,2022-07-02,,\n",
            2,
            "valid_from `2022-07-02` is not the first day of a month",
        );
        one_problem("A,One,R,Ro,,,\n", 2, "valid_from `` is not the first day");
        one_problem(
            "A,One,R,Ro,2022-07-01,2026-04-31,A\n",
            2,
            "valid_to `2026-04-31` is not the first day",
        );
        one_problem(
            "A,One,R,Ro,2022-07-01,2022-07-01,A\n",
            2,
            "is not after valid_from",
        );
        one_problem(
            "A,One,R,Ro,2022-07-01,2022-06-01,A\n",
            2,
            "is not after valid_from",
        );
        one_problem(
            "A,One,R,Ro,2022-07-01,2026-04-01,B?\n",
            2,
            "`B?` is not the code of a board",
        );
    }

    #[test]
    fn the_rows_of_a_code_follow_each_other() {
        one_problem(
            "A,One,R,Ro,2022-07-01,,\nA,Two,R,Ro,2026-04-01,,\n",
            3,
            "in force on line 2 too",
        );
        one_problem(
            "A,One,R,Ro,2022-07-01,,\nA,Two,R,Ro,2022-07-01,,\n",
            3,
            "in force on line 2 too",
        );
        let overlap = "A,One,R,Ro,2022-07-01,2026-05-01,A\nA,Two,R,Ro,2026-04-01,,\n";
        one_problem(overlap, 3, "in force on line 2 too");
        let gap = "\
            A,One,R,Ro,2022-07-01,2026-04-01,B\n\
            A,Two,R,Ro,2026-06-01,,\n\
            B,Two,R,Ro,2022-07-01,,\n";
        one_problem(gap, 3, "in no row from 2026-04 to 2026-05");
        let silent = "\
            A,One,R,Ro,2022-07-01,2026-04-01,B\n\
            A,Two,R,Ro,2026-04-01,,\n\
            B,Two,R,Ro,2022-07-01,,\n";
        one_problem(silent, 2, "A goes on on line 3");
    }

    #[test]
    fn a_board_that_ends_has_successors_that_are_in_force() {
        one_problem(
            "A,One,R,Ro,2022-07-01,2026-04-01,B\n",
            2,
            "successor B has no row",
        );
        one_problem(
            "A,One,R,Ro,2022-07-01,2026-04-01,A\n",
            2,
            "successor A is not in force on 2026-04-01",
        );
        one_problem(
            "A,One,R,Ro,2022-07-01,2026-04-01,\nB,Two,R,Ro,2026-04-01,,\n",
            2,
            "without a successor",
        );
        let late = "A,One,R,Ro,2022-07-01,2026-04-01,B\nB,Two,R,Ro,2026-05-01,,\n";
        one_problem(late, 2, "successor B is not in force on 2026-04-01");
        one_problem(
            "A,One,R,Ro,2022-07-01,,B\nB,Two,R,Ro,2022-07-01,,\n",
            2,
            "successors without a valid_to",
        );
    }

    #[test]
    fn a_region_has_one_name_at_a_time() {
        one_problem(
            "A,One,R,Ro,2022-07-01,,\nB,Two,R,Rho,2022-07-01,,\n",
            3,
            "region R is named `Ro` on line 2",
        );
        let renamed = "A,One,R,Ro,2022-07-01,2026-04-01,A\nA,One,R,Rho,2026-04-01,,\n";
        assert_eq!(problems(renamed), Vec::<String>::new());
    }

    #[test]
    fn all_problems_are_said_at_once_and_each_once() {
        let found = problems(
            "\
            A,One,,Ro,2022-07-02,2026-04-01,B;C\n\
            B,Two,R,,2026-04-01,,\n\
            D,Three,R,Ro,2022-07-01,2026-04-01,B;E\n",
        );
        let lines: Vec<&str> = found
            .iter()
            .map(|problem| problem.split(": ").next().unwrap())
            .collect();
        assert_eq!(
            lines,
            ["icbs.csv:2", "icbs.csv:2", "icbs.csv:3", "icbs.csv:4"],
            "{found:#?}"
        );
    }

    #[test]
    fn missing_columns_are_all_named() {
        let mut problems = Problems::new("icbs.csv");
        read(
            "icb_ods_code,icb_name,valid_from\nA,One,2022-07-01\n",
            &mut problems,
        );
        let found = problems.into_result(()).unwrap_err().join("\n");
        for column in [
            "region_ods_code",
            "region_name",
            "valid_to",
            "successor_ods_codes",
        ] {
            assert!(
                found.contains(&format!("icbs.csv:1: no column `{column}`; add it")),
                "{found}"
            );
        }
    }

    #[test]
    fn a_row_that_only_repeats_the_one_before_is_folded_into_it() {
        let mut problems = Problems::new("icbs.csv");
        let rows = "\
            a,One,R,Ro,2023-04-01,2026-04-01,b\n\
            A,One,R,Ro,2022-07-01,2023-04-01,A\n\
            B,Two,R,Ro,2026-04-01,,\n";
        let rows = read(&format!("{HEADER}{rows}"), &mut problems);
        assert_eq!(problems.into_result(()), Ok(()));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].from.to_string(), "2022-07");
        assert_eq!(rows[0].to.unwrap().to_string(), "2026-04");
        assert_eq!(rows[0].successors[0].as_str(), "B");
    }
}
