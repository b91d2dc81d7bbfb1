//! Golden bytes of the values: a changed one needs a new [`FORMAT`].

use std::error::Error as _;
use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::v1::{
    Count, InputPosition, Kind, Page, Progress, Recount, Settings, Window, WindowSlice,
};

fn stays<M: Message + Name + Default + PartialEq + Debug>(value: &M, golden: &[u8]) {
    assert_eq!(encode(value), golden);
    assert_eq!(decode::<M>(golden).as_ref(), Ok(value));
}

#[test]
fn a_count_stays_what_it_is() {
    stays(
        &Count {
            checkpoint: 300,
            events: 7,
        },
        b"\x08\xac\x02\x10\x07",
    );
}

#[test]
fn a_page_stays_what_it_is() {
    stays(
        &Page {
            checkpoint: 1,
            registers: vec![0xff, 0, 9],
        },
        b"\x08\x01\x12\x03\xff\x00\x09",
    );
}

#[test]
fn a_window_slice_stays_what_it_is() {
    stays(
        &WindowSlice {
            checkpoint: 1,
            generation: 2,
            identities: vec![0x0102_0304_0506_0708, u64::MAX],
        },
        b"\x08\x01\x10\x02\x1a\x10\x08\x07\x06\x05\x04\x03\x02\x01\xff\xff\xff\xff\xff\xff\xff\xff",
    );
}

#[test]
fn progress_stays_what_it_is() {
    let progress = Progress {
        checkpoint: 5,
        position: 1000,
        latest_occurred_at: Some(-1),
        floor: "2025-03".to_owned(),
        all_time_below_floor: 9,
        idle: true,
        settings: 2,
        topic_id: vec![0xaa, 0xbb],
        window: Some(Window {
            generation: 3,
            current: 10,
            previous: 20,
            began_at: 1,
        }),
    };
    stays(
        &progress,
        b"\x08\x05\x10\xe8\x07\x18\x01\x22\x072025-03\x28\x09\x30\x01\x38\x02\x42\x02\xaa\xbb\
          \x4a\x08\x08\x03\x10\x0a\x18\x14\x20\x02",
    );
    // The epoch itself is an instant, not an absence.
    stays(
        &Progress {
            latest_occurred_at: Some(0),
            ..Progress::default()
        },
        b"\x18\x00",
    );
    stays(&Progress::default(), b"");
}

#[test]
fn settings_stay_what_they_are() {
    let settings = Settings {
        number: 1,
        format: FORMAT,
        filling: vec![0xf0, 0x0f],
        precision: 16,
        time_zone: "Europe/London".to_owned(),
        first_month: "2025-03".to_owned(),
        key_fingerprint: "0123abcd".to_owned(),
        group_id: "appmi".to_owned(),
        partials_partitions: 12,
        month_close_partitions: 3,
        retention_months: 15,
        max_skew_ms: 900_000,
        deduplication_window_ms: 3_600_000,
        deduplication_events_max: 32_768,
        geography: "d1ge".to_owned(),
        structures: vec!["2022-07".to_owned(), "2026-04".to_owned()],
        kinds: vec![Kind {
            name: "n".to_owned(),
            topic: "t".to_owned(),
            event_type: "e".to_owned(),
            users: "u".to_owned(),
            users_12_months: "v".to_owned(),
            all_time: "a".to_owned(),
            baseline: 4,
        }],
        recount: None,
        input_encoding: None,
        input_bytes_max: None,
    };
    stays(
        &settings,
        b"\x08\x01\x10\x01\x1a\x02\xf0\x0f\x20\x10\x2a\x0dEurope/London\x32\x072025-03\x3a\x080123abcd\
          \x42\x05appmi\x48\x0c\x50\x03\x58\x0f\x60\xa0\xf7\x36\x68\x80\xdd\xdb\x01\x70\x80\x80\x02\
          \x7a\x04d1ge\x82\x01\x072022-07\x82\x01\x072026-04\
          \x8a\x01\x14\x0a\x01n\x12\x01t\x1a\x01e\x22\x01u\x2a\x01v\x32\x01a\x38\x04",
    );
}

#[test]
fn what_is_taken_for_an_event_stays_what_it_is() {
    let settings = Settings {
        input_encoding: Some("protobuf".to_owned()),
        input_bytes_max: Some(65_536),
        ..Settings::default()
    };
    stays(&settings, b"\x9a\x01\x08protobuf\xa0\x01\x80\x80\x04");
}

#[test]
fn what_a_recount_leaves_behind_stays_what_it_is() {
    let settings = Settings {
        recount: Some(Recount {
            begins: vec![5, 300],
            settings: 2,
            until: vec![InputPosition {
                kind: "k".to_owned(),
                partition: 3,
                position: 1000,
            }],
            sealed_before: "2025-06".to_owned(),
        }),
        ..Settings::default()
    };
    stays(
        &settings,
        b"\x92\x01\x1a\x0a\x03\x05\xac\x02\x10\x02\x1a\x08\x0a\x01k\x10\x03\x18\xe8\x07\x22\x072025-06",
    );
}

#[test]
fn an_error_names_the_message_and_keeps_its_cause() {
    let error = decode::<Progress>(b"\x08").unwrap_err();
    assert_eq!(error.to_string(), "not a Progress of appmi.v1");
    assert!(error.source().is_some());
}

proptest! {
    // For all values v: decode(encode(v)) = v.
    #[test]
    fn what_is_encoded_is_decoded(
        checkpoint: u64, position: i64, latest_occurred_at: Option<i64>, floor in "[0-9-]{0,7}", idle: bool,
        topic_id in prop::collection::vec(any::<u8>(), 0..20), began_at: i64, current: u32,
        identities in prop::collection::vec(any::<u64>(), 0..50),
    ) {
        let window = Some(Window { generation: checkpoint, current, previous: !current, began_at });
        let progress = Progress {
            checkpoint, position, latest_occurred_at, floor, all_time_below_floor: checkpoint, idle,
            settings: u64::MAX, topic_id: topic_id.clone(), window,
        };
        prop_assert_eq!(decode::<Progress>(&encode(&progress)), Ok(progress));
        let slice = WindowSlice { checkpoint, generation: u64::MAX, identities };
        prop_assert_eq!(decode::<WindowSlice>(&encode(&slice)), Ok(slice));
        let page = Page { checkpoint, registers: topic_id };
        prop_assert_eq!(decode::<Page>(&encode(&page)), Ok(page));
        let count = Count { checkpoint, events: u64::MAX };
        prop_assert_eq!(decode::<Count>(&encode(&count)), Ok(count));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode::<Settings>(&bytes);
        let _ = decode::<Progress>(&bytes);
        let _ = decode::<WindowSlice>(&bytes);
        let _ = decode::<Page>(&bytes);
        let _ = decode::<Count>(&bytes);
    }
}
