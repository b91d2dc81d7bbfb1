//! Decoding an event asks nothing of the allocator.

use model::{KindId, Kinds, Timestamp};
use wire::events::{Draft, Encoding, decode, encode_cloudevent, encode_protobuf, frame};

const DRAFT: Draft<'_> = Draft {
    event_id: "0195ee1e-6c3a-7bd2-8a1e-0f6f3c1d2e4b",
    account_id: "4c1f0b7e9a5d4e02",
    occurred_at: Timestamp::from_millis(1_743_463_800_001),
    gp_practice_code: "A81001",
    icb_code: "QHM",
    session_id: "b7e9a5d44c1f0b7e",
};

/// How often decoding the payload allocates, for each kind.
fn allocations(payload: &dyn Fn(&model::Kind) -> Vec<u8>, content_type: Option<&str>) -> u64 {
    let kinds = Kinds::builtin();
    let count = |kind| {
        let payload = payload(kind);
        let info = allocation_counter::measure(|| {
            let event = decode(
                &payload,
                content_type.map(str::as_bytes),
                Encoding::Protobuf,
                kind,
            );
            assert!(event.is_ok());
        });
        info.count_total
    };
    (0..3).map(|id| count(kinds.get(KindId(id)))).sum()
}

#[test]
fn a_protobuf_event_is_decoded_without_allocation() {
    assert_eq!(allocations(&|kind| encode_protobuf(&DRAFT, kind), None), 0);
    assert_eq!(
        allocations(
            &|kind| encode_protobuf(&DRAFT, kind),
            Some("application/x-protobuf")
        ),
        0
    );
    assert_eq!(
        allocations(
            &|kind| encode_protobuf(&DRAFT, kind),
            Some("Application/X-Protobuf; a=b")
        ),
        0
    );
    assert_eq!(
        allocations(&|kind| frame(7, &encode_protobuf(&DRAFT, kind)), None),
        0
    );
}

#[test]
fn a_cloudevent_without_escapes_is_decoded_without_allocation() {
    let cloudevents = Some("application/cloudevents+json");
    assert_eq!(
        allocations(
            &|kind| encode_cloudevent(&DRAFT, "https://nhs.uk/app", kind),
            cloudevents
        ),
        0
    );
}

#[test]
fn undecodable_bytes_are_refused_without_allocation() {
    let kinds = Kinds::builtin();
    let info = allocation_counter::measure(|| {
        let refused = decode(
            &[0x7b; 1000],
            None,
            Encoding::Protobuf,
            kinds.get(KindId(0)),
        );
        assert!(refused.is_err());
    });
    assert_eq!(info.count_total, 0);
}
