//! A small country: boards that are split and merged in October 2025, and for everything that an event may name the
//! answer, written down by hand.

use crate::civil::MonthNo;

/// Reference data of boards.
pub(crate) const ICBS: &str = "\
icb_ods_code,icb_name,region_ods_code,region_name,valid_from,valid_to,successor_ods_codes
QAA,Board A,Y01,North,2022-07-01,,
QBB,Board B,Y01,North,2022-07-01,2025-10-01,QCC;QDD
QEE,Board E,Y02,South,2022-07-01,2025-10-01,QCC
QCC,Board C,Y02,South,2025-10-01,,
QDD,Board D,Y01,North,2025-10-01,,
";

/// The practice lookup.
pub(crate) const PRACTICES: &str = "\
practice_ods_code,icb_ods_code_2022_07,icb_ods_code_2025_10
A10001,QBB,QCC
A10002,QBB,QDD
A10003,QAA,QAA
A90001,,
";

/// The first month of the second structure.
const RESTRUCTURED: MonthNo = 7;

/// Boards that an event is filed under, by structure, and how that is written.
pub(crate) struct Lineage {
    pub(crate) text: &'static str,
    boards: [&'static str; 2],
}

const UNKNOWN: &str = "Unknown";

const fn lineage(text: &'static str, before: &'static str, after: &'static str) -> Lineage {
    Lineage {
        text,
        boards: [before, after],
    }
}

pub(crate) const LINEAGES: [Lineage; 7] = [
    lineage("QAA>QAA", "QAA", "QAA"),
    lineage("QBB>Unknown", "QBB", UNKNOWN),
    lineage("QBB>QCC", "QBB", "QCC"),
    lineage("QBB>QDD", "QBB", "QDD"),
    lineage("QEE>QCC", "QEE", "QCC"),
    lineage("Unknown>QCC", UNKNOWN, "QCC"),
    lineage("Unknown>Unknown", UNKNOWN, UNKNOWN),
];

/// What an event names, practice and board, and the lineage that it is filed under, by its place above.
pub(crate) const NAMED: [(&str, &str, u8); 9] = [
    ("", "QAA", 0),
    ("A10003", "", 0),
    ("", " qbb", 1),
    ("A10001", "", 2),
    ("A10002", "QAA", 3),
    ("", "QEE", 4),
    ("", "QCC", 5),
    ("A90001", "QAA", 6),
    ("A77777", "", 6),
];

/// A row of a month's release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) level: &'static str,
    pub(crate) code: &'static str,
}

pub(crate) const ENGLAND: Row = Row {
    level: "england",
    code: "E92000001",
};

/// The boards of a month, each with its region.
pub(crate) fn boards(month: MonthNo) -> &'static [(&'static str, &'static str)] {
    if month < RESTRUCTURED {
        &[
            ("QAA", "Y01"),
            ("QBB", "Y01"),
            ("QEE", "Y02"),
            (UNKNOWN, UNKNOWN),
        ]
    } else {
        &[
            ("QAA", "Y01"),
            ("QCC", "Y02"),
            ("QDD", "Y01"),
            (UNKNOWN, UNKNOWN),
        ]
    }
}

/// The rows that show a lineage in a month's release: board, region, England.
pub(crate) fn rows_of(lineage: u8, month: MonthNo) -> [Row; 3] {
    let structure = usize::from(month >= RESTRUCTURED);
    let code = LINEAGES[usize::from(lineage)].boards[structure];
    let (_, region) = boards(month)
        .iter()
        .find(|(board, _)| *board == code)
        .expect("every board of a lineage is in force");
    let level = "icb";
    let region = Row {
        level: "region",
        code: region,
    };
    [Row { level, code }, region, ENGLAND]
}
