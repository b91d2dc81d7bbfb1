//! The built-in boards of 2022 and 2026, the rules of placing, and reference data that replaces it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use model::{Geography, IcbCode, Lineage, LineageId, Month};
use proptest::prelude::*;

const BUILTIN: &str = include_str!("../data/icbs.csv");

const PRACTICES: &str = "\
practice_ods_code,open_date,icb_ods_code_2022_07,icb_ods_code_2026_04
E82001,19740401,QM7,S1Y5D
F81003,19740401,QM7,D7T5G
K81001,19740401,QNQ,QRL
A81003,19740401,,
W91016,19740401,WALES,
Y12345,20260501,,QRL
";

/// A year later: Central East and Essex merge into Z1Z1Z, Norfolk and Suffolk is split.
fn a_structure_later() -> String {
    let mut text = String::new();
    for line in BUILTIN.lines() {
        let (fields, ended) = (line.trim_end_matches(','), ",2027-04-01,");
        match line.split(',').next() {
            Some("S1Y5D" | "D7T5G") => text += &format!("{fields}{ended}Z1Z1Z\n"),
            Some("T6Y0W") => text += &format!("{fields}{ended}Z2Z2Z;Z3Z3Z\n"),
            _ => text += &format!("{line}\n"),
        }
    }
    text += "Z1Z1Z,NHS East Integrated Care Board,Y61,East of England,2027-04-01,,\n";
    text += "Z2Z2Z,NHS Norfolk Integrated Care Board,Y61,East of England,2027-04-01,,\n";
    text += "Z3Z3Z,NHS Suffolk Integrated Care Board,Y61,East of England,2027-04-01,,\n";
    text
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn lineage(text: &str) -> Lineage {
    text.parse().unwrap()
}

fn with_practices() -> Geography {
    Geography::load(None, Some(("practices.csv", PRACTICES))).unwrap()
}

/// The text of the lineage that an event is filed under.
fn placed(geography: &Geography, practice: &str, icb: &str) -> String {
    geography
        .lineage(geography.place(practice.as_bytes(), icb.as_bytes()))
        .to_string()
}

fn problems(icbs: Option<&str>, practices: Option<&str>) -> Vec<String> {
    let icbs = icbs.map(|text| ("icbs.csv", text));
    let practices = practices.map(|text| ("practices.csv", text));
    Geography::load(icbs, practices).unwrap_err()
}

#[test]
fn england_has_42_boards_until_march_2026_and_36_from_then() {
    let geography = Geography::builtin();
    assert_eq!(geography.structures(), [month("2022-07"), month("2026-04")]);
    assert_eq!(geography.first_month(), month("2022-07"));
    for (month, boards) in [
        ("2022-07", 42),
        ("2023-04", 42),
        ("2026-03", 42),
        ("2026-04", 36),
        ("2099-12", 36),
    ] {
        let month = month.parse().unwrap();
        assert_eq!(geography.boards_in(month).len(), boards, "{month}");
        assert_eq!(geography.regions_in(month).len(), 7, "{month}");
        assert!(
            geography
                .boards_in(month)
                .is_sorted_by_key(|board| board.code)
        );
        assert!(
            geography
                .regions_in(month)
                .is_sorted_by(|a, b| a.code < b.code)
        );
    }
}

#[test]
fn a_release_has_52_records_in_march_2025_and_46_in_april_2026() {
    let geography = Geography::builtin();
    let records =
        |month| geography.boards_in(month).len() + 1 + geography.regions_in(month).len() + 1 + 1;
    assert_eq!(records(month("2025-03")), 52);
    assert_eq!(records(month("2026-04")), 46);
}

#[test]
fn before_the_first_structure_there_is_nothing() {
    let geography = Geography::builtin();
    let before = month("2022-06");
    assert!(geography.boards_in(before).is_empty());
    assert!(geography.regions_in(before).is_empty());
    assert!(geography.board_of(&lineage("QHM>QHM"), before).is_unknown());
    assert!(geography.is_unknown(geography.place(b"", b"QHM"), before));
}

#[test]
fn a_board_knows_its_name_and_region_in_a_month() {
    let geography = Geography::builtin();
    let luton: IcbCode = "QHG".parse().unwrap();
    let boards = geography.boards_in(month("2025-03"));
    let board = boards.iter().find(|board| board.code == luton).unwrap();
    assert_eq!(
        board.name,
        "NHS Bedfordshire, Luton and Milton Keynes Integrated Care Board"
    );
    let region = geography.region_of(luton, month("2025-03")).unwrap();
    assert_eq!(
        (region.code.as_str(), region.name.as_str()),
        ("Y61", "East of England")
    );
    assert_eq!(
        (&board.region_code, &board.region_name),
        (&region.code, &region.name)
    );
    assert_eq!(geography.region_of(luton, month("2026-04")), None);
    assert_eq!(
        geography.region_of(IcbCode::UNKNOWN, month("2025-03")),
        None
    );
}

#[test]
fn a_board_that_merged_leads_to_its_successor() {
    let geography = Geography::builtin();
    assert_eq!(placed(&geography, "", "QHG"), "QHG>S1Y5D");
    assert_eq!(
        placed(&geography, "", "QNX"),
        "QNX>S9B9J",
        "its code of the statistics office changed in 2023"
    );
    assert_eq!(placed(&geography, "", "QHM"), "QHM>QHM");
    assert_eq!(
        placed(&geography, "", "QRL"),
        "QRL>QRL",
        "it ended and began again, larger"
    );
}

#[test]
fn a_board_that_was_split_leads_to_unknown_without_a_practice() {
    let geography = with_practices();
    for code in ["QM7", "QJG", "QNQ"] {
        assert_eq!(placed(&geography, "", code), format!("{code}>Unknown"));
    }
    assert_eq!(placed(&geography, "E82001", "QM7"), "QM7>S1Y5D");
    assert_eq!(placed(&geography, "F81003", "QM7"), "QM7>D7T5G");
    assert_eq!(placed(&geography, "K81001", ""), "QNQ>QRL");
}

#[test]
fn a_board_is_unknown_before_it_exists() {
    let geography = Geography::builtin();
    let id = geography.place(b"", b"S1Y5D");
    assert_eq!(geography.lineage(id).as_str(), "Unknown>S1Y5D");
    assert!(geography.is_unknown(id, month("2026-03")));
    assert!(!geography.is_unknown(id, month("2026-04")));
}

#[test]
fn a_known_practice_wins_over_the_board_also_without_a_board() {
    let geography = with_practices();
    assert_eq!(placed(&geography, "E82001", "QHM"), "QM7>S1Y5D");
    assert_eq!(geography.place(b"A81003", b"QHM"), LineageId::UNKNOWN);
    assert_eq!(
        geography.place(b"W91016", b"QHM"),
        LineageId::UNKNOWN,
        "it is in Wales"
    );
    assert_eq!(placed(&geography, "Y12345", "QHM"), "Unknown>QRL");
    assert_eq!(
        placed(&geography, "Y99999", "QHM"),
        "QHM>QHM",
        "an unknown practice does not win"
    );
    assert_eq!(
        placed(&Geography::builtin(), "E82001", "QHM"),
        "QHM>QHM",
        "without a lookup none is known"
    );
}

#[test]
fn codes_are_trimmed_and_upper_cased() {
    let geography = with_practices();
    assert_eq!(placed(&geography, " e82001\n", ""), "QM7>S1Y5D");
    assert_eq!(placed(&geography, "\t", " qhg "), "QHG>S1Y5D");
}

#[test]
fn what_is_no_code_is_unknown() {
    let geography = with_practices();
    for (practice, icb) in [
        ("", ""),
        ("E82001E82001", ""),
        ("", "Q-M"),
        ("E8200", "Unknown"),
        ("QM7", "E82001"),
    ] {
        assert_eq!(
            geography.place(practice.as_bytes(), icb.as_bytes()),
            LineageId::UNKNOWN,
            "{practice} {icb}"
        );
    }
    assert_eq!(geography.place(&[0xff; 6], &[0; 3]), LineageId::UNKNOWN);
    assert_eq!(
        geography.lineage(LineageId::UNKNOWN).as_str(),
        "Unknown>Unknown"
    );
}

#[test]
fn a_month_is_reported_under_the_structure_in_force() {
    let geography = Geography::builtin();
    let board = |text, at| geography.board_of(&lineage(text), month(at)).to_string();
    assert_eq!(board("QM7>S1Y5D", "2026-03"), "QM7");
    assert_eq!(board("QM7>S1Y5D", "2026-04"), "S1Y5D");
    assert_eq!(board("QM7>Unknown", "2026-04"), "Unknown");
    assert_eq!(
        board("XX1>QHM", "2025-03"),
        "Unknown",
        "no row of a release is named XX1"
    );
    assert_eq!(
        board("QHM>QHG", "2026-04"),
        "Unknown",
        "QHG has no row any more"
    );
}

#[test]
fn under_a_structure_added_later_old_lineages_follow_only_successors() {
    let later = a_structure_later();
    let geography = Geography::load(Some(("icbs.csv", &later)), None).unwrap();
    assert_eq!(
        geography.structures(),
        ["2022-07", "2026-04", "2027-04"].map(month)
    );
    let board = |text, at| geography.board_of(&lineage(text), month(at)).to_string();
    assert_eq!(board("QM7>S1Y5D", "2027-04"), "Z1Z1Z");
    assert_eq!(board("QM7>S1Y5D", "2027-03"), "S1Y5D");
    assert_eq!(board("QMM>T6Y0W", "2027-04"), "Unknown", "it was split");
    assert_eq!(board("QM7>Unknown", "2027-04"), "Unknown");
    assert_eq!(board("QHM>QHM", "2027-04"), "QHM");
    assert_eq!(board("QHG", "2027-04"), "Z1Z1Z", "two structures later");
    assert_eq!(
        board("QM7", "2027-04"),
        "Unknown",
        "it was split on the way"
    );
    assert_eq!(
        board("QM7>S1Y5D>Z2Z2Z", "2027-04"),
        "Z2Z2Z",
        "what was counted stays"
    );

    assert_eq!(placed(&geography, "", "QHG"), "QHG>S1Y5D>Z1Z1Z");
    assert_eq!(placed(&geography, "", "QMM"), "QMM>T6Y0W>Unknown");
    assert_eq!(placed(&geography, "", "QM7"), "QM7>Unknown>Unknown");
    assert_eq!(placed(&geography, "", "Z1Z1Z"), "Unknown>Unknown>Z1Z1Z");
    assert_eq!(
        geography.lineage_id(&lineage("QM7>S1Y5D")),
        None,
        "no event is filed under it any more"
    );
}

#[test]
fn a_board_with_another_name_or_region_begins_a_structure() {
    let moved = BUILTIN.replace(
        "QVV,NHS Dorset Integrated Care Board,Y58,South West,2022-07-01,,\n",
        "QVV,NHS Dorset Integrated Care Board,Y58,South West,2022-07-01,2028-04-01,QVV\n\
         QVV,NHS Dorset Integrated Care Board,Y59,South East,2028-04-01,,\n",
    );
    let geography = Geography::load(Some(("icbs.csv", &moved)), None).unwrap();
    assert_eq!(
        geography.structures(),
        ["2022-07", "2026-04", "2028-04"].map(month)
    );
    assert_eq!(placed(&geography, "", "QVV"), "QVV>QVV>QVV");
    let region = |at| {
        geography
            .region_of("QVV".parse().unwrap(), month(at))
            .unwrap()
            .code
            .clone()
    };
    assert_eq!(
        (region("2028-03"), region("2028-04")),
        ("Y58".to_owned(), "Y59".to_owned())
    );
}

#[test]
fn every_lineage_is_found_by_its_id_and_back() {
    let geography = with_practices();
    for id in (0..geography.lineages()).map(|id| LineageId(id.try_into().unwrap())) {
        let lineage = geography.lineage(id);
        assert_eq!(geography.lineage_id(lineage), Some(id));
        for month in month("2022-01").through(month("2028-12")) {
            let unknown = geography.board_of(lineage, month).is_unknown();
            assert_eq!(
                geography.is_unknown(id, month),
                unknown,
                "{lineage} {month}"
            );
        }
    }
}

#[test]
fn the_digest_is_over_what_matters_and_nothing_else() {
    let builtin = Geography::builtin().digest();
    assert_eq!(builtin.len(), 32);
    let (header, rows) = BUILTIN.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().rev().collect();
    let shuffled = format!("{header}\r\n{}", rows.join(" \r\n"));
    assert_eq!(
        Geography::load(Some(("icbs.csv", &shuffled)), None)
            .unwrap()
            .digest(),
        builtin
    );

    let renamed = BUILTIN.replace("NHS Dorset", "NHS Great Dorset");
    assert_ne!(
        Geography::load(Some(("icbs.csv", &renamed)), None)
            .unwrap()
            .digest(),
        builtin
    );
    assert_ne!(with_practices().digest(), builtin);
    let other = PRACTICES.replace("QM7,S1Y5D", "QM7,D7T5G");
    let other = Geography::load(None, Some(("practices.csv", &other))).unwrap();
    assert_ne!(other.digest(), with_practices().digest());
}

#[test]
fn practices_need_exactly_one_column_for_each_structure() {
    let two = "practice_ods_code,icb_ods_code_2022_07,icb_ods_code_2024_01\nE82001,QM7,QM7\n";
    let found = problems(None, Some(two));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[0],
        "practices.csv:1: no column `icb_ods_code_2026_04`; add it"
    );
    assert!(
        found[1].starts_with("practices.csv:1: no structure for column `icb_ods_code_2024_01`"),
        "{found:?}"
    );
    let found = problems(Some(&a_structure_later()), Some(PRACTICES));
    assert_eq!(
        found,
        ["practices.csv:1: no column `icb_ods_code_2027_04`; add it"]
    );
}

#[test]
fn practices_are_checked_against_the_boards_all_at_once() {
    let rows = "\
practice_ods_code,icb_ods_code_2022_07,icb_ods_code_2026_04
E82001,QM7,QM7
E82-02,QM7,S1Y5D
E82003,S1Y5D,S1Y5D
e82001,QM7,S1Y5D
E82004,XX1,
";
    let found = problems(None, Some(rows));
    let expected = [
        "practices.csv:2: `QM7` is not a board in force in 2026-04",
        "practices.csv:3: `E82-02` is not the code of a practice",
        "practices.csv:4: `S1Y5D` is not a board in force in 2022-07",
        "practices.csv:6: `XX1` is not a board in force in 2022-07",
        "practices.csv:5: practice E82001 is on line 2 too",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (problem, expected) in found.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn boards_that_contradict_themselves_are_refused() {
    let broken = BUILTIN
        .replace("QHG,", "QHGX,")
        .replace(",Y60,Midlands,", ",Y60,,");
    let found = problems(Some(&broken), None);
    assert_eq!(found.len(), 11, "{found:#?}");
    let named =
        |problem: &String| problem.starts_with("icbs.csv:") && problem.contains("no region_name; ");
    assert!(found.iter().all(named), "{found:#?}");
}

proptest! {
    /// For all bytes: placing ends, and places the bytes like their trimmed upper-case form.
    #[test]
    fn placing_is_total(practice in "\\PC{0,10}", icb in any::<Vec<u8>>()) {
        let geography = with_practices();
        let normal = practice.trim_matches(|c: char| c.is_ascii_whitespace()).to_ascii_uppercase();
        let placed = geography.place(practice.as_bytes(), &icb);
        prop_assert_eq!(placed, geography.place(normal.as_bytes(), &icb));
        prop_assert!(usize::from(placed.0) < geography.lineages());
    }
}
