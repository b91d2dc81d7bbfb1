//! The reader against prost, and the cases that prost's own messages cannot express.

mod messages;

use proptest::prelude::*;
use prost::Message as _;

use self::messages::{disturbed, message};
use super::*;

/// An event message to prost, its strings as bytes, so that UTF-8 is ours to judge.
#[derive(Clone, PartialEq, prost::Message)]
struct Reference {
    #[prost(bytes = "vec", tag = "1")]
    event_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    account_id: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    occurred_at: Option<prost_types::Timestamp>,
    #[prost(bytes = "vec", tag = "4")]
    gp_practice_code: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    icb_code: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    session_id: Vec<u8>,
}

/// The same without a session: its sixth field is unknown.
#[derive(Clone, PartialEq, prost::Message)]
struct ReferenceWithoutSession {
    #[prost(bytes = "vec", tag = "1")]
    event_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    account_id: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    occurred_at: Option<prost_types::Timestamp>,
    #[prost(bytes = "vec", tag = "4")]
    gp_practice_code: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    icb_code: Vec<u8>,
}

impl From<ReferenceWithoutSession> for Reference {
    fn from(message: ReferenceWithoutSession) -> Self {
        let ReferenceWithoutSession {
            event_id,
            account_id,
            occurred_at,
            gp_practice_code,
            icb_code,
        } = message;
        Self {
            event_id,
            account_id,
            occurred_at,
            gp_practice_code,
            icb_code,
            session_id: Vec::new(),
        }
    }
}

/// The event of a message by way of prost, said a second time.
fn expected(message: &[u8], has_session: bool) -> Result<Event<'static>, Reason> {
    let read = if has_session {
        Reference::decode(message)
    } else {
        ReferenceWithoutSession::decode(message).map(Reference::from)
    };
    let read = read.map_err(|_| Reason::Undecodable)?;
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|_| Reason::Undecodable)
    };
    let account_id = text(read.account_id)?;
    let identity = if !read.session_id.is_empty() {
        Identity::Session(text(read.session_id)?)
    } else if !read.event_id.is_empty() {
        Identity::Event(text(read.event_id)?)
    } else {
        Identity::None
    };
    let occurred_at = match read.occurred_at {
        Some(at) => Some(instant(at.seconds, at.nanos).ok_or(Reason::Undecodable)?),
        None => None,
    };
    if account_id.is_empty() {
        return Err(Reason::NoAccount);
    }
    Ok(Event {
        account_id,
        occurred_at: occurred_at.ok_or(Reason::NoTime)?,
        practice: Cow::Owned(read.gp_practice_code),
        icb: Cow::Owned(read.icb_code),
        identity,
    })
}

/// Says what differs, which `Event` does not print.
fn assert_same(
    ours: &Result<Event<'_>, Reason>,
    expected: &Result<Event<'_>, Reason>,
    message: &[u8],
) {
    let shown = |event: &Result<Event<'_>, Reason>| {
        event.as_ref().map_err(|reason| *reason).map(|event| {
            let Event {
                account_id,
                occurred_at,
                practice,
                icb,
                identity,
            } = event.clone();
            (
                account_id.into_owned(),
                occurred_at,
                practice.into_owned(),
                icb.into_owned(),
                format!("{identity:?}"),
            )
        })
    };
    assert_eq!(shown(ours), shown(expected), "{message:02x?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    // For all messages m: decode(m) = the event that prost makes of m.
    #[test]
    fn a_message_is_read_as_prost_reads_it(message in message(), has_session: bool) {
        assert_same(&decode(&message, has_session), &expected(&message, has_session), &message);
    }

    // The same for messages with unknown, repeated, mistyped and damaged fields, errors included.
    // A leading zero byte would be framing, which prost does not know.
    #[test]
    fn a_disturbed_message_is_read_as_prost_reads_it(message in disturbed(), has_session: bool) {
        prop_assume!(message.first() != Some(&0));
        assert_same(&decode(&message, has_session), &expected(&message, has_session), &message);
    }

    #[test]
    fn arbitrary_bytes_are_read_as_prost_reads_them(
        message in prop::collection::vec(any::<u8>(), 0..64), has_session: bool,
    ) {
        prop_assume!(message.first() != Some(&0));
        assert_same(&decode(&message, has_session), &expected(&message, has_session), &message);
    }

    // For all messages m and framings f: decode(f ++ m) = decode(m).
    #[test]
    fn framing_changes_nothing(message in disturbed(), schema_id: u32) {
        prop_assume!(message.first() != Some(&0));
        let framed = confluent::frame(schema_id, &message);
        assert_same(&decode(&framed, true), &decode(&message, true), &message);
    }

    #[test]
    fn framed_arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode(&[&[0], &bytes[..]].concat(), true);
    }
}

#[test]
fn of_repeated_fields_the_last_counts_and_times_are_merged() {
    // account a, then b; seconds 1 and nanos 5 ms, then seconds 2.
    let message = b"\x12\x01a\x1a\x07\x08\x01\x10\xc0\x96\xb1\x02\x12\x01b\x1a\x02\x08\x02";
    let event = decode(message, false).unwrap();
    assert_eq!(event.account_id, "b");
    assert_eq!(event.occurred_at.as_millis(), 2005);
}

#[test]
fn a_session_id_outranks_an_event_id() {
    let message = b"\x0a\x01e\x12\x01a\x1a\x00\x32\x01s";
    assert_eq!(
        decode(message, true).unwrap().identity,
        Identity::Session("s".into())
    );
    assert_eq!(
        decode(message, false).unwrap().identity,
        Identity::Event("e".into())
    );
    let without_ids = b"\x12\x01a\x1a\x00\x32\x00";
    assert_eq!(decode(without_ids, true).unwrap().identity, Identity::None);
}

#[test]
fn only_strings_that_are_used_have_to_be_utf_8() {
    let unused = b"\x0a\x01\xff\x12\x01a\x1a\x00\x22\x01\xff\x2a\x01\xff\x32\x01s";
    let event = decode(unused, true).unwrap();
    assert_eq!(
        (&*event.practice, &*event.icb),
        (&b"\xff"[..], &b"\xff"[..])
    );
    assert_eq!(decode(unused, false).err(), Some(Reason::Undecodable));
    assert_eq!(
        decode(b"\x12\x01\xff\x1a\x00", false).err(),
        Some(Reason::Undecodable)
    );
}

#[test]
fn debugging_an_event_does_not_show_the_account() {
    let event = decode(b"\x12\x06secret\x1a\x00\x22\x06secret", false).unwrap();
    assert!(!format!("{event:?}").contains("secret"));
}
