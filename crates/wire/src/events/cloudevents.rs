//! Events as CloudEvents 1.0 in structured mode, JSON.
//!
//! Of the envelope only what decides is read; everything else, extensions included, is passed over.
//! An attribute that is `null` is one that is not there (JSON event format, section 2), and a name
//! that comes twice in the same object makes the event undecodable. Strings without escapes are borrowed.
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

mod json;

use std::borrow::Cow;

use model::{Kind, Reason};
use serde::Deserialize;

use self::json::{Object, Text};
use super::{Event, Identity, instant};
use crate::rfc3339;

/// The version of CloudEvents that is understood.
pub(super) const SPEC_VERSION: &str = "1.0";

/// The attributes of the event.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    specversion: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Text<'a>,
    #[serde(borrow)]
    time: Text<'a>,
    #[serde(borrow)]
    data: Object<Data<'a>>,
}

/// What the event itself says.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Data<'a> {
    #[serde(borrow)]
    account_id: Text<'a>,
    #[serde(borrow)]
    gp_practice_code: Text<'a>,
    #[serde(borrow)]
    icb_code: Text<'a>,
    #[serde(borrow)]
    session_id: Text<'a>,
}

/// Decodes an event whose `type` is that of the kind.
///
/// An event without `id` or `source`, which the specification does not allow, is read all the same
/// and has no identity: a count is worth more than the rule.
pub(super) fn decode<'a>(payload: &'a [u8], kind: &Kind) -> Result<Event<'a>, Reason> {
    let Object(envelope): Object<Envelope<'a>> =
        serde_json::from_slice(payload).map_err(|_| Reason::Undecodable)?;
    let Object(data) = envelope.data;
    if envelope.specversion.0 != SPEC_VERSION || envelope.event_type.0 != kind.event_type {
        return Err(Reason::Undecodable);
    }
    let occurred_at = match &*envelope.time.0 {
        "" => None,
        time => {
            let at = rfc3339::parse(time.as_bytes()).ok_or(Reason::Undecodable)?;
            Some(instant(at.seconds, at.nanos).ok_or(Reason::Undecodable)?)
        }
    };
    if data.account_id.0.is_empty() {
        return Err(Reason::NoAccount);
    }
    let identity = if kind.has_session && !data.session_id.0.is_empty() {
        Identity::Session(data.session_id.0)
    } else if envelope.id.0.is_empty() || envelope.source.0.is_empty() {
        Identity::None
    } else {
        Identity::CloudEvent {
            source: envelope.source.0,
            id: envelope.id.0,
        }
    };
    Ok(Event {
        account_id: data.account_id.0,
        occurred_at: occurred_at.ok_or(Reason::NoTime)?,
        practice: into_bytes(data.gp_practice_code.0),
        icb: into_bytes(data.icb_code.0),
        identity,
    })
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use model::{KindId, Kinds};
    use proptest::prelude::*;

    use super::*;

    const LOGIN: &str = r#"{"specversion":"1.0","id":"e-1","source":"/app","type":"uk.nhs.app.session.opened.v1",
        "time":"2025-04-01T00:30:00.0019+01:00","datacontenttype":"application/json","traceparent":"00-a",
        "data":{"account_id":"a-1","gp_practice_code":" a81001","icb_code":"QHM","session_id":"s-1","more":[1,{}]}}"#;

    /// Decodes a login, with the text replaced in it.
    fn login(replace: &str, with: &str) -> Result<String, Reason> {
        let kinds = Kinds::builtin();
        let payload = LOGIN.replace(replace, with);
        assert!(
            replace == with || payload != LOGIN,
            "{replace} is not there"
        );
        let event = decode(payload.as_bytes(), kinds.get(KindId(0)))?;
        let (practice, icb) = (
            str::from_utf8(&event.practice).unwrap(),
            str::from_utf8(&event.icb).unwrap(),
        );
        Ok(format!(
            "{} {} {practice}|{icb} {:?}",
            event.account_id, event.occurred_at, event.identity
        ))
    }

    fn is_like(replace: &str, with: &str, start: &str, identity: &str) {
        let read = login(replace, with).unwrap();
        assert!(
            read.starts_with(start) && read.ends_with(identity),
            "{read}"
        );
    }

    #[test]
    fn the_attributes_and_the_data_make_the_event() {
        let event = decode(LOGIN.as_bytes(), Kinds::builtin().get(KindId(0))).unwrap();
        assert_eq!(event.account_id, "a-1");
        assert_eq!(event.occurred_at.as_millis(), 1_743_463_800_001);
        assert_eq!(
            (&*event.practice, &*event.icb),
            (&b" a81001"[..], &b"QHM"[..])
        );
        assert_eq!(event.identity, Identity::Session("s-1".into()));
    }

    #[test]
    fn without_a_session_source_and_id_are_the_identity() {
        let both = r#"CloudEvent { source: "/app", id: "e-1" }"#;
        is_like(r#","session_id":"s-1""#, "", "a-1", both);
        is_like(r#""session_id":"s-1""#, r#""session_id":"""#, "a-1", both);
        is_like(r#""session_id":"s-1""#, r#""session_id":null"#, "a-1", both);
        let kinds = Kinds::builtin();
        let order = LOGIN.replace(
            "uk.nhs.app.session.opened.v1",
            "uk.nhs.app.prescription.ordered.v1",
        );
        let order = decode(order.as_bytes(), kinds.get(KindId(1))).unwrap();
        assert_eq!(
            order.identity,
            Identity::CloudEvent {
                source: "/app".into(),
                id: "e-1".into()
            }
        );
    }

    #[test]
    fn without_source_or_id_there_is_no_identity() {
        for (replace, with) in [
            (r#""id":"e-1","#, ""),
            (r#""source":"/app""#, r#""source":"""#),
        ] {
            let order = LOGIN
                .replace("session.opened", "prescription.ordered")
                .replace(replace, with);
            let kinds = Kinds::builtin();
            assert_eq!(
                decode(order.as_bytes(), kinds.get(KindId(1)))
                    .unwrap()
                    .identity,
                Identity::None
            );
        }
    }

    #[test]
    fn escapes_are_understood() {
        is_like("a-1", r"\u0061-\u00e9\n", "a-\u{e9}\n", "");
        is_like(r#""type""#, r#""t\u0079pe""#, "a-1", "");
        is_like("s-1", r"\ud83d\ude00", "a-1", "Session(\"\u{1f600}\")");
    }

    #[test]
    fn what_is_not_such_an_event_is_undecodable() {
        for (replace, with) in [
            (r#""specversion":"1.0","#, ""),
            (r#""1.0""#, r#""0.3""#),
            (r#""1.0""#, "1.0"),
            ("session.opened", "prescription.ordered"),
            (r#""type":"#, r#""kind":"#),
            ("2025-04-01T00:30:00.0019+01:00", "2025-04-01 00:30:00"),
            (
                "2025-04-01T00:30:00.0019+01:00",
                "0001-01-01T00:00:00+00:01",
            ),
            (r#""time":""#, r#""time":"yesterday ""#),
            (r#""account_id":"a-1""#, r#""account_id":17"#),
            (r#""id":"e-1""#, r#""id":"e-1","id":"e-1""#),
            (r#""session_id""#, r#""account_id""#),
            ("a-1", r"\ud800"),
            ("}}", "}"),
            ("}}", "}}x"),
        ] {
            assert_eq!(
                login(replace, with),
                Err(Reason::Undecodable),
                "{replace} -> {with}"
            );
        }
        for payload in [r#"["1.0"]"#, "null", "17", r#""text""#, "[]", "{}"] {
            let kinds = Kinds::builtin();
            let read = decode(payload.as_bytes(), kinds.get(KindId(0)));
            assert_eq!(read.err(), Some(Reason::Undecodable), "{payload}");
        }
    }

    #[test]
    fn data_must_be_an_object_or_missing() {
        let data = LOGIN.split_once(r#""data":"#).unwrap().1;
        let with = |value: &str| login(data, &format!("{value}}}"));
        assert_eq!(with(r#"["a","b","c","d"]"#), Err(Reason::Undecodable));
        assert_eq!(with(r#""a""#), Err(Reason::Undecodable));
        assert_eq!(with("null"), Err(Reason::NoAccount));
        assert_eq!(with("{}"), Err(Reason::NoAccount));
        assert_eq!(login(r#""data":"#, r#""date":"#), Err(Reason::NoAccount));
    }

    #[test]
    fn an_account_is_missed_before_a_time() {
        let time = r#""time":"2025-04-01T00:30:00.0019+01:00","#;
        assert_eq!(login(time, ""), Err(Reason::NoTime));
        assert_eq!(login(time, r#""time":null,"#), Err(Reason::NoTime));
        assert_eq!(
            login(r#""account_id":"a-1""#, r#""account_id":"""#),
            Err(Reason::NoAccount)
        );
        assert_eq!(
            login(r#""account_id":"a-1""#, r#""account_id":null"#),
            Err(Reason::NoAccount)
        );
        let neither = LOGIN.replace(time, "").replace("a-1", "");
        let kinds = Kinds::builtin();
        assert_eq!(
            decode(neither.as_bytes(), kinds.get(KindId(0))).err(),
            Some(Reason::NoAccount)
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let kinds = Kinds::builtin();
            let _ = decode(&bytes, kinds.get(KindId(0)));
        }

        #[test]
        fn a_damaged_event_never_panics(at in 0..LOGIN.len(), byte: u8) {
            let kinds = Kinds::builtin();
            let mut payload = LOGIN.as_bytes().to_vec();
            payload[at] = byte;
            let _ = decode(&payload, kinds.get(KindId(0)));
            let _ = decode(&payload[..at], kinds.get(KindId(0)));
        }
    }
}
