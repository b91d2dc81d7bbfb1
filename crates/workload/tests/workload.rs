//! What a workload promises, checked from outside: the same bytes for the same seed, the profile's
//! figures, the stated rates, and bytes that say what was meant.

use std::collections::{BTreeMap, BTreeSet};

use model::{Calendar, Geography, KindId, Kinds, Month, Reason};
use sha2::{Digest, Sha256};
use workload::oracle::{self, Row, Verdict};
use workload::{Identity, Item, Options, Oracle, Profile, Rates, Workload, account_id, event_id};

const LOGINS: KindId = KindId(0);

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

fn workload(options: &Options) -> Workload {
    Workload::new(Profile::published(), options)
}

fn options(one_in: u64) -> Options {
    Options {
        one_in,
        ..Options::default()
    }
}

fn oracle_of(options: &Options) -> Oracle {
    let rules = oracle::Options::new(
        options.first_month,
        options.practices.text(),
        &options.kinds,
    );
    Oracle::new(&oracle::Options {
        keeps_sessions: true,
        ..rules
    })
    .expect("the rules are complete")
}

fn value(rows: &[Row], level: &str, code: &str, measure: &str) -> u64 {
    let found = rows
        .iter()
        .find(|row| row.level == level && row.code == code && row.measure == measure);
    found.expect("every geography has every measure").value
}

fn digest(options: &Options) -> String {
    let mut digest = Sha256::new();
    for item in workload(options) {
        digest.update([item.kind.0]);
        digest.update(item.partition.to_be_bytes());
        digest.update(item.timestamp.as_millis().to_be_bytes());
        for bytes in [
            &item.key[..],
            item.content_type.unwrap_or("").as_bytes(),
            &item.payload,
        ] {
            digest.update(bytes.len().to_be_bytes());
            digest.update(bytes);
        }
    }
    digest.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A changed golden means that loads, benches and simulations are no longer comparable with earlier ones.
#[test]
fn the_same_seed_gives_the_same_bytes() {
    let mut options = options(10_000);
    options.rates.cloud_events = 100_000;
    options.rates.confluent = 100_000;
    let first = digest(&options);
    assert_eq!(first, digest(&options));
    assert_eq!(first, "0121d53d5ff1ce53");
    options.seed = 2;
    assert_ne!(first, digest(&options));
}

/// For every month and board: logins counted = round(figure / scale), across the succession too.
#[test]
fn logins_are_exactly_the_profile_at_the_scale() {
    for (one_in, first, months) in [
        (200, "2025-03", 3),
        (5_000, "2026-02", 4),
        (1_000_000, "2025-12", 6),
    ] {
        let options = Options {
            first_month: month(first),
            months,
            ..options(one_in)
        };
        let mut oracle = oracle_of(&options);
        let mut workload = workload(&options);
        for item in workload.by_ref() {
            oracle.observe(&item);
        }
        let last = options.first_month.plus(i32::try_from(months).unwrap() - 1);
        for month in options.first_month.through(last) {
            let rows = oracle.measures(month);
            for (board, figure) in workload.expected(month) {
                let logins = value(&rows, "icb", board.as_str(), "logins");
                assert_eq!(logins, figure.logins, "{board:?} {month} 1/{one_in}");
            }
        }
        assert!(
            oracle
                .measures(last.next())
                .iter()
                .all(|row| !row.measure.starts_with("logins") || row.value == 0)
        );
    }
}

#[test]
fn users_are_close_to_the_profile_and_orders_and_registrations_realistic() {
    let options = options(200);
    let mut oracle = oracle_of(&options);
    let mut workload = workload(&options);
    for item in workload.by_ref() {
        oracle.observe(&item);
    }
    for text in ["2025-03", "2025-04", "2025-05"] {
        let rows = oracle.measures(month(text));
        let (mut users, mut expected) = (0, 0);
        for (board, figure) in workload.expected(month(text)) {
            let found = value(&rows, "icb", board.as_str(), "unique_users_logging_in");
            assert!(
                found.abs_diff(figure.unique_users) <= 10 + figure.unique_users / 50,
                "{board:?} {found} {figure:?}"
            );
            (users, expected) = (users + found, expected + figure.unique_users);
        }
        assert!(
            users.abs_diff(expected) * 100 < expected,
            "{text} {users} {expected}"
        );
        let england = |measure| value(&rows, "england", "E92000001", measure);
        let logins = england("logins");
        let orders = england("prescription_orders");
        assert!(
            (8..13).contains(&(orders * 100 / logins)),
            "{orders} of {logins}"
        );
        assert!(england("unique_users_ordering_prescriptions") * 2 < users);
        assert!((30..40).contains(&(england("registrations") * 1000 / users)));
    }
}

#[test]
fn records_come_in_the_order_of_arrival_and_an_account_stays_in_its_partition() {
    let mut latest = None;
    let mut partitions: BTreeMap<(KindId, u64), u32> = BTreeMap::new();
    for item in workload(&options(2_000)) {
        assert!(latest <= Some(item.timestamp));
        latest = Some(item.timestamp);
        assert_eq!(item.key, account_id(item.truth.account).into_bytes());
        let partition = partitions
            .entry((item.kind, item.truth.account))
            .or_insert(item.partition);
        assert_eq!(*partition, item.partition);
    }
    let used: BTreeSet<(KindId, u32)> = partitions
        .into_iter()
        .map(|((kind, _), partition)| (kind, partition))
        .collect();
    assert_eq!(used.len(), 12 + 4 + 4);
}

/// decode(payload) = truth for every record, or its defect.
#[test]
fn the_bytes_say_what_was_meant() {
    let mut options = options(2_000);
    options.rates = Rates {
        cloud_events: 300_000,
        confluent: 300_000,
        bad: 50_000,
        without_session: 50_000,
        without_identity: 50_000,
        ..Rates::default()
    };
    for item in workload(&options) {
        check_bytes(&item, &options);
    }
}

fn check_bytes(item: &Item, options: &Options) {
    use wire::events::{Encoding, Identity as Decoded, decode};
    let is_too_large = item.payload.len() > options.payload_bytes_max;
    assert_eq!(is_too_large, item.truth.defect == Some(Reason::TooLarge));
    let content_type = item.content_type.map(str::as_bytes);
    let kind = options.kinds.get(item.kind);
    let decoded = decode(&item.payload, content_type, Encoding::Protobuf, kind);
    if let Some(reason) = item
        .truth
        .defect
        .filter(|reason| *reason != Reason::TooLarge)
    {
        assert_eq!(decoded.err(), Some(reason));
        return;
    }
    let event = decoded.expect("the record is sound");
    assert_eq!(event.account_id, account_id(item.truth.account));
    assert_eq!(event.occurred_at, item.truth.occurred_at);
    assert_eq!(&event.practice[..], item.truth.practice.as_str().as_bytes());
    assert_eq!(&event.icb[..], item.truth.icb.as_str().as_bytes());
    match (&event.identity, item.truth.identity) {
        (Decoded::None, Identity::None) => {}
        (Decoded::Session(id), Identity::Session(number))
        | (Decoded::Event(id), Identity::Event(number))
        | (Decoded::CloudEvent { id, .. }, Identity::CloudEvent(number)) => {
            assert_eq!(*id, event_id(number));
        }
        (decoded, meant) => panic!("{decoded:?} is not {meant:?}"),
    }
}

#[test]
fn what_goes_wrong_goes_wrong_at_the_stated_rates() {
    let mut options = options(200);
    options.rates = Rates {
        duplicates: 20_000,
        late: 10_000,
        beyond_grace: 10_000,
        bad: 18_000,
        ..Rates::default()
    };
    let mut oracle = oracle_of(&options);
    let (mut counted, mut late, mut beyond) = (0_u64, 0_u64, 0_u64);
    for item in workload(&options) {
        if oracle.observe(&item) == Verdict::Counted {
            let hours =
                (item.timestamp.as_millis() - item.truth.occurred_at.as_millis()) / 3_600_000;
            counted += 1;
            late += u64::from((1..=60).contains(&hours));
            beyond += u64::from(hours > 72);
        }
    }
    let near = |found: u64, ppm: u64| {
        let expected = counted * ppm / 1_000_000;
        assert!(
            found.abs_diff(expected) * 10 < expected,
            "{found} instead of {expected}"
        );
    };
    near(oracle.duplicates(), 20_000);
    near(late, 10_000);
    near(beyond, 10_000);
    // Bad records are a share of logins, which are nine tenths of the events.
    near(oracle.dead_letters().values().sum(), 16_200);
    let reasons: Vec<Reason> = oracle.dead_letters().keys().copied().collect();
    let expected = [
        Reason::TooLarge,
        Reason::Empty,
        Reason::Undecodable,
        Reason::NoAccount,
        Reason::NoTime,
        Reason::AheadOfRecord,
        Reason::BeforeFirstMonth,
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn without_rates_everything_is_counted() {
    let options = Options {
        rates: Rates::none(),
        ..options(5_000)
    };
    let mut oracle = oracle_of(&options);
    assert!(workload(&options).all(|item| oracle.observe(&item) == Verdict::Counted));
}

#[test]
fn records_that_need_a_clock_or_a_floor_come_when_asked_for() {
    let options = Options {
        months: 19,
        rates: Rates {
            ahead_of_clock: 1_000,
            too_old: 10_000,
            ..Rates::none()
        },
        ..options(20_000)
    };
    let mut oracle = oracle_of(&options);
    for item in workload(&options) {
        if item.timestamp < model::Timestamp::from_millis(1_900_000_000_000) {
            oracle.set_clock(item.timestamp);
        }
        if item.truth.occurred_at.as_millis() > 1_785_600_000_000 {
            oracle.raise_floor(item.input_partition(), month("2025-04"));
        }
        oracle.observe(&item);
    }
    let reasons: Vec<Reason> = oracle.dead_letters().keys().copied().collect();
    assert_eq!(reasons, [Reason::AheadOfClock, Reason::TooOld]);
}

/// The order of registration and first login, by account: a registered account has no login before it.
#[test]
fn an_account_registers_once_and_before_its_first_login() {
    let options = Options {
        rates: Rates::none(),
        ..options(2_000)
    };
    let kinds = Kinds::builtin();
    let registrations = kinds.by_name("registrations").unwrap();
    let mut first_login: BTreeMap<u64, i64> = BTreeMap::new();
    let mut registered: BTreeMap<u64, i64> = BTreeMap::new();
    for item in workload(&options) {
        let at = item.truth.occurred_at.as_millis();
        if item.kind == registrations {
            assert_eq!(
                registered.insert(item.truth.account, at),
                None,
                "registers once"
            );
        } else if item.kind == LOGINS {
            let first = first_login.entry(item.truth.account).or_insert(at);
            *first = at.min(*first);
        }
    }
    assert!(!registered.is_empty());
    for (account, at) in registered {
        assert!(first_login.get(&account).is_none_or(|login| at <= *login));
    }
}

/// The model's calendar and geography are another reading of the same rules: per month and board both count the same.
#[test]
fn the_oracle_and_the_model_agree_on_months_and_boards() {
    let options = Options {
        first_month: month("2026-02"),
        months: 4,
        ..options(2_000)
    };
    let practices = ("practices.csv", options.practices.text());
    let geography = Geography::load(None, Some(practices)).expect("the list fits the boards");
    let calendar = Calendar::new("Europe/London").expect("a time zone");
    let mut oracle = oracle_of(&options);
    let mut counted: BTreeMap<(Month, String), u64> = BTreeMap::new();
    for item in workload(&options) {
        if oracle.observe(&item) == Verdict::Counted && item.kind == LOGINS {
            let (practice, icb) = (item.truth.practice, item.truth.icb);
            let lineage = geography.place(practice.as_str().as_bytes(), icb.as_str().as_bytes());
            let month = calendar.month_of(item.truth.occurred_at);
            let board = geography.board_of(geography.lineage(lineage), month);
            *counted.entry((month, board.to_string())).or_default() += 1;
        }
    }
    for of in options.first_month.through(month("2026-05")) {
        for row in oracle
            .measures(of)
            .iter()
            .filter(|row| row.level == "icb" && row.measure == "logins")
        {
            let found = counted.get(&(of, row.code.clone())).copied().unwrap_or(0);
            assert_eq!(found, row.value, "{of} {}", row.code);
        }
    }
}

/// By last session each user is in one board, so the boards add up to England; by any session movers are in two.
#[test]
fn movers_are_the_difference_to_the_printed_publication() {
    let options = options(500);
    let mut oracle = oracle_of(&options);
    for item in workload(&options) {
        oracle.observe(&item);
    }
    let may = month("2025-05");
    let rows = oracle.measures(may);
    let boards = oracle.residence(may, 1);
    let by_last: u64 = boards.iter().map(|board| board.by_last_session).sum();
    let by_any: u64 = boards.iter().map(|board| board.by_any_session).sum();
    assert_eq!(
        by_last,
        value(&rows, "england", "E92000001", "unique_users_logging_in")
    );
    // At most the 4 per mille of users who move, for some do not log in on both sides.
    assert!(
        by_any > by_last && (by_any - by_last) * 1_000 < by_last * 5,
        "{by_any} {by_last}"
    );
    for board in boards {
        let users = value(&rows, "icb", &board.code, "unique_users_logging_in");
        assert_eq!(users, board.by_any_session, "{}", board.code);
    }
}
