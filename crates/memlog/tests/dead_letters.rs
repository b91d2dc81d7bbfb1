//! Records that can't be counted: every reason, the first that applies, exactly once.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use memlog::{InputRecord, MemStore};
use model::Reason;
use world::events::Event;
use world::{Site, at, login};

fn raw(timestamp: &str, payload: Vec<u8>) -> InputRecord {
    InputRecord {
        timestamp: at(timestamp),
        content_type: None,
        payload,
    }
}

/// A site in May 2025, and a login of now.
fn site() -> (Site, Event) {
    let site = Site::new("2025-03");
    site.cluster.advance_to(at("2025-05-10T12:00:00Z"));
    (site, login("2025-05-10T12:00:00Z", 1))
}

fn reasons(site: &mut Site) -> Vec<Reason> {
    site.settle();
    let letters = site.cluster.dead_letters();
    letters.iter().map(|letter| letter.reason).collect()
}

#[test]
fn every_reason_is_given() {
    let (mut site, good) = site();
    let record = |event: &Event| event.record(&site.options);
    let to = good.to;
    let mut no_time = Vec::new();
    no_time.extend(b"\x12\x01a");
    let mut large = record(&good);
    large.payload.resize(65_537, 0);
    let ahead_of_clock = raw("2025-05-11T12:01:00Z", record(&good).payload);
    let now = "2025-05-10T12:00:00Z";
    let records = [
        (Reason::TooLarge, large),
        (Reason::Empty, raw(now, Vec::new())),
        (Reason::Undecodable, raw(now, b"\xff\xff\xff".to_vec())),
        (Reason::NoAccount, record(&good.no_account())),
        (Reason::NoTime, raw(now, no_time)),
        (
            Reason::AheadOfRecord,
            record(&login("2025-05-10T12:15:00.001Z", 1).arriving(now)),
        ),
        (Reason::AheadOfClock, ahead_of_clock),
        (
            Reason::BeforeFirstMonth,
            record(&login("2025-02-28T23:59:59.999Z", 1).arriving(now)),
        ),
    ];
    for (_, record) in &records {
        site.cluster.append(to, record.clone());
    }
    // Just not ahead, and just in the first month.
    site.send(&login("2025-05-10T12:15:00Z", 1).arriving(now));
    site.send(&login("2025-03-01T00:00:00Z", 1).arriving(now));
    let expected: Vec<Reason> = records.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons(&mut site), expected);
    assert_eq!(site.processes[0].host.tally.counted, 2);
    for (offset, letter) in (0..).zip(site.cluster.dead_letters()) {
        assert_eq!((letter.partition, letter.offset.0), (to, offset));
        assert_eq!(letter.payload, None);
    }
}

#[test]
fn the_first_reason_that_applies_is_given() {
    let (mut site, good) = site();
    // Each is wrong in its own way and in every later one.
    let far = login("2025-02-01T00:00:00Z", 1).arriving("2025-05-20T00:00:00Z");
    let ahead = login("2027-02-01T00:00:00Z", 1).arriving("2025-05-20T00:00:00Z");
    let mut junk = vec![0xFF; 70_000];
    junk[0] = 0xFE;
    let records = [
        (Reason::TooLarge, raw("2025-05-20T00:00:00Z", junk)),
        (
            Reason::NoAccount,
            raw("2025-05-20T00:00:00Z", b"\x0a\x01e".to_vec()),
        ),
        (
            Reason::NoTime,
            raw("2025-05-20T00:00:00Z", b"\x12\x01a".to_vec()),
        ),
        (Reason::AheadOfRecord, ahead.record(&site.options)),
        (Reason::AheadOfClock, far.record(&site.options)),
    ];
    for (_, record) in &records {
        site.cluster.append(good.to, record.clone());
    }
    let expected: Vec<Reason> = records.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(reasons(&mut site), expected);
}

#[test]
fn dead_letters_move_no_watermark() {
    let (mut site, _) = site();
    site.send(&login("2025-03-01T00:00:00Z", 1).arriving("2025-05-10T12:00:00Z"));
    site.turns(20);
    let ahead = login("2026-05-10T12:00:00Z", 1).arriving("2025-05-10T12:00:00Z");
    site.send(&ahead);
    site.settle();
    let view = site.processes[0].instance.view();
    let latest = view.stated(ahead.to).unwrap().progress.latest_occurred_at;
    assert_eq!(latest, Some(at("2025-03-01T00:00:00Z").as_millis()));
}

#[test]
fn each_is_published_once_over_crashes_and_lost_disks() {
    let (mut site, good) = site();
    for number in 0..60 {
        site.send(&good.clone().no_account());
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_secs(9)));
        site.turns(2);
        if number % 7 == 0 {
            site.restart(number % 2 == 0);
        }
    }
    site.settle();
    let letters = site.cluster.dead_letters();
    let offsets: Vec<i64> = letters.iter().map(|letter| letter.offset.0).collect();
    assert_eq!(offsets, (0..60).collect::<Vec<i64>>());
}

#[test]
fn payloads_are_carried_only_if_asked_for_and_never_large_ones() {
    let (mut site, good) = site();
    site.options.include_payload = true;
    site.restart(true);
    let small = vec![0xFF; 512 << 10];
    let large = vec![0xFF; (512 << 10) + 1];
    for payload in [small.clone(), large] {
        site.cluster
            .append(good.to, raw("2025-05-10T12:00:00Z", payload));
    }
    site.settle();
    let letters = site.cluster.dead_letters();
    assert_eq!(letters[0].payload.as_ref(), Some(&small));
    assert_eq!(letters[1].payload, None);
    assert!(
        letters
            .iter()
            .all(|letter| letter.reason == Reason::TooLarge)
    );
}

#[test]
fn their_number_and_their_bytes_make_a_checkpoint_due() {
    for (include_payload, len, letters) in [(false, 3, 4096), (true, 60_000, 70)] {
        let (mut site, good) = site();
        site.options.include_payload = include_payload;
        site.options.checkpoint_interval = Duration::from_hours(9_999);
        site.processes.clear();
        site.start_on(&MemStore::default());
        for _ in 0..letters {
            site.cluster
                .append(good.to, raw("2025-05-10T12:00:00Z", vec![0xFF; len]));
        }
        site.turns(20);
        assert_eq!(site.cluster.dead_letters().len(), letters);
    }
}
