//! What is kept: the owned topics as a view reads them, and the state directory as a view finds it.

use std::ops::ControlFlow;

use engine::View;
use engine::ports::{Change, Published, PublishedBatch, PublishedRecord, Store};
use engine::view::keys;
use memlog::MemStore;
use model::{InputPartition, KindId, Kinds, Month, Offset, Timestamp};
use sketch::Precision;

const TOPICS: [[u8; 16]; 2] = [[1; 16], [2; 16]];

fn open(store: &mut MemStore) -> Result<View, engine::Error> {
    let precision = Precision::new(6).expect("4 to 18");
    let first_month = Month::new(2025, 3).expect("a month");
    View::open(store, Kinds::builtin(), precision, first_month, TOPICS).map(|(view, _)| view)
}

/// Pairs of a key and a value, each with a length of two bytes before it; the rest is passed over.
fn pairs(mut input: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut pairs = Vec::new();
    while let Some((key, rest)) = text(input)
        && let Some((value, rest)) = text(rest)
    {
        pairs.push((key, value));
        input = rest;
    }
    pairs
}

fn text(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Records of the partials topic, or of the month-close topic where the key has a level in its middle.
pub(crate) fn view(input: &[u8]) {
    let mut store = MemStore::default();
    let mut view = open(&mut store).expect("an empty one can be opened");
    let records: Vec<PublishedRecord> = (0..)
        .zip(pairs(input))
        .map(|(offset, (key, value))| {
            let is_release = key.contains(&b'-') && key.first().is_some_and(u8::is_ascii_digit);
            PublishedRecord {
                at: if is_release {
                    Published::MonthClose(0)
                } else {
                    Published::Partials(0)
                },
                offset: Offset(offset),
                timestamp: Timestamp::from_millis(offset),
                key: key.to_vec(),
                value: (!value.is_empty()).then(|| value.to_vec()),
            }
        })
        .collect();
    let end = Offset(i64::try_from(records.len()).unwrap_or(i64::MAX) + 2);
    let batch = PublishedBatch {
        records,
        positions: vec![
            (Published::Partials(0), end),
            (Published::MonthClose(0), end),
        ],
    };
    if let Ok(false) = view.apply(&mut store, batch) {
        look_at(&view, &store);
        // What was written can be read again, and says the same.
        let again = open(&mut store.clone()).expect("what a view has written it can read");
        assert!(
            again.all_stated().eq(view.all_stated()),
            "the same is stated"
        );
        assert!(
            again.all_closed().eq(view.all_closed()),
            "the same is closed"
        );
        assert_eq!(again.settings(), view.settings());
    }
}

/// Keys and values of the state directory.
pub(crate) fn state(input: &[u8]) {
    let mut store = MemStore::default();
    drop(open(&mut store));
    let changes: Vec<Change> = pairs(input)
        .into_iter()
        .map(|(key, value)| Change::Put(key.to_vec(), value.to_vec()))
        .collect();
    store.write(&changes).expect("memory can be written");
    if let Ok(view) = open(&mut store) {
        look_at(&view, &store);
    }
    let mut visit = |key: &[u8], _: &[u8]| {
        let _ = keys::read_of(key);
        let _ = keys::progress_of(key);
        let _ = keys::count_of(key);
        let _ = keys::page_of(key);
        let _ = keys::union_of(key);
        ControlFlow::Continue(())
    };
    store
        .scan(b"", keys::END, &mut visit)
        .expect("memory can be read");
}

/// Asks a view whatever can be asked.
fn look_at(view: &View, store: &dyn Store) {
    let _ = (view.next_to_close(), view.highest_floor());
    let _ = (view.sealed_before(), view.is_recounting());
    let partition = InputPartition {
        kind: KindId(0),
        partition: 0,
    };
    let _ = view.window(store, partition);
    let mut registers = [0];
    let month = Month::new(2025, 3).expect("a month");
    let _ = view.count(store, partition, month, "QE1");
    let cell = (month, "QE1");
    let _ = view.page(store, partition, cell, 5, &mut Vec::new(), &mut registers);
}
