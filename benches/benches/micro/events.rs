//! What is done to an event by itself: decoding, placing, hashing.

use benches::timing::each;
use benches::{Logins, settings};
use criterion::Criterion;
use model::{KindId, Kinds};
use wire::events::{Encoding, decode};
use wire::headers;

/// Events that fit the second level cache several times.
const EVENTS: usize = 12_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let (protobuf, json) = (Logins::protobuf(EVENTS), Logins::cloud_events(EVENTS));
    let protobuf: Vec<&[u8]> = protobuf.values(0).collect();
    let json: Vec<&[u8]> = json.values(0).collect();
    let kinds = Kinds::builtin();
    let logins = kinds.get(KindId(0));
    let header = headers::PROTOBUF.as_bytes();
    let default = Encoding::Protobuf;

    let mut group = criterion.benchmark_group("event");
    group.bench_function("decode protobuf", |bencher| {
        each(bencher, &protobuf, |value| {
            decode(value, None, default, logins)
        });
    });
    group.bench_function("decode protobuf, with content-type", |bencher| {
        each(bencher, &protobuf, |value| {
            decode(value, Some(header), default, logins)
        });
    });
    group.bench_function("decode CloudEvents JSON", |bencher| {
        each(bencher, &json, |value| {
            decode(value, None, Encoding::CloudEvents, logins)
        });
    });

    let options = settings::options();
    let events: Vec<_> = protobuf
        .iter()
        .map(|value| decode(value, None, default, logins).expect("a good event"))
        .collect();
    group.bench_function("month", |bencher| {
        each(bencher, &events, |event| {
            options.calendar.month_of(event.occurred_at)
        });
    });
    group.bench_function("place", |bencher| {
        each(bencher, &events, |event| {
            options.geography.place(&event.practice, &event.icb)
        });
    });
    group.bench_function("hash account", |bencher| {
        each(bencher, &events, |event| {
            options.hash_key.account(event.account_id.as_bytes())
        });
    });
    let sessions: Vec<String> = (0..4096).map(workload::event_id).collect();
    group.bench_function("hash identity", |bencher| {
        each(bencher, &sessions, |session| {
            options.hash_key.identity(&[b"s", session.as_bytes()])
        });
    });
    group.finish();
}
