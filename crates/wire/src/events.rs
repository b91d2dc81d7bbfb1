//! Events of the input topics, as they arrive.
//!
//! [`decode`] says what an event is or the first [`Reason`] why it cannot be counted. It borrows from
//! the payload and allocates nothing for a protobuf event: it runs for every event there ever was.
//! What an operator configures (the largest payload, the latest time, the first month) is not looked
//! at here.

mod cloudevents;
mod confluent;
mod encode;
mod encoding;
mod fields;
mod protobuf;

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use model::{Kind, Reason, Timestamp};

pub use confluent::frame;
pub use encode::{Draft, encode_cloudevent, encode_protobuf};
pub use encoding::Encoding;

/// What is counted of an event. Nothing in it is copied unless escapes in JSON force it.
///
/// It holds an account id, so it lives between decoding and hashing, and nowhere else; for the same
/// reason its `Debug` form says only when it happened.
#[derive(Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The account that acted; never empty.
    pub account_id: Cow<'a, str>,
    /// When it happened, rounded down to milliseconds; from 0001-01-01 to 9999-12-31 in UTC.
    pub occurred_at: Timestamp,
    /// Code of the GP practice, as sent: untrimmed, unchecked, possibly empty.
    pub practice: Cow<'a, [u8]>,
    /// Code of the Integrated Care Board, as sent: untrimmed, unchecked, possibly empty.
    pub icb: Cow<'a, [u8]>,
    /// What makes a second copy of it a duplicate.
    pub identity: Identity<'a>,
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("occurred_at", &self.occurred_at)
            .finish_non_exhaustive()
    }
}

/// What two copies of one event have in common.
///
/// The forms are told apart: a session and an event of the same id are not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity<'a> {
    /// It has none, so it is always counted.
    None,
    /// The id of the session that a login opened.
    Session(Cow<'a, str>),
    /// The event's own id.
    Event(Cow<'a, str>),
    /// What CloudEvents makes unique together.
    CloudEvent {
        /// The `source` attribute, not empty.
        source: Cow<'a, str>,
        /// The `id` attribute, not empty.
        id: Cow<'a, str>,
    },
}

/// Reads the event of a record.
///
/// The content type is the record's header, if it has one; without it, `default` says the encoding.
///
/// # Errors
///
/// The first that applies: [`Reason::Empty`] without a payload; [`Reason::Undecodable`] for an unknown
/// content type, a payload that is not what it says, or a time that cannot be; [`Reason::NoAccount`];
/// [`Reason::NoTime`].
pub fn decode<'a>(
    payload: &'a [u8],
    content_type: Option<&[u8]>,
    default: Encoding,
    kind: &Kind,
) -> Result<Event<'a>, Reason> {
    if payload.is_empty() {
        return Err(Reason::Empty);
    }
    let encoding = match content_type {
        None => default,
        Some(content_type) => Encoding::of(content_type).ok_or(Reason::Undecodable)?,
    };
    match encoding {
        Encoding::Protobuf => protobuf::decode(payload, kind.has_session),
        Encoding::CloudEvents => cloudevents::decode(payload, kind),
    }
}

/// Seconds from 1970 to 0001-01-01T00:00:00Z and to 9999-12-31T23:59:59Z: the range that
/// `google.protobuf.Timestamp` is defined for.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The instant that a protobuf timestamp means; none outside its defined range.
fn instant(seconds: i64, nanos: i32) -> Option<Timestamp> {
    let possible = SECONDS.contains(&seconds) && (0..1_000_000_000).contains(&nanos);
    possible.then(|| Timestamp::from_millis(seconds * 1000 + i64::from(nanos / 1_000_000)))
}

#[cfg(test)]
mod tests {
    use model::{KindId, Kinds};

    use super::*;

    fn reason(payload: &[u8], content_type: Option<&str>) -> Option<Reason> {
        let kinds = Kinds::builtin();
        let content_type = content_type.map(str::as_bytes);
        decode(
            payload,
            content_type,
            Encoding::Protobuf,
            kinds.get(KindId(0)),
        )
        .err()
    }

    #[test]
    fn the_first_reason_that_applies_is_given() {
        assert_eq!(reason(b"", Some("text/plain")), Some(Reason::Empty));
        assert_eq!(
            reason(b"\x12\x01a", Some("text/plain")),
            Some(Reason::Undecodable)
        );
        // An account and a time of nanos = 2^31: undecodable comes before all that is missing.
        assert_eq!(
            reason(b"\x1a\x06\x10\x80\x80\x80\x80\x08", None),
            Some(Reason::Undecodable)
        );
        assert_eq!(reason(b"\x0a\x01e", None), Some(Reason::NoAccount));
        assert_eq!(reason(b"\x12\x01a", None), Some(Reason::NoTime));
        assert_eq!(reason(b"\x12\x01a\x1a\x00", None), None);
    }

    #[test]
    fn the_content_type_wins_over_the_default() {
        assert_eq!(reason(b"{}", None), Some(Reason::Undecodable));
        assert_eq!(
            reason(b"{}", Some("application/cloudevents+json")),
            Some(Reason::Undecodable)
        );
        assert_eq!(
            reason(b"\x12\x01a\x1a\x00", Some("application/x-protobuf; v=1")),
            None
        );
        assert_eq!(
            reason(b"\x12\x01a\x1a\x00", Some("")),
            Some(Reason::Undecodable)
        );
    }

    #[test]
    fn instants_have_the_range_of_protobuf_and_round_down() {
        let millis = |seconds, nanos| instant(seconds, nanos).map(Timestamp::as_millis);
        assert_eq!(millis(0, 999_999), Some(0));
        assert_eq!(millis(-1, 999_999_999), Some(-1));
        assert_eq!(millis(-62_135_596_800, 0), Some(-62_135_596_800_000));
        assert_eq!(
            millis(253_402_300_799, 999_999_999),
            Some(253_402_300_799_999)
        );
        for (seconds, nanos) in [
            (-62_135_596_801, 0),
            (253_402_300_800, 0),
            (0, -1),
            (0, 1_000_000_000),
            (i64::MIN, 0),
        ] {
            assert_eq!(millis(seconds, nanos), None, "{seconds} {nanos}");
        }
    }
}
