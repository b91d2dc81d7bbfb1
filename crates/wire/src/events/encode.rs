//! Events as producers write them, for workloads and tests.

use model::{Kind, Timestamp};
use prost::Message;
use serde::Serialize;

use super::cloudevents::SPEC_VERSION;
use crate::v1;

/// What a producer says of an event. An empty string is a field that is left out.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The event's own id.
    pub event_id: &'a str,
    /// The account that acted.
    pub account_id: &'a str,
    /// When it happened; from 0001-01-01 to 9999-12-31, or no reader will take it.
    pub occurred_at: Timestamp,
    /// Code of the GP practice.
    pub gp_practice_code: &'a str,
    /// Code of the Integrated Care Board.
    pub icb_code: &'a str,
    /// The session; written only for kinds that have sessions.
    pub session_id: &'a str,
}

impl Draft<'_> {
    fn timestamp(&self) -> prost_types::Timestamp {
        let millis = self.occurred_at.as_millis();
        let nanos = i32::try_from(millis.rem_euclid(1000)).expect("below 1000") * 1_000_000;
        prost_types::Timestamp {
            seconds: millis.div_euclid(1000),
            nanos,
        }
    }
}

/// The bare protobuf message of the kind's topic.
#[must_use]
pub fn encode_protobuf(draft: &Draft<'_>, kind: &Kind) -> Vec<u8> {
    let event_id = draft.event_id.to_owned();
    let account_id = draft.account_id.to_owned();
    let occurred_at = Some(draft.timestamp());
    let gp_practice_code = draft.gp_practice_code.to_owned();
    let icb_code = draft.icb_code.to_owned();
    if kind.has_session {
        let session_id = draft.session_id.to_owned();
        v1::LoginEvent {
            event_id,
            account_id,
            occurred_at,
            gp_practice_code,
            icb_code,
            session_id,
        }
        .encode_to_vec()
    } else {
        // Of one form with all other event messages, field by field.
        v1::UsageEvent {
            event_id,
            account_id,
            occurred_at,
            gp_practice_code,
            icb_code,
        }
        .encode_to_vec()
    }
}

/// The CloudEvent of the kind, from that source.
#[must_use]
pub fn encode_cloudevent(draft: &Draft<'_>, source: &str, kind: &Kind) -> Vec<u8> {
    let envelope = Envelope {
        specversion: SPEC_VERSION,
        id: draft.event_id,
        source,
        event_type: &kind.event_type,
        time: draft.timestamp().to_string(),
        datacontenttype: "application/json",
        data: Data {
            account_id: draft.account_id,
            gp_practice_code: draft.gp_practice_code,
            icb_code: draft.icb_code,
            session_id: if kind.has_session {
                draft.session_id
            } else {
                ""
            },
        },
    };
    serde_json::to_vec(&envelope).expect("strings and objects of strings always have a JSON form")
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    time: String,
    datacontenttype: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    account_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    gp_practice_code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    icb_code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    session_id: &'a str,
}

#[cfg(test)]
mod tests {
    use model::{KindId, Kinds};
    use proptest::prelude::*;

    use super::super::{Encoding, Identity, decode, frame};
    use super::*;

    const DRAFT: Draft<'_> = Draft {
        event_id: "e-1",
        account_id: "a-1",
        occurred_at: Timestamp::from_millis(1_743_463_800_001),
        gp_practice_code: "A81001",
        icb_code: "QHM",
        session_id: "s-1",
    };

    const COMMON: &[u8] =
        b"\x0a\x03e-1\x12\x03a-1\x1a\x0a\x08\xf8\xca\xac\xbf\x06\x10\xc0\x84\x3d\x22\x06A81001\x2a\x03QHM";

    #[test]
    fn the_bytes_of_a_login_stay_what_they_are() {
        let kinds = Kinds::builtin();
        let golden = [COMMON, b"\x32\x03s-1"].concat();
        assert_eq!(encode_protobuf(&DRAFT, kinds.get(KindId(0))), golden);
        assert_eq!(
            v1::LoginEvent::decode(&golden[..]).unwrap().session_id,
            "s-1"
        );
    }

    #[test]
    fn the_bytes_of_all_other_events_stay_what_they_are() {
        let kinds = Kinds::builtin();
        assert_eq!(encode_protobuf(&DRAFT, kinds.get(KindId(1))), COMMON);
        assert_eq!(
            v1::UsageEvent::decode(COMMON).unwrap().encode_to_vec(),
            COMMON
        );
        assert_eq!(
            v1::PrescriptionOrderEvent::decode(COMMON)
                .unwrap()
                .encode_to_vec(),
            COMMON
        );
        assert_eq!(
            v1::RegistrationEvent::decode(COMMON)
                .unwrap()
                .encode_to_vec(),
            COMMON
        );
    }

    #[test]
    fn the_text_of_a_cloudevent_stays_what_it_is() {
        let kinds = Kinds::builtin();
        assert_eq!(
            String::from_utf8(encode_cloudevent(&DRAFT, "/app", kinds.get(KindId(0)))).unwrap(),
            r#"{"specversion":"1.0","id":"e-1","source":"/app","type":"uk.nhs.app.session.opened.v1","time":"2025-03-31T23:30:00.001Z","datacontenttype":"application/json","data":{"account_id":"a-1","gp_practice_code":"A81001","icb_code":"QHM","session_id":"s-1"}}"#
        );
    }

    proptest! {
        // For all drafts d: decode(encode(d)) says what d says, in every encoding.
        #[test]
        fn what_is_encoded_is_decoded(
            event_id in ".{0,12}", account_id in ".{1,40}", session_id in ".{0,12}",
            gp_practice_code in ".{0,8}", icb_code in ".{0,4}",
            millis in -62_135_596_800_000_i64..253_402_300_800_000, kind in 0_u8..3,
        ) {
            let kinds = Kinds::builtin();
            let kind = kinds.get(KindId(kind));
            let draft = Draft {
                event_id: &event_id, account_id: &account_id, session_id: &session_id,
                gp_practice_code: &gp_practice_code, icb_code: &icb_code,
                occurred_at: Timestamp::from_millis(millis),
            };
            let message = encode_protobuf(&draft, kind);
            let cloudevent = encode_cloudevent(&draft, "/app", kind);
            for (payload, encoding) in [
                (&message, Encoding::Protobuf),
                (&frame(1, &message), Encoding::Protobuf),
                (&cloudevent, Encoding::CloudEvents),
            ] {
                let event = decode(payload, None, encoding, kind).unwrap();
                prop_assert_eq!(&*event.account_id, &account_id);
                prop_assert_eq!(event.occurred_at, draft.occurred_at);
                prop_assert_eq!(&*event.practice, gp_practice_code.as_bytes());
                prop_assert_eq!(&*event.icb, icb_code.as_bytes());
                let identity = match (encoding, kind.has_session && !session_id.is_empty()) {
                    (_, true) => Identity::Session((&*session_id).into()),
                    _ if event_id.is_empty() => Identity::None,
                    (Encoding::Protobuf, false) => Identity::Event((&*event_id).into()),
                    (Encoding::CloudEvents, false) => {
                        Identity::CloudEvent { source: "/app".into(), id: (&*event_id).into() }
                    }
                };
                prop_assert_eq!(event.identity, identity);
            }
        }
    }
}
