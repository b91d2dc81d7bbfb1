//! A kind that a deployment adds has its cells and its measures, as the built-in ones have.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use model::{Kind, KindId};
use world::Site;
use world::events::event;
use world::site::small_options;

fn kind(name: &str) -> Kind {
    Kind {
        name: name.into(),
        topic: format!("nhsapp.{name}"),
        event_type: format!("uk.nhs.app.{name}.v1"),
        has_session: false,
        users: None,
        users_12_months: None,
        all_time: None,
        baseline: 0,
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one story: the kinds, their events, what is released of them"
)]
#[test]
fn it_is_counted_and_released_with_all_the_measures_it_asks_for() {
    let mut options = small_options("2025-03");
    let kinds = [
        Kind {
            users: Some("users_a".into()),
            users_12_months: Some("users_12_a".into()),
            all_time: Some("all_time_a".into()),
            baseline: 40,
            ..kind("kind_a")
        },
        Kind {
            users_12_months: Some("users_12_b".into()),
            ..kind("kind_b")
        },
        kind("kind_c"),
    ];
    for kind in kinds {
        options.kinds.push(kind).unwrap();
    }
    let mut site = Site::with(options, &[1, 1, 1, 2, 1, 1]);
    for month in ["2025-03", "2025-04"] {
        for (partition, account) in [(0, 1), (0, 1), (1, 2), (1, 1)] {
            let event = event(3, &format!("{month}-10T00:00:00Z"), account);
            site.send(
                &event
                    .clone()
                    .partition(partition)
                    .icb("QHM")
                    .id(&format!("{month}{account}{partition}")),
            );
        }
        site.send(&event(4, &format!("{month}-11T00:00:00Z"), 3));
        site.send(
            &event(5, &format!("{month}-11T00:00:00Z"), 3)
                .cloud_event("/app")
                .id(month),
        );
        site.settle();
    }
    site.settle_at("2025-05-05");
    // Of the four events one is a duplicate.
    for (measure, march, april) in [
        ("kind_a", 3, 3),
        ("users_a", 2, 2),
        ("users_12_a", 2, 2),
        ("all_time_a", 43, 46),
        ("kind_b", 1, 1),
        ("users_12_b", 1, 1),
        ("kind_c", 1, 1),
    ] {
        assert_eq!(site.england("2025-03", measure), march, "{measure}");
        assert_eq!(site.england("2025-04", measure), april, "{measure}");
    }
    assert_eq!(site.value("2025-04", "QHM", "users_12_a"), 2);
    assert_eq!(site.value("2025-04", "QHM", "kind_c"), 0);
    assert_eq!(
        site.measure("2025-04", "QHM", "users_12_b").months_covered,
        2
    );
    let records = site.records("2025-04");
    let names = |code: &str| -> Vec<&str> {
        let record = records.iter().find(|record| record.code == code).unwrap();
        record
            .measures
            .iter()
            .skip(7)
            .map(|measure| measure.measure.as_str())
            .collect()
    };
    assert_eq!(
        names("E92000001"),
        [
            "kind_a",
            "users_a",
            "users_12_a",
            "all_time_a",
            "kind_b",
            "users_12_b",
            "kind_c"
        ]
    );
    let contents = site.processes[0].store.contents();
    assert!(
        !contents.keys().any(|key| key.starts_with(b"page/kind_c/")),
        "no users, no sketch"
    );
}

#[test]
fn a_kind_that_is_added_to_a_running_system_takes_part_once_its_settings_are_applied() {
    let mut site = Site::new("2025-03");
    site.send(&world::login("2025-03-10T00:00:00Z", 1));
    site.turns(20);
    let partials = site.cluster.partials();
    let (key, value) = partials.iter().find(|(key, _)| key == b"settings").unwrap();
    let recorded: wire::v1::Settings = wire::partials::decode(value.as_ref().unwrap()).unwrap();
    site.processes.clear();
    let added = site.options.kinds.push(kind("kind_a")).unwrap();
    assert_eq!(added, KindId(3));
    assert_eq!(site.cluster.add_topic(1), added);
    let mut settings = engine::settings::of(&site.options, 2, 2);
    assert!(
        engine::settings::differences(&recorded, &settings)
            .fixed
            .is_empty()
    );
    settings.number = recorded.number + 1;
    settings.filling = recorded.filling;
    site.cluster.write_partial(&engine::ports::Partial {
        partition: 0,
        key: key.clone(),
        value: Some(wire::partials::encode(&settings)),
    });
    site.start();
    site.send(&event(3, "2025-03-11T00:00:00Z", 1));
    site.settle_at("2025-04-05");
    assert_eq!(site.england("2025-03", "kind_a"), 1);
    assert_eq!(site.england("2025-03", "logins"), 1);
}
