//! Offsets, logs, settings and disks that do not belong together: what rules, and what stops the process.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use engine::Options;
use engine::ports::{Error, Source as _};
use engine::view::keys;
use memlog::MemStore;
use model::{KindId, Offset};
use world::{Site, at, login, order};

/// Ten logins, committed and settled.
fn site() -> Site {
    let mut site = Site::new("2025-03");
    for account in 0..10 {
        site.send(&login("2025-03-10T00:00:00Z", account));
    }
    site.settle();
    site
}

#[test]
fn where_the_group_was_forgotten_progress_rules() {
    for keeps_disk in [true, false] {
        let mut site = site();
        site.cluster.forget_group();
        site.restart(keeps_disk);
        site.send(&login("2025-03-11T00:00:00Z", 10));
        site.settle_at("2025-04-05");
        assert_eq!(site.england("2025-03", "logins"), 11);
        assert_eq!(
            site.cluster.committed(Site::partition(0, 0)),
            Some(Offset(11))
        );
    }
}

#[test]
fn a_group_that_is_forgotten_between_two_checkpoints_loses_nothing() {
    let mut site = site();
    site.send(&login("2025-03-11T00:00:00Z", 10));
    site.turns(3);
    site.cluster.forget_group();
    site.processes[0]
        .checkpoint_faults
        .borrow_mut()
        .extend([world::Fault::UnknownAborted, world::Fault::UnknownCommitted]);
    site.settle_at("2025-04-05");
    site.settle();
    assert_eq!(site.england("2025-03", "logins"), 11);
}

#[test]
fn a_log_that_was_truncated_under_the_position_stops_the_process() {
    let mut site = site();
    let partition = Site::partition(0, 0);
    site.processes.clear();
    for account in 0..5 {
        site.send(&login("2025-03-11T00:00:00Z", account));
    }
    site.cluster.truncate(partition, Offset(12));
    let text = site.contradiction();
    assert!(
        text.contains("nhsapp.logins/0 was truncated: it begins at 12"),
        "{text}"
    );
    assert!(text.contains("counted was only up to 10"), "{text}");
}

#[test]
fn a_log_that_was_truncated_up_to_the_position_does_not() {
    let mut site = site();
    site.cluster.truncate_committed();
    site.restart(false);
    site.send(&login("2025-03-11T00:00:00Z", 10));
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", "logins"), 11);
}

#[test]
fn a_log_that_is_shorter_than_what_was_counted_stops_the_process() {
    let mut site = site();
    let (kind, partition) = ("logins", 0);
    // Offset and progress agree on more than the log has.
    let progress = wire::partials::PartialKey::Progress { kind, partition }.encode();
    let partials = site.cluster.partials();
    let (_, last) = partials.iter().rfind(|(key, _)| *key == progress).unwrap();
    let mut message: wire::v1::Progress = wire::partials::decode(last.as_ref().unwrap()).unwrap();
    message.position = 50;
    message.checkpoint += 1;
    site.cluster.write_partial(&engine::ports::Partial {
        partition: engine::checkpoint::partials_partition(kind, partition, 2),
        key: progress,
        value: Some(wire::partials::encode(&message)),
    });
    site.cluster
        .commit_offset(Site::partition(0, 0), Offset(50));
    let text = site.contradiction();
    assert!(
        text.contains("nhsapp.logins/0 ends at 10, but was counted up to 50"),
        "{text}"
    );
}

#[test]
fn another_topic_of_the_same_name_stops_the_process() {
    let mut site = site();
    site.processes.clear();
    site.cluster.recreate_input(KindId(0));
    for account in 0..20 {
        site.send(&login("2025-03-11T00:00:00Z", account));
    }
    let text = site.contradiction();
    assert!(
        text.contains("the topic of nhsapp.logins/0 is another one of the same name"),
        "{text}"
    );
}

#[test]
fn a_topic_that_is_created_anew_while_it_is_read_stops_the_process() {
    let mut site = site();
    site.cluster.recreate_input(KindId(0));
    let mut process = site.processes.remove(0);
    let error = loop {
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_secs(1)));
        if let Err(error) = process.turn() {
            break error;
        }
    };
    assert!(
        matches!(&error, Error::Contradiction(text) if text.contains("is another one of the same name")),
        "{error}"
    );
}

#[test]
fn an_offset_that_contradicts_progress_stops_the_process() {
    for offset in [3, 11] {
        let mut site = site();
        site.cluster
            .commit_offset(Site::partition(0, 0), Offset(offset));
        let text = site.contradiction();
        let expected = format!("nhsapp.logins/0 is {offset}, the partials topic says 10");
        assert!(text.contains(&expected), "{text}");
    }
    let mut site = site();
    site.cluster.commit_offset(Site::partition(1, 0), Offset(0));
    let text = site.contradiction();
    assert!(
        text.contains("is 0, the partials topic says nothing"),
        "{text}"
    );
}

type Change = fn(&mut Options);

const CHANGEABLE: [(&str, Change); 6] = [
    (
        "months.retention_months is recorded as 15, here it is 20",
        |options| {
            options.retention_months = 20;
        },
    ),
    ("months.max_skew (ms)", |options| {
        options.max_skew = Duration::ZERO;
    }),
    ("deduplication.events_max", |options| {
        options.deduplication_events_max = 5;
    }),
    ("input.encoding is recorded as protobuf", |options| {
        options.encoding = wire::events::Encoding::CloudEvents;
    }),
    ("input.max_bytes", |options| {
        options.payload_bytes_max = 9;
    }),
    ("the digest of the reference data", |options| {
        options.geography = model::Geography::builtin();
    }),
];

#[test]
fn other_settings_are_refused_with_what_to_do() {
    let fixed: [(&str, Change); 5] = [
        (
            "sketch.precision is recorded as 12, here it is 14",
            |options| {
                options.precision = sketch::Precision::new(14).unwrap();
            },
        ),
        ("the fingerprint of privacy.key_file", |options| {
            options.hash_key = sketch::HashKey::derive(&[8; 32]).unwrap();
        }),
        (
            "months.time_zone is recorded as \"Europe/London\", here it is \"UTC\"",
            |options| {
                options.calendar = model::Calendar::new("UTC").unwrap();
            },
        ),
        (
            "months.first_month is recorded as \"2025-03\", here it is \"2025-04\"",
            |options| {
                options.first_month = world::month("2025-04");
            },
        ),
        ("kafka.group_id", |options| {
            options.group_id = "other".into();
        }),
    ];
    let what_to_do = [
        "can't change while the topic holds counts: restore the recorded value",
        "put the new one in force with `appmi settings --apply`",
    ];
    let mut site = site();
    for (cases, what_to_do) in [
        (&fixed[..], what_to_do[0]),
        (&CHANGEABLE[..], what_to_do[1]),
    ] {
        for (text, change) in cases {
            let mut options = site.options.clone();
            change(&mut options);
            let mut process = site.try_start(&options, &MemStore::default()).unwrap();
            let Error::Configuration(sentence) = process.error() else {
                panic!("{text}");
            };
            assert!(
                sentence.contains(text) && sentence.contains(what_to_do),
                "{sentence}"
            );
        }
    }
}

#[test]
fn only_the_settings_in_force_are_compared_not_those_before() {
    let mut site = site();
    let partials = site.cluster.partials();
    let (key, value) = partials.iter().find(|(key, _)| key == b"settings").unwrap();
    let recorded: wire::v1::Settings = wire::partials::decode(value.as_ref().unwrap()).unwrap();
    site.processes.clear();
    site.options.retention_months = 20;
    let mut settings = engine::settings::of(&site.options, 2, 2);
    settings.number = 2;
    settings.filling = recorded.filling;
    site.cluster.write_partial(&engine::ports::Partial {
        partition: 0,
        key: key.clone(),
        value: Some(wire::partials::encode(&settings)),
    });
    // Record by record, so that the old settings are read in another batch than the new ones.
    let options = site.options.clone();
    let mut process = site.try_start(&options, &MemStore::default()).unwrap();
    process.journal.set_batch_bytes_max(1);
    site.processes.push(process);
    site.send(&login("2025-03-12T00:00:00Z", 1));
    site.settle();
    let view = site.processes[0].instance.view();
    let stated = view.stated(Site::partition(0, 0)).unwrap();
    assert_eq!(stated.progress.settings, 2);
}

#[test]
fn partials_that_were_lost_beside_releases_stop_the_process() {
    for forgotten in [true, false] {
        let mut site = site();
        site.settle_at("2025-04-05");
        site.cluster.recreate_partials();
        if forgotten {
            site.cluster.forget_group();
        }
        let text = site.contradiction();
        assert!(
            text.contains("no settings, though months up to 2025-03 were released"),
            "{text}"
        );
        assert_eq!(site.revisions("2025-03").len(), 1);
    }
}

#[test]
fn what_an_early_version_recorded_is_no_difference() {
    let site = site();
    let own = engine::settings::of(&site.options, 2, 2);
    let recorded = wire::v1::Settings {
        format: own.format - 1,
        input_encoding: None,
        input_bytes_max: None,
        ..own.clone()
    };
    assert!(engine::settings::differences(&recorded, &own).is_empty());
    let recorded = wire::v1::Settings {
        input_bytes_max: Some(1),
        ..own.clone()
    };
    let differences = engine::settings::differences(&recorded, &own);
    assert_eq!(differences.changeable.len(), 1, "{differences:?}");
    assert!(differences.changeable[0].starts_with("input.max_bytes is recorded as 1,"));
}

#[test]
fn a_disk_of_other_topics_is_thrown_away() {
    let mut site = site();
    let kept = site.processes[0].store.clone();
    site.processes.clear();
    site.cluster.recreate_owned();
    site.cluster.forget_group();
    let process = site.start_on(&kept);
    assert_eq!(
        process.seen("ViewDiscarded(\"it belongs to other topics"),
        1
    );
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", "logins"), 10, "counted anew");
}

/// Empties the partials and begins another filling of them.
fn fill_anew(site: &Site) {
    let mut settings = engine::settings::of(&site.options, 2, 2);
    settings.number = 1;
    settings.filling = vec![9; 16];
    site.cluster.empty_partials();
    site.cluster.forget_group();
    site.cluster.write_partial(&engine::ports::Partial {
        partition: 0,
        key: b"settings".to_vec(),
        value: Some(wire::partials::encode(&settings)),
    });
}

#[test]
fn a_disk_of_another_filling_is_thrown_away() {
    let mut site = site();
    let kept = site.processes[0].store.clone();
    site.processes.clear();
    fill_anew(&site);
    site.start_on(&kept);
    site.settle();
    assert_eq!(
        site.processes[0].seen("ViewDiscarded(\"it belongs to another filling"),
        1
    );
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", "logins"), 10, "counted anew");
}

#[test]
fn a_disk_that_was_read_in_part_knows_of_which_filling_it_is() {
    let mut site = site();
    let torn = MemStore::default();
    let options = site.options.clone();
    let mut reader = site.try_start(&options, &torn).unwrap();
    reader.journal.begin_with(1);
    reader.journal.set_batch_bytes_max(1);
    while !torn.contents().keys().any(|key| key.starts_with(b"count/")) {
        reader.turns(1);
    }
    assert!(torn.contents().contains_key(keys::SETTINGS_KEY));
    drop(reader);
    site.processes.clear();
    fill_anew(&site);
    site.start_on(&torn);
    site.send(&login("2025-03-11T00:00:00Z", 10));
    site.settle();
    site.restart(false);
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", "logins"), 11, "counted anew");
    assert_eq!(site.england("2025-03", "unique_users_logging_in"), 11);
}

#[test]
fn a_partition_that_is_added_takes_part_from_the_moment_it_exists() {
    let mut site = site();
    site.cluster.advance_to(at("2025-03-20"));
    site.cluster.add_partition(KindId(1));
    site.send(&order("2025-03-20T00:00:00Z", 1).partition(1));
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", "prescription_orders"), 1);
}

#[test]
fn records_that_are_handed_over_again_are_not_counted_again() {
    let mut site = Site::new("2025-03");
    let event = login("2025-03-10T00:00:00Z", 1);
    site.send(&event);
    site.send(&event);
    site.turns(20);
    assert_eq!(site.processes[0].host.tally.counted, 2);
    let process = &mut site.processes[0];
    process.source.assign(&[(event.to, Offset(1))]).unwrap();
    let error = process.error();
    let said = "nhsapp.logins/0 was read from 1 on, but is counted up to 2";
    assert!(
        matches!(&error, Error::World(text) if text.starts_with(said)),
        "{error}"
    );
    assert_eq!(process.host.tally.counted, 2);
}
