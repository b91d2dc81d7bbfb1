//! The bytes of the view's storage, every table of it. A change here needs a new format.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

use std::fmt::Write as _;

use engine::View;
use engine::ports::{Published, PublishedBatch, PublishedRecord, Store};
use engine::view::keys;
use memlog::MemStore;
use model::{Kinds, Month, Offset, Timestamp};
use wire::partials::{self, PartialKey};
use wire::v1;

const PARTITION: u32 = 3;
const KIND: &str = "logins";
const LINEAGE: &str = "QM7>S1Y5D";

/// A checkpoint as it stands in the partials topic, and a record of a release.
#[expect(
    clippy::too_many_lines,
    reason = "one record of every kind, each a few lines"
)]
fn batch() -> PublishedBatch {
    let month: Month = "2025-03".parse().unwrap();
    let (kind, partition, lineage) = (KIND, PARTITION, LINEAGE);
    let settings = v1::Settings {
        number: 1,
        precision: 4,
        ..v1::Settings::default()
    };
    let mut registers = Vec::new();
    sketch::encode_page(&[7], &mut registers);
    let page = PartialKey::Page {
        kind,
        partition,
        month,
        lineage,
        page: 5,
    };
    let count = PartialKey::Count {
        kind,
        partition,
        month,
        lineage,
    };
    let window = PartialKey::Window {
        kind,
        partition,
        parity: 1,
        slice: 0,
    };
    let progress = v1::Progress {
        checkpoint: 1,
        position: 300,
        latest_occurred_at: Some(1_741_600_000_000),
        floor: "2025-03".into(),
        window: Some(v1::Window {
            generation: 1,
            current: 1,
            previous: 0,
            began_at: 1_741_600_000_000,
        }),
        ..v1::Progress::default()
    };
    let release = v1::MonthClose {
        month: "2025-03".into(),
        level: "icb".into(),
        code: "QHM".into(),
        ..v1::MonthClose::default()
    };
    let values = [
        (PartialKey::Settings, partials::encode(&settings)),
        (
            count,
            partials::encode(&v1::Count {
                checkpoint: 1,
                events: 258,
            }),
        ),
        (
            page,
            partials::encode(&v1::Page {
                checkpoint: 1,
                registers,
            }),
        ),
        (
            window,
            partials::encode(&v1::WindowSlice {
                checkpoint: 1,
                generation: 1,
                identities: vec![0x0102_0304_0506_0708],
            }),
        ),
        (
            PartialKey::Progress { kind, partition },
            partials::encode(&progress),
        ),
    ];
    let mut records: Vec<PublishedRecord> = (0..)
        .zip(values)
        .map(|(offset, (key, value))| PublishedRecord {
            at: Published::Partials(0),
            offset: Offset(offset),
            timestamp: Timestamp::from_millis(1_741_700_000_000),
            key: key.encode(),
            value: Some(value),
        })
        .collect();
    records.push(PublishedRecord {
        at: Published::MonthClose(1),
        offset: Offset(0),
        timestamp: Timestamp::from_millis(1_741_700_000_001),
        key: b"2025-03/icb/QHM".to_vec(),
        value: Some(wire::releases::encode(
            &release,
            wire::releases::Format::Json,
        )),
    });
    PublishedBatch {
        records,
        positions: vec![
            (Published::Partials(0), Offset(7)),
            (Published::MonthClose(1), Offset(2)),
        ],
    }
}

fn open(store: &mut MemStore) -> View {
    let precision = sketch::Precision::new(4).unwrap();
    let first_month = "2025-03".parse().unwrap();
    let topic_ids = [[0xAA; 16], [0xBB; 16]];
    let (view, discarded) =
        View::open(store, Kinds::builtin(), precision, first_month, topic_ids).unwrap();
    assert_eq!(discarded, None);
    view
}

const GOLDEN: &str = "\
append 000001958568e900
count/logins/00003/2025-03/QM7>S1Y5D 0000000000000102
format 00000001
page/logins/00003/2025-03/QM7>S1Y5D/05 1007
progress/logins/00003 000001958568e900080110ac021880a098f7af652207323032352d30334a0b080110012080a098f7af65
read/m/00001 0000000000000002
read/p/00000 0000000000000007
release/2025-03/icb/QHM 0a07323032352d303312036963621a0351484d
settings 08012004
settings_at 000001958568e900
topics aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
union/logins/2025-03/QM7>S1Y5D/05 1007
window/logins/00003/1/00000 080110011a080807060504030201
";

#[test]
fn every_key_and_value_has_the_bytes_of_its_format() {
    let mut store = MemStore::default();
    let mut view = open(&mut store);
    assert!(!view.apply(&mut store, batch()).unwrap());
    let mut dump = String::new();
    for (key, value) in store.contents() {
        write!(dump, "{} ", String::from_utf8(key).unwrap()).unwrap();
        for byte in value {
            write!(dump, "{byte:02x}").unwrap();
        }
        dump.push('\n');
    }
    assert_eq!(keys::FORMAT, 1, "a changed golden needs a new format");
    assert_eq!(dump, GOLDEN, "\n{dump}");
}

#[test]
fn a_view_that_is_opened_again_is_the_same() {
    let mut store = MemStore::default();
    let mut view = open(&mut store);
    view.apply(&mut store, batch()).unwrap();
    let again = open(&mut store);
    assert_eq!(
        again.positions().collect::<Vec<_>>(),
        view.positions().collect::<Vec<_>>()
    );
    assert_eq!(
        again.all_stated().collect::<Vec<_>>(),
        view.all_stated().collect::<Vec<_>>()
    );
    assert_eq!(
        again.all_closed().collect::<Vec<_>>(),
        view.all_closed().collect::<Vec<_>>()
    );
    assert_eq!(again.settings(), view.settings());
    assert_eq!(again.settings_at(), view.settings_at());
    assert_eq!(again.newest_append(), view.newest_append());
    let partition = model::InputPartition {
        kind: model::KindId(0),
        partition: PARTITION,
    };
    assert_eq!(
        again.window(&store, partition).unwrap(),
        (vec![], vec![0x0102_0304_0506_0708])
    );
    assert_eq!(
        again
            .count(&store, partition, "2025-03".parse().unwrap(), LINEAGE)
            .unwrap(),
        258
    );
}

#[test]
fn applying_again_changes_nothing() {
    let mut store = MemStore::default();
    let mut view = open(&mut store);
    view.apply(&mut store, batch()).unwrap();
    let once = store.contents();
    view.apply(&mut store, batch()).unwrap();
    assert!(store.contents() == once);
}

#[test]
fn what_is_older_than_what_is_there_is_ignored() {
    let mut store = MemStore::default();
    let mut view = open(&mut store);
    view.apply(&mut store, batch()).unwrap();
    let once = store.contents();
    // A piece of the checkpoint that was applied, other than it was, and the end of an earlier one.
    let mut older = batch();
    older.positions.clear();
    older
        .records
        .retain(|record| record.key.ends_with(b"/count"));
    older.records[0].value = Some(partials::encode(&v1::Count {
        checkpoint: 1,
        events: 1,
    }));
    let mut end = batch().records.swap_remove(4);
    end.value = Some(partials::encode(&v1::Progress {
        checkpoint: 0,
        floor: "2025-03".into(),
        ..v1::Progress::default()
    }));
    older.records.push(end);
    view.apply(&mut store, older).unwrap();
    let mut now = store.contents();
    now.retain(|key, _| !key.starts_with(b"read/"));
    assert!(now.iter().all(|(key, value)| once.get(key) == Some(value)));
}

#[test]
fn an_instant_that_no_clock_says_is_taken_for_the_last_one() {
    let mut store = MemStore::default();
    let mut view = open(&mut store);
    let release = v1::MonthClose {
        month: "2025-03".into(),
        level: "icb".into(),
        code: "QHM".into(),
        released_at: Some(prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        }),
        ..v1::MonthClose::default()
    };
    let mut strange = batch();
    let last = strange.records.last_mut().unwrap();
    last.value = Some(wire::releases::encode(
        &release,
        wire::releases::Format::Protobuf,
    ));
    view.apply(&mut store, strange).unwrap();
    let closed = view.closed("2025-03".parse().unwrap()).unwrap();
    assert_eq!(closed.released_at.as_millis(), i64::MAX);
}

#[test]
fn a_disk_of_another_format_is_refused() {
    let mut store = MemStore::default();
    drop(open(&mut store));
    store
        .write(&[engine::ports::Change::Put(
            keys::FORMAT_KEY.to_vec(),
            2_u32.to_be_bytes().to_vec(),
        )])
        .unwrap();
    let error = View::open(
        &mut store,
        Kinds::builtin(),
        sketch::Precision::new(4).unwrap(),
        "2025-03".parse().unwrap(),
        [[0xAA; 16], [0xBB; 16]],
    )
    .unwrap_err();
    assert!(matches!(error, engine::Error::Configuration(_)), "{error}");
}
