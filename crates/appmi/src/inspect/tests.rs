//! What is told of a state.

use engine::ports::Change;
use memlog::MemStore;
use wire::partials::encode;
use wire::v1::{InputPosition, Recount};

use super::*;

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(at.as_millisecond())
}

fn progress(latest: &str, idle: bool, appended_at: &str) -> Vec<u8> {
    let progress = Progress {
        checkpoint: 9,
        position: 60,
        latest_occurred_at: Some(at(latest).as_millis()),
        floor: "2025-03".into(),
        idle,
        ..Progress::default()
    };
    let mut value = at(appended_at).as_millis().to_be_bytes().to_vec();
    value.extend(encode(&progress));
    value
}

/// March and April are sealed, May is closed and June is open; a recount is under way.
fn inspection() -> Inspection {
    let settings = Settings {
        number: 2,
        first_month: "2025-03".into(),
        recount: Some(Recount {
            until: vec![InputPosition {
                kind: "logins".into(),
                partition: 0,
                position: 100,
            }],
            sealed_before: "2025-05".into(),
            ..Recount::default()
        }),
        ..Settings::default()
    };
    let put = |key: &[u8], value: Vec<u8>| Change::Put(key.to_vec(), value);
    let append = at("2025-06-20T00:01:00Z").as_millis().to_be_bytes();
    let stated_at = "2025-06-20T00:00:00Z";
    let mut changes = vec![
        put(keys::FORMAT_KEY, keys::FORMAT.to_be_bytes().to_vec()),
        put(keys::SETTINGS_KEY, encode(&settings)),
        put(keys::APPEND_KEY, append.to_vec()),
        put(
            &keys::progress("logins", 0),
            progress("2025-06-10T00:00:00Z", false, stated_at),
        ),
        put(
            &keys::progress("prescription_orders", 0),
            progress("2025-06-01T00:00:00Z", true, stated_at),
        ),
        put(
            &keys::progress("registrations", 0),
            progress("2025-06-20T00:01:30Z", false, stated_at),
        ),
        put(
            &keys::count("logins", 0, "2025-06".parse().unwrap(), "QHM"),
            7_u64.to_be_bytes().to_vec(),
        ),
    ];
    for month in ["2025-03", "2025-04", "2025-05"] {
        let release = MonthClose {
            month: month.into(),
            ..MonthClose::default()
        };
        let key = format!("{month}/england/E92000001");
        changes.push(put(&keys::release(key.as_bytes()), encode(&release)));
    }
    let mut store = MemStore::default();
    store.write(&changes).unwrap();
    read(&store, IDLE_TIMEOUT, at("2025-06-20T00:02:00Z")).unwrap()
}

fn all<'a>(state: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    let list = state[list].as_array().unwrap().iter();
    list.map(|of| of[field].as_str().unwrap()).collect()
}

#[test]
fn a_partition_has_the_watermark_that_the_leader_sees() {
    let inspection = inspection();
    let state = inspection.to_json();
    let latest = "2025-06-10T00:00:00.000Z";
    let (idle, newest) = ("2025-06-19T23:55:00.000Z", "2025-06-20T00:01:00.000Z");
    assert_eq!(
        all(&state, "partitions", "watermark"),
        [latest, idle, newest]
    );
    assert_eq!(state["idle_timeout_seconds"], 300);
    let text = inspection.to_text();
    for told in [
        latest,
        idle,
        newest,
        "stated at",
        "an idle_timeout of 300 s",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn months_are_sealed_closed_or_open() {
    let inspection = inspection();
    let states = ["sealed", "sealed", "closed", "open"];
    assert_eq!(all(&inspection.to_json(), "months", "state"), states);
    let text = inspection.to_text();
    for line in text
        .lines()
        .filter(|line| line.trim_start().starts_with("2025-0"))
    {
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        let index = ["2025-03", "2025-04", "2025-05", "2025-06"];
        let index = index.iter().position(|month| *month == words[0]).unwrap();
        assert_eq!(words[1], states[index], "{line}");
    }
}

#[test]
fn a_recount_is_told_as_long_as_it_lasts() {
    let mut inspection = inspection();
    assert_eq!(inspection.to_json()["recount_records_left"], 40);
    assert!(inspection.to_text().contains("at most 40 records left"));
    let counted = &mut inspection.partitions[0];
    assert_eq!(counted.kind, "logins");
    counted.stated.progress.position = 100;
    assert_eq!(inspection.to_json()["recount_records_left"], 0);
    assert!(!inspection.to_text().contains("counting anew"));
}
