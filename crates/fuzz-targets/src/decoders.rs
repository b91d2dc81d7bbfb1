//! Bytes from outside: events, partials, releases, pages, reference data.

use std::sync::OnceLock;

use model::{Geography, KindId, Kinds};
use sketch::Precision;
use wire::events::Encoding;
use wire::partials::{self, PartialKey};
use wire::releases::{self, Format, ReleaseId, ReleaseKey};
use wire::v1;

fn kinds() -> &'static Kinds {
    static KINDS: OnceLock<Kinds> = OnceLock::new();
    KINDS.get_or_init(Kinds::builtin)
}

/// The first byte says how the rest came: of which kind, in which encoding, told how.
pub(crate) fn events(input: &[u8]) {
    let Some((how, payload)) = input.split_first() else {
        return;
    };
    let kind = kinds().get(KindId(how % 3));
    let default = if how & 4 == 0 {
        Encoding::Protobuf
    } else {
        Encoding::CloudEvents
    };
    let (content_type, payload) = match (how >> 3) % 4 {
        0 => (None, payload),
        1 => (Some(&b"application/x-protobuf"[..]), payload),
        2 => (Some(&b"application/cloudevents+json"[..]), payload),
        // A content type that is fuzzed too, up to the first zero.
        _ => {
            let end = payload.iter().position(|byte| *byte == 0);
            let (content_type, rest) = payload.split_at(end.unwrap_or(0));
            (Some(content_type), rest)
        }
    };
    if let Ok(event) = wire::events::decode(payload, content_type, default, kind) {
        assert!(!event.account_id.is_empty(), "an event has an account");
    }
}

/// Keys and values, the former up to the first line feed.
pub(crate) fn partials(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (key, value) = input.split_at(end.unwrap_or(input.len()));
    if let Ok(decoded) = PartialKey::decode(key) {
        assert_eq!(decoded.encode(), key, "a key has one spelling");
    }
    let value = value.get(1..).unwrap_or_default();
    same::<v1::Progress>(value);
    same::<v1::WindowSlice>(value);
    same::<v1::Count>(value);
    same::<v1::Page>(value);
    same::<v1::Settings>(value);
    let _ = engine::settings::read(value);
}

/// What is read and written is read as the same.
fn same<M: partials::Value + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(decoded) = partials::decode::<M>(bytes) {
        let again = partials::decode::<M>(&partials::encode(&decoded));
        assert_eq!(again.as_ref(), Ok(&decoded), "it is the same again");
    }
}

/// Keys, names of releases, and values in both formats.
pub(crate) fn releases(input: &[u8]) {
    if let Ok(key) = ReleaseKey::decode(input) {
        assert_eq!(key.encode(), input, "a key has one spelling");
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(id) = text.parse::<ReleaseId>()
    {
        assert_eq!(id.to_string(), text, "a release has one name");
    }
    if let Ok(record) = releases::decode(input) {
        let again = releases::decode(&releases::encode(&record, Format::Protobuf));
        assert_same(&again.expect("it can be read again"), &record);
        // JSON has instants from the year 1 to 9999, and one spelling of each.
        let has_json = record.released_at.is_none_or(|at| {
            (0..1_000_000_000).contains(&at.nanos)
                && (-62_135_596_800..=253_402_300_799).contains(&at.seconds)
        });
        if has_json {
            let again = releases::decode(&releases::encode(&record, Format::Json));
            assert_same(&again.expect("it can be read again"), &record);
        }
    }
}

/// Equal but for what has no equal: an error that is not a number.
fn assert_same(left: &v1::MonthClose, right: &v1::MonthClose) {
    let is_number = |record: &v1::MonthClose| {
        let mut measures = record.measures.iter();
        measures.all(|measure| !measure.relative_standard_error.is_nan())
    };
    assert!(left == right || !is_number(left), "{left:?} is {right:?}");
}

/// The first byte says the precision.
pub(crate) fn pages(input: &[u8]) {
    let Some((precision, bytes)) = input.split_first() else {
        return;
    };
    let precision = Precision::new(4 + precision % 15).expect("4 to 18");
    let mut registers = vec![0; precision.page_len()];
    if sketch::decode_page(bytes, &mut registers).is_ok() {
        let mut again = Vec::new();
        sketch::encode_page(&registers, &mut again);
        assert_eq!(again, bytes, "a page has one spelling");
    }
}

/// Boards up to the first zero byte, practices behind it.
pub(crate) fn reference(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == 0);
    let (icbs, practices) = input.split_at(end.unwrap_or(input.len()));
    let (Ok(icbs), Ok(practices)) = (std::str::from_utf8(icbs), std::str::from_utf8(practices))
    else {
        return;
    };
    let practices = practices.strip_prefix('\0').map(|text| ("practices", text));
    if let Ok(geography) = Geography::load(Some(("boards", icbs)), practices) {
        let id = geography.place(b"A81001", b"QE1");
        for month in geography.structures() {
            let board = geography.board_of(geography.lineage(id), *month);
            let _ = geography.region_of(board, *month);
        }
    }
}
