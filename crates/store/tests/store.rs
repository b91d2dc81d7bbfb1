//! The store against the one in memory, and what an operator is told of a directory that can't be used.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

use std::ops::ControlFlow;

use engine::ports::{Change, Store};
use memlog::MemStore;
use proptest::prelude::*;
use store::{OpenError, RocksStore, Sizes};

fn contents(store: &dyn Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    store
        .scan(&[], &[0xFF], &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(97_u8..100, 1..4)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (key(), prop::collection::vec(any::<u8>(), 0..8))
            .prop_map(|(key, value)| Change::Put(key, value)),
        (key(), key()).prop_map(|(one, other)| Change::DeleteRange(
            one.clone().min(other.clone()),
            one.max(other)
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// for all batches: rocksdb(batches) = memory(batches), also after opening again
    #[test]
    fn it_holds_what_a_map_in_memory_holds(
        batches in prop::collection::vec(prop::collection::vec(change(), 0..12), 1..6)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = MemStore::default();
        {
            let mut store = RocksStore::open(dir.path(), Sizes::default()).unwrap();
            for batch in &batches {
                store.write(batch).unwrap();
                expected.write(batch).unwrap();
                prop_assert_eq!(contents(&store), contents(&expected));
            }
        }
        let store = RocksStore::open(dir.path(), Sizes::default()).unwrap();
        prop_assert_eq!(contents(&store), contents(&expected));
        let mut value = Vec::new();
        for (key, expected) in contents(&expected) {
            prop_assert!(store.get(&key, &mut value).unwrap());
            prop_assert_eq!(&value, &expected);
        }
        prop_assert!(!store.get(b"zzz", &mut value).unwrap());
    }
}

#[test]
fn a_scan_has_bounds_and_ends_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RocksStore::open(dir.path(), Sizes::default()).unwrap();
    let put = |key: &str| Change::Put(key.into(), Vec::new());
    store
        .write(&[put("a"), put("b"), put("c"), put("d")])
        .unwrap();
    let mut seen = Vec::new();
    let mut visit = |key: &[u8], _: &[u8]| {
        seen.push(key.to_vec());
        if key == b"c" {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    store.scan(b"b", b"z", &mut visit).unwrap();
    assert_eq!(seen, [b"b", b"c"]);
}

#[test]
fn a_directory_in_use_can_be_read_and_not_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RocksStore::open(dir.path(), Sizes::default()).unwrap();
    store
        .write(&[Change::Put(b"key".into(), b"value".into())])
        .unwrap();
    let second = RocksStore::open(dir.path(), Sizes::default());
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    let reader = RocksStore::open_to_read(dir.path()).unwrap();
    let mut value = Vec::new();
    assert!(reader.get(b"key", &mut value).unwrap());
    assert!(reader.usage().disk > 0);
}

#[test]
fn a_folder_without_state_and_a_damaged_one_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let missing = RocksStore::open_to_read(dir.path());
    assert!(
        matches!(missing, Err(OpenError::Unusable { .. })),
        "{missing:?}"
    );
    drop(RocksStore::open(dir.path(), Sizes::default()).unwrap());
    std::fs::write(dir.path().join("CURRENT"), "nonsense\n").unwrap();
    let damaged = RocksStore::open(dir.path(), Sizes::default());
    assert!(
        matches!(damaged, Err(OpenError::Damaged { .. })),
        "{damaged:?}"
    );
}
