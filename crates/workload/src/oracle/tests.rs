//! Tiny cases, worked out by hand.

use super::*;
use crate::item::{Code, Identity, Truth};

const LOGINS: KindId = KindId(0);
const ORDERS: KindId = KindId(1);
const REGISTRATIONS: KindId = KindId(2);
/// A practice of QM7 that goes to Essex, one without a board, one of QE1.
const PRACTICES: &str = "practice_ods_code,icb_ods_code_2022_07,icb_ods_code_2026_04\n\
    P1,QM7,D7T5G\nP2,,\nP3,QE1,QE1\n";

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn at(instant: &str) -> Timestamp {
    let instant: jiff::Timestamp = instant.parse().unwrap();
    Timestamp::from_millis(instant.as_millisecond())
}

fn oracle() -> Oracle {
    let kinds = Kinds::builtin();
    let options = Options::new(month("2025-03"), PRACTICES, &kinds);
    Oracle::new(&Options {
        keeps_sessions: true,
        ..options
    })
    .unwrap()
}

/// An event without identity, recorded as it occurs.
fn event(kind: KindId, account: u64, occurred_at: &str, practice: &str, icb: &str) -> Item {
    let truth = Truth {
        account,
        occurred_at: at(occurred_at),
        practice: Code::new(practice).unwrap(),
        icb: Code::new(icb).unwrap(),
        identity: Identity::None,
        defect: None,
    };
    Item::of(kind, 0, truth.occurred_at, truth)
}

fn value(oracle: &Oracle, of: &str, code: &str, measure: &str) -> u64 {
    let rows = oracle.measures(month(of));
    let found = rows
        .iter()
        .filter(|row| row.code == code && row.measure == measure);
    // `Unknown` is both a board and a region.
    found.map(|row| row.value).next().unwrap()
}

const USERS: &str = "unique_users_logging_in";
const YEAR: &str = "unique_users_logging_in_12_months";

#[test]
fn the_edge_of_a_month_is_midnight_in_london() {
    let mut oracle = oracle();
    oracle.observe(&event(LOGINS, 1, "2025-03-31T22:59:59.999Z", "P3", ""));
    oracle.observe(&event(LOGINS, 1, "2025-03-31T23:00:00Z", "P3", ""));
    assert_eq!(value(&oracle, "2025-03", "QE1", "logins"), 1);
    assert_eq!(value(&oracle, "2025-04", "QE1", "logins"), 1);
    assert_eq!(value(&oracle, "2025-04", "QE1", YEAR), 1);
    assert_eq!(value(&oracle, "2025-05", "QE1", USERS), 0);
}

#[test]
fn a_user_of_two_boards_is_one_user_of_england() {
    let mut oracle = oracle();
    oracle.observe(&event(LOGINS, 1, "2025-03-02T12:00:00Z", "P3", ""));
    oracle.observe(&event(LOGINS, 1, "2025-03-09T12:00:00Z", "P1", "QE1"));
    oracle.observe(&event(LOGINS, 2, "2025-03-09T12:00:00Z", "", ""));
    assert_eq!(value(&oracle, "2025-03", "QE1", USERS), 1);
    assert_eq!(value(&oracle, "2025-03", "QM7", USERS), 1);
    assert_eq!(value(&oracle, "2025-03", "Y61", USERS), 1);
    assert_eq!(value(&oracle, "2025-03", UNKNOWN, USERS), 1);
    assert_eq!(value(&oracle, "2025-03", ENGLAND, USERS), 2);
    assert_eq!(value(&oracle, "2025-03", ENGLAND, "logins"), 3);
    let row = |code: &str, by_last_session, by_any_session| Residence {
        code: code.to_owned(),
        by_last_session,
        by_any_session,
    };
    let expected = [row("QE1", 0, 1), row("QM7", 1, 1), row(UNKNOWN, 1, 1)];
    assert_eq!(oracle.residence(month("2025-03"), 1), expected);
}

#[test]
fn twelve_months_across_a_split_follow_the_practice_and_not_the_code() {
    let mut oracle = oracle();
    oracle.observe(&event(LOGINS, 1, "2026-03-10T12:00:00Z", "P1", "QM7"));
    oracle.observe(&event(LOGINS, 2, "2026-03-10T12:00:00Z", "", "QM7"));
    oracle.observe(&event(LOGINS, 3, "2026-03-10T12:00:00Z", "", "QH8"));
    oracle.observe(&event(LOGINS, 4, "2026-04-10T12:00:00Z", "P2", "D7T5G"));
    assert_eq!(value(&oracle, "2026-03", "QM7", YEAR), 2);
    assert_eq!(value(&oracle, "2026-03", "QH8", YEAR), 1);
    // The practice says Essex, the merged board's code too; the split one's says nothing.
    assert_eq!(value(&oracle, "2026-04", "D7T5G", YEAR), 2);
    assert_eq!(value(&oracle, "2026-04", UNKNOWN, YEAR), 2);
    assert_eq!(value(&oracle, "2026-04", ENGLAND, YEAR), 4);
    assert_eq!(value(&oracle, "2026-04", UNKNOWN, USERS), 1);
    assert_eq!(value(&oracle, "2027-02", ENGLAND, YEAR), 4);
    assert_eq!(value(&oracle, "2027-03", ENGLAND, YEAR), 1);
}

#[test]
fn every_geography_has_every_measure_zeros_included() {
    let geographies = |of: &str| {
        let rows = oracle().measures(month(of));
        let places: std::collections::BTreeSet<_> = rows
            .iter()
            .map(|row| (row.level, row.code.clone()))
            .collect();
        assert!(rows.iter().all(|row| row.value == 0));
        let england = rows.iter().filter(|row| row.level == "england").count();
        assert_eq!((england, rows.len()), (7, places.len() * 6 + 1));
        places.len()
    };
    assert_eq!(geographies("2025-03"), 52);
    assert_eq!(geographies("2026-04"), 46);
}

#[test]
fn all_time_starts_from_the_baseline_and_counts_every_month_so_far() {
    let mut kinds = Kinds::builtin();
    kinds.set_baseline(REGISTRATIONS, 1_000);
    let mut oracle = Oracle::new(&Options::new(month("2025-03"), PRACTICES, &kinds)).unwrap();
    for instant in [
        "2025-03-05T10:00:00Z",
        "2025-03-05T11:00:00Z",
        "2025-05-05T10:00:00Z",
    ] {
        oracle.observe(&event(REGISTRATIONS, 1, instant, "P3", ""));
    }
    let all_time = |of: &str| value(&oracle, of, ENGLAND, "registrations_all_time");
    assert_eq!(
        [
            all_time("2025-03"),
            all_time("2025-04"),
            all_time("2025-05")
        ],
        [1_002, 1_002, 1_003]
    );
    assert_eq!(value(&oracle, "2025-03", "QE1", "registrations"), 2);
}

#[test]
fn a_duplicate_is_counted_once_in_its_partition_and_apart_from_others() {
    let mut oracle = oracle();
    let with = |kind, partition, identity| {
        let mut item = event(kind, 1, "2025-03-05T10:00:00Z", "P3", "");
        item.partition = partition;
        item.truth.identity = identity;
        item
    };
    let session = Identity::Session(7);
    assert_eq!(oracle.observe(&with(LOGINS, 0, session)), Verdict::Counted);
    assert_eq!(
        oracle.observe(&with(LOGINS, 0, session)),
        Verdict::Duplicate
    );
    assert_eq!(oracle.observe(&with(LOGINS, 1, session)), Verdict::Counted);
    assert_eq!(
        oracle.observe(&with(LOGINS, 0, Identity::Event(7))),
        Verdict::Counted
    );
    assert_eq!(
        oracle.observe(&with(ORDERS, 0, Identity::Event(7))),
        Verdict::Counted
    );
    assert_eq!(oracle.duplicates(), 1);
    assert_eq!(value(&oracle, "2025-03", ENGLAND, "logins"), 3);
}

#[test]
fn the_first_reason_that_applies_is_the_verdict() {
    let mut oracle = oracle();
    oracle.set_clock(at("2025-06-01T00:00:00Z"));
    let partition = InputPartition {
        kind: LOGINS,
        partition: 0,
    };
    oracle.raise_floor(partition, month("2025-05"));
    oracle.raise_floor(partition, month("2025-04"));
    let mut judge = |occurred: &str, recorded: &str, defect| {
        let mut item = event(LOGINS, 1, occurred, "P3", "");
        item.timestamp = at(recorded);
        item.truth.defect = defect;
        oracle.observe(&item)
    };
    let may = "2025-05-05T10:00:00Z";
    assert_eq!(judge(may, may, None), Verdict::Counted);
    assert_eq!(judge("2025-05-05T10:15:00Z", may, None), Verdict::Counted);
    let cases = [
        (
            "2020-01-01T00:00:00Z",
            may,
            Some(Reason::NoAccount),
            Reason::NoAccount,
        ),
        ("2025-05-05T10:15:00.001Z", may, None, Reason::AheadOfRecord),
        (may, "2025-06-02T00:00:00.001Z", None, Reason::AheadOfClock),
        ("2025-02-28T23:59:59Z", may, None, Reason::BeforeFirstMonth),
        ("2025-04-30T22:59:59Z", may, None, Reason::TooOld),
    ];
    for (occurred, recorded, defect, reason) in cases {
        assert_eq!(
            judge(occurred, recorded, defect),
            Verdict::DeadLetter(reason),
            "{reason}"
        );
    }
    assert_eq!(oracle.dead_letters().values().sum::<u64>(), 5);
    assert_eq!(value(&oracle, "2025-05", ENGLAND, "logins"), 2);
}
