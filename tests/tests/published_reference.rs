//! The reference data that the NHS publishes, whole, too large for the repository: the built-in boards say the same, and
//! every practice of England is placed.
//!
//! `APPMI_REFERENCE_DATA` names the folder that holds `icb_reference.csv` and `gp_practice_icb.csv`; without it that is
//! `../shared/data`, seen from the root of the checkout. Where that is not there, these tests are reported as skipped; a
//! folder that was named has to be.

use std::path::{Path, PathBuf};
use std::{env, fs};

use model::Geography;
use tests::report_skipped;

/// A file of the reference data; none where nobody named a folder and there is none beside the checkout.
#[track_caller]
fn reference_or_skip(file: &str) -> Option<String> {
    let named = env::var_os("APPMI_REFERENCE_DATA").map(PathBuf::from);
    let is_named = named.is_some();
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = named.unwrap_or_else(beside).join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if is_named => panic!("APPMI_REFERENCE_DATA: {}: {error}", path.display()),
        Err(error) => {
            let path = path.display();
            report_skipped(format!(
                "{path}: {error}; name a folder with APPMI_REFERENCE_DATA"
            ));
            None
        }
    }
}

#[test]
fn the_published_boards_are_the_built_in_ones() {
    let Some(text) = reference_or_skip("icb_reference.csv") else {
        return;
    };
    let geography = Geography::load(Some(("icb_reference.csv", &text)), None).unwrap();
    assert_eq!(geography.digest(), Geography::builtin().digest());
}

#[test]
fn every_practice_of_england_is_placed() {
    let Some(text) = reference_or_skip("gp_practice_icb.csv") else {
        return;
    };
    let geography = Geography::load(None, Some(("gp_practice_icb.csv", &text))).unwrap();
    let mut rows = 0;
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let board = |code| {
            if ["", "WALES"].contains(&code) {
                "Unknown"
            } else {
                code
            }
        };
        let expected = format!("{}>{}", board(fields[4]), board(fields[5]));
        let placed = geography.lineage(geography.place(fields[0].as_bytes(), b"QHM"));
        assert_eq!(placed.to_string(), expected, "{line}");
        rows += 1;
    }
    assert!(rows > 8000, "{rows}");
    assert!(geography.lineages() < 200, "{}", geography.lineages());
}
