//! Event messages to try a reader with: whole ones, odd ones and broken ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message as _;
use prost::encoding::encode_varint;

use super::Reference;

/// What a producer writes: each field at most once, in order.
pub(super) fn message() -> impl Strategy<Value = Vec<u8>> {
    (
        string(),
        string(),
        prop::option::of(timestamp()),
        string(),
        string(),
        string(),
    )
        .prop_map(
            |(event_id, account_id, occurred_at, gp_practice_code, icb_code, session_id)| {
                Reference {
                    event_id,
                    account_id,
                    occurred_at,
                    gp_practice_code,
                    icb_code,
                    session_id,
                }
                .encode_to_vec()
            },
        )
}

/// Messages after each other, times in pieces and unknown fields between them, now and then a field
/// of the wrong type, a flipped byte or a missing end.
pub(super) fn disturbed() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![8 => message(), 6 => time_in_pieces(), 6 => unknown(), 1 => mistyped()];
    let flip = prop::option::weighted(0.2, (any::<Index>(), any::<u8>()));
    let cut = prop::option::weighted(0.2, any::<Index>());
    (vec(piece, 1..6), flip, cut).prop_map(|(pieces, flip, cut)| {
        let mut bytes = pieces.concat();
        if let (Some((at, mask)), false) = (flip, bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len() + 1)));
        bytes
    })
}

/// Strings mostly, now and then bytes that are none.
fn string() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        16 => "[a-zA-Z0-9-]{0,40}".prop_map(String::into_bytes),
        2 => ".{0,200}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..8),
    ]
}

fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0_i64..2_000_000_000,
        4 => Just(0),
        1 => -70_000_000_000_i64..300_000_000_000,
    ]
}

fn nanos() -> impl Strategy<Value = i32> {
    prop_oneof![8 => 0..1_000_000_000, 8 => Just(0), 1 => any::<i32>()]
}

fn timestamp() -> impl Strategy<Value = prost_types::Timestamp> {
    (seconds(), nanos()).prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos })
}

/// A time that has its fields in any order, any number of times, and others between them.
fn time_in_pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => seconds().prop_map(|seconds| field(1, 0, &varint(seconds.cast_unsigned()))),
        4 => nanos().prop_map(|nanos| field(2, 0, &varint(i64::from(nanos).cast_unsigned()))),
        // More than an int32 holds: the upper half is to be dropped.
        1 => any::<u64>().prop_map(|value| field(2, 0, &varint(value))),
        2 => unknown(),
    ];
    vec(piece, 0..4).prop_map(|pieces| field(3, 2, &delimited(&pieces.concat())))
}

/// A field that no event has: of every wire type, or a group of such fields, nested.
fn unknown() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop_oneof![4 => 7_u32..9, 1 => 7_u32..1 << 29];
    let leaf = (number(), value())
        .prop_map(|(number, (wire_type, value))| field(number, wire_type, &value));
    leaf.prop_recursive(4, 16, 4, move |inner| {
        (number(), prop::bool::weighted(0.02), vec(inner, 0..4)).prop_map(
            |(number, is_wrong, inner)| {
                let end = field(if is_wrong { 7 } else { number }, 4, &[]);
                [field(number, 3, &inner.concat()), end].concat()
            },
        )
    })
}

/// A field of an event, or of the number 0, whose wire type is any, impossible ones too.
fn mistyped() -> impl Strategy<Value = Vec<u8>> {
    let impossible = (6_u32..8).prop_map(|wire_type| (wire_type, Vec::new()));
    (0_u32..7, prop_oneof![4 => value(), 1 => impossible])
        .prop_map(|(number, (wire_type, value))| field(number, wire_type, &value))
}

/// A wire type and a value of it; no groups.
fn value() -> impl Strategy<Value = (u32, Vec<u8>)> {
    prop_oneof![
        any::<u64>().prop_map(|value| (0, varint(value))),
        any::<u64>().prop_map(|value| (1, value.to_le_bytes().to_vec())),
        string().prop_map(|bytes| (2, delimited(&bytes))),
        any::<u32>().prop_map(|value| (5, value.to_le_bytes().to_vec())),
    ]
}

fn field(number: u32, wire_type: u32, value: &[u8]) -> Vec<u8> {
    [&varint(u64::from(number << 3 | wire_type)), value].concat()
}

fn delimited(bytes: &[u8]) -> Vec<u8> {
    let len = u64::try_from(bytes.len()).expect("short");
    [&varint(len), bytes].concat()
}

fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_varint(value, &mut bytes);
    bytes
}
