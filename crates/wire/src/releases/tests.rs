//! Golden bytes of the published values, in both formats: other people's programs read them.

use proptest::prelude::*;

use super::*;
use crate::v1::Measure;

fn record() -> MonthClose {
    MonthClose {
        month: "2025-03".to_owned(),
        level: "icb".to_owned(),
        code: "QHM".to_owned(),
        name: "NHS \"N\"".to_owned(),
        region_code: "Y63".to_owned(),
        region_name: "North".to_owned(),
        revision: 1,
        reason: "late_events".to_owned(),
        released_at: Some(prost_types::Timestamp {
            seconds: 1_743_463_800,
            nanos: 5_000_000,
        }),
        measures: vec![
            Measure {
                measure: "logins".to_owned(),
                value: 300,
                estimated: false,
                relative_standard_error: 0.0,
                lower_95: 300,
                upper_95: 300,
                months_covered: 0,
            },
            Measure {
                measure: "users".to_owned(),
                value: u64::MAX,
                estimated: true,
                relative_standard_error: 0.004_062_5,
                lower_95: 1,
                upper_95: 2,
                months_covered: 12,
            },
        ],
    }
}

#[test]
fn the_protobuf_of_a_record_stays_what_it_is() {
    let golden =
        b"\x0a\x072025-03\x12\x03icb\x1a\x03QHM\x22\x07NHS \"N\"\x2a\x03Y63\x32\x05North\x38\x01\
          \x42\x0blate_events\x4a\x0b\x08\xf8\xca\xac\xbf\x06\x10\xc0\x96\xb1\x02\
          \x52\x11\x0a\x06logins\x10\xac\x02\x28\xac\x02\x30\xac\x02\
          \x52\x23\x0a\x05users\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x18\x01\
          \x21\xa4\x70\x3d\x0a\xd7\xa3\x70\x3f\x28\x01\x30\x02\x38\x0c";
    assert_eq!(encode(&record(), Format::Protobuf), golden);
    assert_eq!(decode(golden).unwrap(), record());
}

#[test]
fn the_json_of_a_record_stays_what_it_is() {
    let golden = concat!(
        r#"{"month":"2025-03","level":"icb","code":"QHM","name":"NHS \"N\"","region_code":"Y63","#,
        r#""region_name":"North","revision":1,"reason":"late_events","released_at":"2025-03-31T23:30:00.005Z","#,
        r#""measures":[{"measure":"logins","value":"300","estimated":false,"relative_standard_error":0.0,"#,
        r#""lower_95":"300","upper_95":"300","months_covered":0},{"measure":"users","#,
        r#""value":"18446744073709551615","estimated":true,"relative_standard_error":0.0040625,"#,
        r#""lower_95":"1","upper_95":"2","months_covered":12}]}"#,
    );
    assert_eq!(
        String::from_utf8(encode(&record(), Format::Json)).unwrap(),
        golden
    );
    assert_eq!(decode(golden.as_bytes()).unwrap(), record());
}

#[test]
fn json_writes_defaults_and_leaves_out_what_is_unset() {
    let golden = concat!(
        r#"{"month":"","level":"","code":"","name":"","region_code":"","region_name":"","revision":0,"#,
        r#""reason":"","measures":[]}"#,
    );
    assert_eq!(
        String::from_utf8(encode(&MonthClose::default(), Format::Json)).unwrap(),
        golden
    );
    assert_eq!(decode(golden.as_bytes()).unwrap(), MonthClose::default());
    assert_eq!(decode(b"{}").unwrap(), MonthClose::default());
    assert_eq!(decode(b"").unwrap(), MonthClose::default());
}

#[test]
fn json_may_say_numbers_as_numbers_or_strings_and_more_than_is_known() {
    let read = decode(br#"{"later":1,"released_at":null,"measures":[{"value":7,"relative_standard_error":"0.5"}]}"#);
    let measure = Measure {
        value: 7,
        relative_standard_error: 0.5,
        ..Measure::default()
    };
    assert_eq!(
        read.unwrap(),
        MonthClose {
            measures: vec![measure],
            ..MonthClose::default()
        }
    );
}

#[test]
fn fractions_have_0_3_6_or_9_digits() {
    for (nanos, fraction) in [
        (0, ""),
        (5_000_000, ".005"),
        (5_000, ".000005"),
        (5, ".000000005"),
    ] {
        let released_at = Some(prost_types::Timestamp { seconds: 0, nanos });
        let json = encode(
            &MonthClose {
                released_at,
                ..MonthClose::default()
            },
            Format::Json,
        );
        let expected = format!(r#""released_at":"1970-01-01T00:00:00{fraction}Z""#);
        assert!(
            String::from_utf8(json).unwrap().contains(&expected),
            "{expected}"
        );
    }
}

#[test]
fn doubles_that_json_cannot_say_are_strings() {
    for (double, text) in [
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
    ] {
        let measures = vec![Measure {
            relative_standard_error: double,
            ..Measure::default()
        }];
        let json = encode(
            &MonthClose {
                measures,
                ..MonthClose::default()
            },
            Format::Json,
        );
        let read = decode(&json).unwrap().measures[0].relative_standard_error;
        assert!(read.to_bits() == double.to_bits(), "{read}");
        assert!(
            String::from_utf8(json)
                .unwrap()
                .contains(&format!(r#""relative_standard_error":"{text}""#))
        );
    }
}

// A release is revised if it differs from what is read of the last one: so an error must be read to the last bit.
#[test]
fn every_double_is_read_as_it_was_written() {
    let found_by_fuzzing = [
        36_591_746_972_385.28,
        0.001_098_919_891_780_383_3,
        0.130_000_000_003_637_98,
    ];
    let errors = (1..2000_u32).map(|users| 1.04 / f64::from(users).sqrt());
    for relative_standard_error in errors.chain(found_by_fuzzing) {
        let mut written = record();
        written.measures[1].relative_standard_error = relative_standard_error;
        let read = decode(&encode(&written, Format::Json)).unwrap();
        assert_eq!(read, written);
    }
}

#[test]
fn what_is_of_neither_format_is_refused() {
    for value in [
        &b"{"[..],
        b"{\"month\":1}",
        b"{\"released_at\":\"today\"}",
        b"\x0a",
        b"[]",
        b" {}",
    ] {
        assert!(decode(value).is_err(), "{value:?}");
    }
}

fn measure() -> impl Strategy<Value = Measure> {
    (
        ".{0,9}",
        any::<u64>(),
        any::<bool>(),
        0.0..1.0,
        any::<u64>(),
        any::<u64>(),
        any::<u32>(),
    )
        .prop_map(
            |(
                measure,
                value,
                estimated,
                relative_standard_error,
                lower_95,
                upper_95,
                months_covered,
            )| Measure {
                measure,
                value,
                estimated,
                relative_standard_error,
                lower_95,
                upper_95,
                months_covered,
            },
        )
}

proptest! {
    // For all records r and formats f: decode(encode(r, f)) = r.
    #[test]
    fn what_is_encoded_is_decoded(
        month in ".{0,9}", code in ".{0,9}", name in ".{0,30}", revision: u32,
        seconds in -62_135_596_800_i64..253_402_300_800, nanos in 0..1_000_000_000,
        measures in prop::collection::vec(measure(), 0..4),
    ) {
        let released_at = Some(prost_types::Timestamp { seconds, nanos });
        let record = MonthClose { month, code, name, revision, released_at, measures, ..MonthClose::default() };
        for format in [Format::Protobuf, Format::Json] {
            prop_assert_eq!(&decode(&encode(&record, format)).unwrap(), &record);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode(&bytes);
        let _ = decode(&[b"{", &bytes[..]].concat());
    }
}
