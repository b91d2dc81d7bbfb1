//! Formats of what is kept: what former versions have left is read, and what a newer one has left is refused with a
//! sentence. `tests/formats/{format}` is what the first version of each format left behind
//! (`cargo run -p tests --example write-format`).

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::View;
use engine::ports::{Change, Published, PublishedBatch, PublishedRecord, Store};
use engine::view::keys;
use memlog::MemStore;
use model::{Kinds, Month, Offset, Timestamp};
use serde_json::Value;
use sketch::Precision;
use store::{RocksStore, Sizes};
use tempfile::TempDir;
use tests::system::{Answer, Deployment, Feed, MARCH_2025, Operator, SOON, logins};
use tests::{Broker, installation_or_skip, program};
use wire::partials;
use wire::v1::Settings;

const DONE: Option<i32> = Some(0);
const DATA: Option<i32> = Some(65);
const CONFIGURATION: Option<i32> = Some(78);

/// The folders of all formats that there ever were.
fn left_behind() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats");
    let folders = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = folders.collect();
    assert!(!folders.is_empty());
    folders
}

/// A copy: opening a database writes to it.
fn state(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder.join("state")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn inspect(dir: &Path) -> Answer {
    let mut command = Command::new(program("appmi"));
    command.args(["inspect", "--json", "--state-dir"]).arg(dir);
    let output = command.env_clear().output().unwrap();
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn inspected(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    // RocksDB's own.
    value
        .as_object_mut()
        .unwrap()
        .remove("state_bytes")
        .unwrap();
    // Never ahead of the clock of the machine that asks.
    for partition in value["partitions"].as_array_mut().unwrap() {
        partition
            .as_object_mut()
            .unwrap()
            .remove("watermark")
            .unwrap();
    }
    value
}

/// Opens what is in a store as a view of its own topics.
fn open(store: &mut dyn Store) -> View {
    let mut topics = Vec::new();
    assert!(store.get(keys::TOPICS_KEY, &mut topics).unwrap());
    open_of(
        store,
        [
            topics[..16].try_into().unwrap(),
            topics[16..].try_into().unwrap(),
        ],
    )
}

fn open_of(store: &mut dyn Store, topics: [[u8; 16]; 2]) -> View {
    let precision = Precision::new(6).unwrap();
    let first_month: Month = "2026-10".parse().unwrap();
    let (view, discarded) =
        View::open(store, Kinds::builtin(), precision, first_month, topics).unwrap();
    assert_eq!(discarded, None);
    view
}

/// The records of a dumped topic, and the position behind them in each partition.
fn records(text: &str, at: fn(u32) -> Published) -> PublishedBatch {
    let mut batch = PublishedBatch::default();
    let mut ends = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.splitn(5, ' ').collect();
        let [partition, offset, timestamp, key, value] = fields[..] else {
            panic!("{line}");
        };
        let digits = value.as_bytes().chunks(2);
        let value =
            digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap());
        let at = at(partition.parse().unwrap());
        let offset: i64 = offset.parse().unwrap();
        batch.records.push(PublishedRecord {
            at,
            offset: Offset(offset),
            timestamp: Timestamp::from_millis(timestamp.parse().unwrap()),
            key: key.as_bytes().to_vec(),
            value: Some(value.collect()),
        });
        // The marker.
        ends.insert(at, Offset(offset + 2));
    }
    batch.positions = ends.into_iter().collect();
    batch
}

fn contents(store: &dyn Store) -> BTreeMap<String, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let mut note = |key: &[u8], value: &[u8]| {
        contents.insert(String::from_utf8(key.to_vec()).unwrap(), value.to_vec());
        std::ops::ControlFlow::Continue(())
    };
    store.scan(b"", keys::END, &mut note).unwrap();
    // Where reading stands depends on markers that are not in the dump.
    contents.retain(|key, _| !key.starts_with("read/") && key != "topics" && key != "append");
    contents
}

#[test]
fn state_directories_of_all_formats_are_read() {
    for folder in left_behind() {
        let dir = state(&folder);
        let answer = inspect(dir.path());
        assert_eq!(answer.code, DONE, "{answer:?}");
        let golden = fs::read_to_string(folder.join("inspect.json")).unwrap();
        assert_eq!(inspected(&answer.stdout), inspected(&golden), "{folder:?}");
        let mut store = RocksStore::open(dir.path(), Sizes::default()).unwrap();
        let view = open(&mut store);
        assert_eq!(view.latest_closed(), Some("2026-10".parse().unwrap()));
        assert_eq!(view.all_stated().count(), 4);
    }
}

#[test]
fn partials_and_releases_of_all_formats_fill_a_view() {
    for folder in left_behind() {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let mut filled = MemStore::default();
        let mut view = open_of(&mut filled, [[1; 16], [2; 16]]);
        let batches = [
            records(&text("partials.txt"), Published::Partials),
            records(&text("month-close.txt"), Published::MonthClose),
        ];
        for batch in batches {
            assert!(!view.apply(&mut filled, batch).unwrap());
        }
        let dir = state(&folder);
        let mut store = RocksStore::open(dir.path(), Sizes::default()).unwrap();
        open(&mut store);
        let (filled, kept) = (contents(&filled), contents(&store));
        assert!(kept.len() > 100, "{}", kept.len());
        for (key, value) in &kept {
            assert_eq!(filled.get(key), Some(value), "{key}");
        }
        assert_eq!(filled.len(), kept.len());
    }
}

/// A deployment that has counted ten logins, stopped.
fn counted(broker: &Broker) -> (Deployment, Operator) {
    let kinds = Kinds::builtin();
    let mut deployment = Deployment::new(broker, &kinds, &[1, 1, 1]);
    deployment
        .configuration
        .set_text("months.idle_timeout", "24h");
    let operator = Operator::new(broker, &deployment);
    Feed::new(&deployment, &kinds).put_all(logins(0, 0..10, MARCH_2025));
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.stop(), DONE);
    (deployment, operator)
}

#[track_caller]
fn assert_refused(deployment: &Deployment, code: Option<i32>, says: &str) {
    let mut instance = deployment.run();
    assert_eq!(instance.code(SOON), code, "{}", instance.log());
    let log = instance.log();
    assert!(log.contains(says), "`{says}` in {log}");
}

#[track_caller]
fn assert_answer(answer: &Answer, code: Option<i32>, says: &str) {
    assert_eq!(answer.code, code, "{answer:?}");
    assert!(answer.stderr.contains(says), "`{says}` in {answer:?}");
}

#[test]
fn a_state_directory_of_a_newer_format_is_refused() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (deployment, _) = counted(Broker::shared(kafka));
    let newer = (keys::FORMAT + 1).to_be_bytes().to_vec();
    let mut store = RocksStore::open(&deployment.state_dir(), Sizes::default()).unwrap();
    store
        .write(&[Change::Put(keys::FORMAT_KEY.to_vec(), newer)])
        .unwrap();
    drop(store);
    let says = "the state directory has format 2, this version reads formats up to 1: use the version that wrote it";
    assert_refused(&deployment, CONFIGURATION, says);
    assert_answer(&deployment.appmi(&["check"]), CONFIGURATION, says);
    assert_answer(&deployment.appmi(&["inspect"]), CONFIGURATION, says);
    // As it says, deleting it is always safe.
    deployment.lose_state();
    let mut instance = deployment.run();
    instance.until_logged("counting from here");
    assert_eq!(instance.stop(), DONE);
}

#[test]
fn partials_of_a_newer_format_are_refused_whatever_the_state_directory_knows() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (deployment, operator) = counted(Broker::shared(kafka));
    let newer = Settings {
        number: 2,
        format: partials::FORMAT + 1,
        ..Settings::default()
    };
    let topic = &deployment.topics.partials;
    operator.write(topic, 0, "settings", &partials::encode(&newer));
    let says = "the partials topic has format 2, this version reads formats up to 1: use the version that wrote it";
    assert_refused(&deployment, CONFIGURATION, says);
    deployment.lose_state();
    assert_refused(&deployment, CONFIGURATION, says);
    for command in [
        &["check"][..],
        &["settings"],
        &["settings", "--apply"],
        &["reset", "--yes"],
    ] {
        assert_answer(&deployment.appmi(command), CONFIGURATION, says);
    }
}

#[test]
fn records_that_no_version_wrote_stop_it_and_reset_helps() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let strange: [(&str, &[u8]); 3] = [
        ("logins/0/progress", b"\xff"),
        ("logins/0/2025-03/QE1/something", b""),
        ("hello", b"world"),
    ];
    for (key, value) in strange {
        let (deployment, operator) = counted(broker);
        operator.write(&deployment.topics.partials, 1, key, value);
        let says = format!("the record `{key}` of an owned topic can't be understood");
        assert_refused(&deployment, DATA, &says);
        deployment.lose_state();
        assert_refused(&deployment, DATA, &says);
        let answer = deployment.appmi(&["reset", "--yes"]);
        assert_eq!(answer.code, DONE, "{answer:?}");
        let mut instance = deployment.run();
        instance.until("everything is in checkpoints", |_| {
            operator.has_counted_all()
        });
        assert_eq!(instance.stop(), DONE);
    }
}
