//! Counting as a whole, per login: decoding, placing, hashing, duplicates, counts, registers.

use std::time::Duration;

use benches::{Counting, Logins, settings};
use criterion::Criterion;
use engine::Options;
use wire::events::Encoding;
use wire::headers;

/// A day and a half of national logins, about 190 MB of values: far beyond every cache.
const LOGINS: usize = 2_000_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let logins = Logins::protobuf(LOGINS);
    let national = settings::options();
    // A generation then ends when it is full and not after an hour.
    let full_window = Options {
        deduplication_window: Duration::from_hours(24),
        ..settings::options()
    };
    let header = Some(headers::PROTOBUF.as_bytes());
    count(criterion, "count protobuf", &national, &logins, None);
    let name = "count protobuf, with content-type";
    count(criterion, name, &national, &logins, header);
    let name = "count protobuf, windows as large as allowed";
    count(criterion, name, &full_window, &logins, None);
    drop(logins);

    let logins = Logins::cloud_events(LOGINS / 2);
    let json = Options {
        encoding: Encoding::CloudEvents,
        ..settings::options()
    };
    count(criterion, "count CloudEvents JSON", &json, &logins, None);
}

fn count(
    criterion: &mut Criterion,
    name: &str,
    options: &Options,
    logins: &Logins,
    content_type: Option<&[u8]>,
) {
    let mut counting = Counting::new(options, logins, content_type);
    criterion
        .benchmark_group("event")
        .bench_function(name, |bencher| {
            bencher.iter_custom(|events| counting.count(events));
        });
}
