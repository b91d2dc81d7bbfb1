//! Reading CSV by header names, with every problem at its line.

use std::fmt::Display;

/// What is wrong with one file, each with its line and what to do about it.
pub(super) struct Problems {
    file: String,
    found: Vec<String>,
    /// How many there are, of which at most [`PROBLEMS_MAX`] are kept.
    count: usize,
}

/// As many as somebody will read: a wrong column in a file of ten thousand practices is one
/// mistake.
const PROBLEMS_MAX: usize = 100;

impl Problems {
    pub(super) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            found: Vec::new(),
            count: 0,
        }
    }

    /// Notes a problem, in the words `what is wrong; what to do`.
    pub(super) fn add(&mut self, line: usize, problem: impl Display) {
        self.count += 1;
        if self.count <= PROBLEMS_MAX {
            self.found.push(format!("{}:{line}: {problem}", self.file));
        }
    }

    /// What was read if nothing is wrong with it, else everything that is.
    pub(super) fn into_result<T>(mut self, good: T) -> Result<T, Vec<String>> {
        if self.count > PROBLEMS_MAX {
            let more = self.count - PROBLEMS_MAX;
            self.found.push(format!(
                "{}:{HEADER}: {more} problems more; mend these first",
                self.file
            ));
        }
        if self.found.is_empty() {
            Ok(good)
        } else {
            Err(self.found)
        }
    }
}

/// A CSV file: its header and its rows, spaces around fields removed.
pub(super) struct Table {
    headers: csv::StringRecord,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    /// Counted from 1, the header included.
    pub(super) line: usize,
    fields: csv::StringRecord,
}

impl Row {
    pub(super) fn get(&self, column: usize) -> &str {
        self.fields.get(column).unwrap_or("")
    }
}

/// The line of the header.
pub(super) const HEADER: usize = 1;

impl Table {
    /// Reads what can be read; rows that cannot become problems.
    pub(super) fn read(text: &str, problems: &mut Problems) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut table = Self {
            headers: csv::StringRecord::new(),
            rows: Vec::new(),
        };
        match reader.headers() {
            Ok(headers) => table.headers = headers.clone(),
            Err(_) => problems.add(
                HEADER,
                "the header cannot be read; save the file as CSV in UTF-8",
            ),
        }
        let mut lines = Lines {
            text: text.as_bytes(),
            at: 0,
            line: 1,
        };
        let mut fields = csv::StringRecord::new();
        loop {
            let line = lines.line_of_row_at(reader.position().byte());
            match reader.read_record(&mut fields) {
                Ok(false) => break,
                Ok(true) => table.rows.push(Row {
                    line,
                    fields: fields.clone(),
                }),
                Err(_) => problems.add(
                    line,
                    format!(
                        "not {} fields in UTF-8; quote fields that hold commas",
                        table.headers.len()
                    ),
                ),
            }
        }
        if table.rows.is_empty() {
            problems.add(
                HEADER,
                "no row below the header; fill the file or leave it out",
            );
        }
        table
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter()
    }

    /// The one column of any of these names; without one, or with several, a problem.
    pub(super) fn column(&self, names: &[&str], problems: &mut Problems) -> Option<usize> {
        let mut found = self
            .headers()
            .enumerate()
            .filter(|(_, header)| names.contains(header));
        let column = found.next();
        if let Some((_, again)) = found.next() {
            problems.add(HEADER, format!("column `{again}` is there twice; keep one"));
        } else if column.is_none() {
            problems.add(HEADER, format!("no column `{}`; add it", names[0]));
        }
        column.map(|(place, _)| place)
    }
}

/// Line numbers of rows. The reader's own count is one short where lines end in CR LF or are blank.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the row that reading will find from that byte on. Bytes ascend from call to
    /// call.
    fn line_of_row_at(&mut self, byte: u64) -> usize {
        let byte = usize::try_from(byte)
            .expect("a place in the text")
            .min(self.text.len());
        let blank = self.text[byte..]
            .iter()
            .take_while(|byte| b"\r\n".contains(byte))
            .count();
        let start = byte + blank;
        self.line += self.text[self.at..start]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        self.at = start;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> (Vec<usize>, Vec<String>) {
        let mut problems = Problems::new("f.csv");
        let table = Table::read(text, &mut problems);
        (
            table.rows.iter().map(|row| row.line).collect(),
            problems.found,
        )
    }

    #[test]
    fn a_row_knows_its_line_whatever_the_line_ends() {
        assert_eq!(lines("a,b\n1,2\n\n3,4\n").0, [2, 4]);
        assert_eq!(lines("a,b\r\n1,2\r\n\r\n3,4\r\n5,6").0, [2, 4, 5]);
        assert_eq!(lines("\u{feff}a,b\n\"1\n1\",2\n3,4\n").0, [2, 4]);
    }

    #[test]
    fn a_row_of_another_length_is_a_problem_and_the_rest_is_read() {
        let (rows, problems) = lines("a,b\n1\n3,4\n5,6,7\n8,9\n");
        assert_eq!(rows, [3, 5]);
        assert_eq!(problems.len(), 2);
        assert!(
            problems[0].starts_with("f.csv:2: not 2 fields"),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("f.csv:4: not 2 fields"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_file_without_rows_is_a_problem() {
        assert_eq!(
            lines("a,b\n").1,
            ["f.csv:1: no row below the header; fill the file or leave it out"]
        );
        assert_eq!(lines("").1.len(), 1);
    }

    #[test]
    fn a_flood_of_problems_is_cut_off_and_counted() {
        let mut problems = Problems::new("f.csv");
        (2..=251).for_each(|line| problems.add(line, "wrong; mend it"));
        let found = problems.into_result(()).unwrap_err();
        assert_eq!(found.len(), 101);
        assert_eq!(found[100], "f.csv:1: 150 problems more; mend these first");
    }

    #[test]
    fn columns_are_found_by_any_of_their_names_but_once() {
        let mut problems = Problems::new("f.csv");
        let table = Table::read(" b , a,c,c\n1,2,3,4\n", &mut problems);
        assert_eq!(table.column(&["x", "a"], &mut problems), Some(1));
        assert_eq!(table.column(&["x"], &mut problems), None);
        table.column(&["c"], &mut problems);
        assert_eq!(
            problems.found,
            [
                "f.csv:1: no column `x`; add it",
                "f.csv:1: column `c` is there twice; keep one"
            ]
        );
    }
}
