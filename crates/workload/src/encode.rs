//! The bytes of events, written by hand: protobuf, the same in Confluent framing, and CloudEvents.
//!
//! Written from the contract's field numbers rather than with its generated types, for speed and so
//! that a mistake in one is seen against the other. Fields are written in ascending order and empty
//! ones left out, as proto3 has it.

use model::Timestamp;

use crate::item::{Identity, Truth, account_tail};

/// The `source` of every CloudEvent.
pub(crate) const SOURCE: &str = "/nhsapp/production";
/// The header of framed protobuf.
pub(crate) const PROTOBUF: &str = "application/x-protobuf";
/// The header of CloudEvents.
pub(crate) const CLOUD_EVENTS: &str = "application/cloudevents+json; charset=utf-8";

pub(crate) const ACCOUNT_ID_LEN: usize = 36;
const EVENT_ID_LEN: usize = 16;
/// The longest event without a code, rounded up; a payload is allocated once.
pub(crate) const PROTOBUF_LEN: usize = 128;
pub(crate) const CLOUD_EVENTS_LEN: usize = 448;

const EVENT_ID: u8 = 1;
const ACCOUNT_ID: u8 = 2;
const OCCURRED_AT: u8 = 3;
const GP_PRACTICE_CODE: u8 = 4;
const ICB_CODE: u8 = 5;
const SESSION_ID: u8 = 6;

/// The ids that an event carries, its identity among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) event: Option<u64>,
    pub(crate) session: Option<u64>,
}

impl Ids {
    /// No more than the identity asks for.
    pub(crate) fn of(identity: Identity) -> Self {
        let (event, session) = match identity {
            Identity::None => (None, None),
            Identity::Session(id) => (None, Some(id)),
            Identity::Event(id) | Identity::CloudEvent(id) => (Some(id), None),
        };
        Self { event, session }
    }
}

/// Appends the event as a protobuf message; leaves out the account or the time if that is its defect.
pub(crate) fn protobuf(truth: &Truth, ids: &Ids, out: &mut Vec<u8>) {
    if let Some(id) = ids.event {
        length_delimited(EVENT_ID, EVENT_ID_LEN, out);
        hexadecimal(id, out);
    }
    if truth.defect != Some(model::Reason::NoAccount) {
        length_delimited(ACCOUNT_ID, ACCOUNT_ID_LEN, out);
        account_id(truth.account, out);
    }
    if truth.defect != Some(model::Reason::NoTime) {
        timestamp(truth.occurred_at, out);
    }
    for (number, code) in [(GP_PRACTICE_CODE, truth.practice), (ICB_CODE, truth.icb)] {
        if !code.is_empty() {
            length_delimited(number, code.as_str().len(), out);
            out.extend_from_slice(code.as_str().as_bytes());
        }
    }
    if let Some(id) = ids.session {
        length_delimited(SESSION_ID, EVENT_ID_LEN, out);
        hexadecimal(id, out);
    }
}

/// Appends Confluent's frame: a zero, a schema id, and the index of the first message of the schema.
pub(crate) fn confluent_frame(schema: u32, out: &mut Vec<u8>) {
    out.push(0);
    out.extend_from_slice(&schema.to_be_bytes());
    out.push(0);
}

/// Appends a field that no message has, so that the message grows by more than `len` bytes and stays valid.
pub(crate) fn unknown_field(len: usize, out: &mut Vec<u8>) {
    const NUMBER: u8 = 15;
    let mut varint_len = [0; VARINT_LEN_MAX];
    let used = varint(
        u64::try_from(len).expect("a length fits 64 bits"),
        &mut varint_len,
    );
    out.push((NUMBER << 3) | 2);
    out.extend_from_slice(&varint_len[..used]);
    out.resize(out.len() + len, b'x');
}

/// Appends the event as a CloudEvent in structured mode.
pub(crate) fn cloud_event(truth: &Truth, ids: &Ids, event_type: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"specversion":"1.0","id":""#);
    if let Some(id) = ids.event {
        hexadecimal(id, out);
    }
    for part in [r#"","source":""#, SOURCE, r#"","type":""#, event_type] {
        out.extend_from_slice(part.as_bytes());
    }
    if truth.defect != Some(model::Reason::NoTime) {
        out.extend_from_slice(br#"","time":""#);
        out.extend_from_slice(truth.occurred_at.to_string().as_bytes());
    }
    out.extend_from_slice(br#"","datacontenttype":"application/json","data":{"account_id":""#);
    if truth.defect != Some(model::Reason::NoAccount) {
        account_id(truth.account, out);
    }
    for (name, code) in [
        ("gp_practice_code", truth.practice),
        ("icb_code", truth.icb),
    ] {
        for part in [r#"",""#, name, r#"":""#, code.as_str()] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    if let Some(id) = ids.session {
        out.extend_from_slice(br#"","session_id":""#);
        hexadecimal(id, out);
    }
    out.extend_from_slice(br#""}}"#);
}

/// Appends an account's id: its 64 bits and 58 more of their hash, around the version and variant of a UUID.
pub(crate) fn account_id(account: u64, out: &mut Vec<u8>) {
    let tail = account_tail(account);
    // 8-4-4-4-12 digits: the first 15 of the account, the version between them, then its last and the tail.
    let head = digits(account);
    let tail = digits(tail);
    out.extend_from_slice(&head[..8]);
    out.push(b'-');
    out.extend_from_slice(&head[8..12]);
    out.extend_from_slice(b"-4");
    out.extend_from_slice(&head[12..15]);
    out.push(b'-');
    out.push(b"89ab"[usize::from(tail[0] & 3)]);
    out.extend_from_slice(&tail[1..4]);
    out.push(b'-');
    out.push(head[15]);
    out.extend_from_slice(&tail[5..]);
}

fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&digits(number));
}

fn digits(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    digits
}

/// Field `occurred_at`: a `google.protobuf.Timestamp` of seconds (1) and nanoseconds (2).
fn timestamp(at: Timestamp, out: &mut Vec<u8>) {
    let millis = at.as_millis();
    let seconds = millis.div_euclid(1000);
    let nanos = millis.rem_euclid(1000) * 1_000_000;
    let mut message = [0; 2 * (1 + VARINT_LEN_MAX)];
    let mut len = 0;
    for (tag, value) in [(0x08, seconds), (0x10, nanos)] {
        if value != 0 {
            message[len] = tag;
            len += 1 + varint(value.cast_unsigned(), &mut message[len + 1..]);
        }
    }
    length_delimited(OCCURRED_AT, len, out);
    out.extend_from_slice(&message[..len]);
}

/// The tag of a length-delimited field, and the length, which is below 128.
fn length_delimited(number: u8, len: usize, out: &mut Vec<u8>) {
    let len = u8::try_from(len).expect("fields are short");
    assert!(len < 0x80, "a length of one byte");
    out.extend_from_slice(&[(number << 3) | 2, len]);
}

const VARINT_LEN_MAX: usize = 10;

fn varint(mut value: u64, out: &mut [u8]) -> usize {
    let mut len = 0;
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        out[len] = if value == 0 { low & 0x7F } else { low | 0x80 };
        len += 1;
        if value == 0 {
            return len;
        }
    }
}
