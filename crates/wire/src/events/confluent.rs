//! The framing that Confluent's serialisers put before a protobuf message.
//!
//! A zero byte, four bytes of schema id, and the path to the message type in its schema: how many
//! indexes, then each of them, as zigzag varints, where the usual path of the one index 0 is written
//! as a count of 0. None of it is needed: the topic says the type. No bare message begins with a zero
//! byte, since no field has the number 0.
//! Source: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>

use super::fields::{Malformed, varint};

/// The zero byte and the schema id.
const PREFIX_LEN: usize = 5;

/// The message in a payload, framed or bare.
#[inline]
pub(super) fn message(payload: &[u8]) -> Result<&[u8], Malformed> {
    match payload.first() {
        Some(0) => unframed(payload).ok_or(Malformed),
        _ => Ok(payload),
    }
}

fn unframed(payload: &[u8]) -> Option<&[u8]> {
    let (count, mut rest) = index(payload.get(PREFIX_LEN..)?)?;
    for _ in 0..count {
        (_, rest) = index(rest)?;
    }
    Some(rest)
}

/// A zigzag varint that must not be negative, as no count or index is, and what follows it.
fn index(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (zigzag, rest) = varint(bytes)?;
    zigzag.is_multiple_of(2).then_some((zigzag / 2, rest))
}

/// Puts the framing of the first message type of a schema before a message.
#[must_use]
pub fn frame(schema_id: u32, message: &[u8]) -> Vec<u8> {
    [&[0][..], &schema_id.to_be_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_is_skipped_whatever_its_message_index() {
        for framed in [
            &b"\x00\x00\x00\x00\x07\x00\x12\x01a"[..],
            b"\x00\xff\xff\xff\xff\x02\x00\x12\x01a",
            b"\x00\x00\x00\x00\x07\x04\x02\x80\x01\x12\x01a",
        ] {
            assert_eq!(message(framed), Ok(&b"\x12\x01a"[..]), "{framed:x?}");
        }
        assert_eq!(message(b"\x12\x01a"), Ok(&b"\x12\x01a"[..]));
        assert_eq!(message(b"\x00\x00\x00\x00\x07\x00"), Ok(&b""[..]));
    }

    #[test]
    fn framing_that_is_cut_off_or_negative_is_malformed() {
        for framed in [
            &b"\x00"[..],
            b"\x00\x00\x00\x00\x07",
            b"\x00\x00\x00\x00\x07\x80",
            b"\x00\x00\x00\x00\x07\x04\x00",
            b"\x00\x00\x00\x00\x07\x01\x12\x01a",
            b"\x00\x00\x00\x00\x07\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(message(framed), Err(Malformed), "{framed:x?}");
        }
    }

    #[test]
    fn what_is_framed_is_found_again() {
        assert_eq!(frame(7, b"\x12\x01a"), b"\x00\x00\x00\x00\x07\x00\x12\x01a");
        assert_eq!(message(&frame(u32::MAX, b"abc")), Ok(&b"abc"[..]));
    }
}
