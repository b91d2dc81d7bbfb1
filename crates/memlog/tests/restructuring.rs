//! April 2026: boards merge and split, and figures are reported in the structure of their month.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::collections::BTreeMap;

use memlog::{Cluster, MemStore};
use model::{Geography, KindId};
use workload::oracle::Verdict;
use workload::{Code, Identity, Item, Oracle, Truth};
use world::{Process, Site, append, at, compare, login, month, releases, settle};

const USERS: &str = "unique_users_logging_in";
const USERS_12: &str = "unique_users_logging_in_12_months";

fn records(site: &Site, month: &str) -> usize {
    site.records(month).len()
}

#[test]
fn every_month_has_the_records_of_its_own_structure() {
    let mut site = Site::new("2025-03");
    site.send(&login("2025-03-10T00:00:00Z", 1));
    site.settle_at("2026-06-05");
    assert_eq!(records(&site, "2025-03"), 52);
    assert_eq!(records(&site, "2026-03"), 52);
    assert_eq!(records(&site, "2026-04"), 46);
    assert_eq!(records(&site, "2026-05"), 46);
    let codes = |month: &str| -> Vec<String> {
        site.records(month)
            .into_iter()
            .map(|record| record.code)
            .collect()
    };
    assert!(codes("2026-03").contains(&"QM7".into()));
    assert!(!codes("2026-04").contains(&"QM7".into()));
    assert!(codes("2026-04").contains(&"S1Y5D".into()));
}

/// Where a login is counted: in its month, March 2026, and in the 12-month figure of April 2026.
fn boards(practice: &str, icb: &str) -> (String, String) {
    let mut site = Site::new("2026-03");
    site.send(&login("2026-03-10T00:00:00Z", 1).practice(practice).icb(icb));
    site.settle_at("2026-05-05");
    let board = |month: &str, measure: &str| -> String {
        let records = site.records(month).into_iter();
        let mut found = records.filter(|record| {
            record.level == "icb"
                && record
                    .measures
                    .iter()
                    .any(|found| found.measure == measure && found.value == 1)
        });
        let board = found.next().unwrap().code;
        assert!(found.next().is_none());
        board
    };
    (board("2026-03", USERS), board("2026-04", USERS_12))
}

#[test]
fn a_practice_says_to_which_part_of_a_split_board_it_went() {
    let of = |practice: &str| boards(practice, "");
    let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
    assert_eq!(of("A10001"), pair("QM7", "D7T5G"));
    assert_eq!(of("A10002"), pair("QM7", "S1Y5D"));
    assert_eq!(of("A20001"), pair("QJG", "D7T5G"));
    assert_eq!(of(" a20002 "), pair("QJG", "T6Y0W"));
    assert_eq!(of("A30001"), pair("QNQ", "S0E4D"));
    assert_eq!(of("A30002"), pair("QNQ", "QRL"));
    assert_eq!(of("A90001"), pair("Unknown", "Unknown"));
}

#[test]
fn without_a_known_practice_a_split_board_has_no_successor() {
    for board in ["QM7", "QJG", "QNQ"] {
        let expected = (board.to_owned(), "Unknown".to_owned());
        assert_eq!(boards("", board), expected);
        assert_eq!(boards("Z99999", board), expected);
    }
    // One that only merged has, and one that stayed is itself.
    assert_eq!(boards("", "QH8"), ("QH8".to_owned(), "D7T5G".to_owned()));
    assert_eq!(boards("", "qhm"), ("QHM".to_owned(), "QHM".to_owned()));
    // A practice that is known wins over the board, also where it has none.
    assert_eq!(
        boards("A10002", "QHM"),
        ("QM7".to_owned(), "S1Y5D".to_owned())
    );
    assert_eq!(
        boards("A90001", "QHM"),
        ("Unknown".to_owned(), "Unknown".to_owned())
    );
}

/// Logins of accounts that come back over the year, from practices of every zone.
fn items(workload: &workload::Options) -> Vec<Item> {
    let practices: Vec<&str> = workload
        .practices
        .text()
        .lines()
        .skip(1)
        .step_by(97)
        .filter_map(|line| line.split(',').next())
        .collect();
    let mut items = Vec::new();
    for number in 0..40_000_u64 {
        let start = at("2025-06-01").as_millis();
        let span = at("2026-06-01").as_millis() - start;
        let time = start + span / 40_000 * i64::try_from(number).unwrap();
        let time = model::Timestamp::from_millis(time);
        let account = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 9_000;
        let practice = practices[usize::try_from(account).unwrap() % practices.len()];
        let truth = Truth {
            account,
            occurred_at: time,
            practice: Code::new(practice).unwrap(),
            icb: Code::EMPTY,
            identity: Identity::None,
            defect: None,
        };
        items.push(Item::of(
            KindId(0),
            u32::try_from(number % 3).unwrap(),
            time,
            truth,
        ));
    }
    items
}

#[test]
fn a_twelve_month_figure_over_the_restructuring_is_the_union_of_the_right_sketches() {
    let workload = workload::Options {
        first_month: month("2025-06"),
        ..world::workload(12, 1000, 1)
    };
    let options = world::options(workload.practices.text(), "2025-06");
    let cluster = Cluster::new(&world::counts(&workload), 2, 2);
    let mut process = Process::start(&cluster, "a", &options, &MemStore::default()).unwrap();
    let mut oracle = Oracle::new(&workload::oracle::Options::new(
        workload.first_month,
        workload.practices.text(),
        &workload.kinds,
    ))
    .unwrap();
    for (index, item) in items(&workload).iter().enumerate() {
        assert_eq!(oracle.observe(item), Verdict::Counted);
        append(&cluster, item);
        if index % 500 == 0 {
            process.turns(6);
        }
    }
    settle(
        &cluster,
        std::slice::from_mut(&mut process),
        at("2026-06-05"),
    );
    let released = releases(&cluster);
    let comparison = compare(&released, &oracle, month("2026-05"));
    assert!(comparison.exact > 0);
    assert!(
        comparison.inside * 100 >= comparison.estimates * 95,
        "{} of {} inside their interval",
        comparison.inside,
        comparison.estimates
    );
    let in_new: BTreeMap<&str, u64> = released
        .iter()
        .filter(|((of, level, _), _)| of == "2026-05" && level == "icb")
        .map(|((_, _, code), record)| (code.as_str(), record.measures[2].value))
        .collect();
    assert_eq!(in_new.len(), 37);
    assert!(in_new["S1Y5D"] > 0 && in_new["QRL"] > 0);
}

/// The built-in boards, with QHM merged into another in April 2027.
fn with_a_merger_in_2027() -> Geography {
    let mut lines = Vec::new();
    for line in workload::REFERENCE.lines() {
        if line.starts_with("QHM,") || line.starts_with("QF7,") {
            lines.push(format!(
                "{}2027-04-01,X9X9X",
                line.strip_suffix(',').unwrap()
            ));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.push(
        "X9X9X,E99999999,NHS North Integrated Care Board,Y63,E40000012,North East and Yorkshire,2027-04-01,,".into(),
    );
    let text = lines.join("\n");
    Geography::load(Some(("icbs.csv", &text)), None).unwrap()
}

#[test]
fn under_a_structure_that_is_added_later_a_lineage_follows_its_last_board() {
    let mut site = Site::new("2027-01");
    site.options.geography =
        Geography::load(Some(("icbs.csv", workload::REFERENCE)), None).unwrap();
    site.processes.clear();
    site.cluster.recreate_owned();
    site.start();
    site.send(&login("2027-01-10T00:00:00Z", 1).icb("QHM"));
    site.send(&login("2027-01-10T00:00:00Z", 2).icb("QF7"));
    site.send(&login("2027-01-10T00:00:00Z", 3).icb("QE1"));
    site.settle_at("2027-02-05");
    let partials = site.cluster.partials();
    let (key, value) = partials.iter().find(|(key, _)| key == b"settings").unwrap();
    let recorded: wire::v1::Settings = wire::partials::decode(value.as_ref().unwrap()).unwrap();
    site.options.geography = with_a_merger_in_2027();
    let mut settings = engine::settings::of(&site.options, 2, 2);
    let differences = engine::settings::differences(&recorded, &settings);
    assert!(differences.fixed.is_empty() && !differences.changeable.is_empty());
    settings.number = 2;
    settings.filling = recorded.filling;
    site.processes.clear();
    site.cluster.write_partial(&engine::ports::Partial {
        partition: 0,
        key: key.clone(),
        value: Some(wire::partials::encode(&settings)),
    });
    site.start();
    site.send(&login("2027-04-10T00:00:00Z", 4).icb("X9X9X"));
    site.settle_at("2027-05-05");
    assert_eq!(
        site.revisions("2027-01").len(),
        1,
        "it says the same as before"
    );
    assert_eq!(site.value("2027-03", "QHM", USERS_12), 1);
    assert_eq!(site.value("2027-04", "X9X9X", USERS_12), 3);
    assert_eq!(site.value("2027-04", "X9X9X", USERS), 1);
    assert_eq!(site.value("2027-04", "QE1", USERS_12), 1);
    assert_eq!(site.value("2027-04", "Unknown", USERS_12), 0);
}
