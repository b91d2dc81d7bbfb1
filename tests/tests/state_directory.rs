//! The state directory: where it can't be used the operator is told, and losing it costs a restart.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use model::Kinds;
use tests::system::{Deployment, Feed, MARCH_2025, Operator, SOON, logins};
use tests::{Broker, Mount, installation_or_skip};

/// What `sysexits.h` calls a temporary failure.
const WORLD: Option<i32> = Some(75);
/// And a mistake in the configuration.
const CONFIGURATION: Option<i32> = Some(78);

fn deployment(broker: &Broker) -> (Deployment, Operator, Feed) {
    let kinds = Kinds::builtin();
    let mut deployment = Deployment::new(broker, &kinds, &[1, 1, 1]);
    deployment
        .configuration
        .set_text("months.idle_timeout", "24h");
    let operator = Operator::new(broker, &deployment);
    let feed = Feed::new(&deployment, &kinds);
    (deployment, operator, feed)
}

#[test]
fn a_state_directory_has_one_process_and_the_second_one_says_so() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (deployment, operator, mut feed) = deployment(Broker::shared(kafka));
    feed.put_all(logins(0, 0..10, MARCH_2025));
    let mut first = deployment.run();
    first.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    let mut second = deployment.run();
    assert_eq!(second.code(SOON), WORLD, "{}", second.log());
    let log = second.log();
    assert!(log.contains("is in use by another process"), "{log}");
    assert!(
        log.contains(deployment.state_dir().to_str().unwrap()),
        "{log}"
    );
    assert_eq!(first.stop(), Some(0));
}

/// The files in a folder, with what is in them and when they were written.
fn files(dir: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let written = entry.metadata().unwrap().modified().unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, (fs::read(entry.path()).unwrap(), written))
        })
        .collect()
}

#[test]
fn check_leaves_a_state_directory_as_it_is() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (deployment, operator, mut feed) = deployment(Broker::shared(kafka));
    let state = deployment.state_dir();
    fs::create_dir(&state).unwrap();
    let answer = deployment.appmi(&["check"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stdout.contains("can be used"), "{answer:?}");
    assert_eq!(files(&state), BTreeMap::new());

    feed.put_all(logins(0, 0..10, MARCH_2025));
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.stop(), Some(0));
    let before = files(&state);
    assert!(!before.is_empty());
    let answer = deployment.appmi(&["check"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stdout.contains("can be used"), "{answer:?}");
    let after = files(&state);
    let names = |files: &BTreeMap<_, _>| files.keys().cloned().collect::<Vec<String>>();
    assert_eq!(names(&after), names(&before));
    assert!(after == before, "some are written anew");
}

#[test]
fn check_names_a_state_directory_that_can_not_be_written() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (mut deployment, operator, mut feed) = deployment(Broker::shared(kafka));
    let Some(mount) = Mount::new_or_skip(deployment.file("disk"), "size=64m") else {
        return;
    };
    let place = mount.at.to_str().unwrap().to_owned();
    deployment.configuration.set_text("state.dir", &place);
    let refused = |deployment: &Deployment| {
        mount.remount("ro");
        let answer = deployment.appmi(&["check"]);
        mount.remount("rw");
        assert_eq!(answer.code, CONFIGURATION, "{answer:?}");
        let problem = format!("state.dir: {place} can't be written");
        assert!(answer.stderr.contains(&problem), "{answer:?}");
    };
    refused(&deployment);
    feed.put_all(logins(0, 0..10, MARCH_2025));
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.stop(), Some(0));
    refused(&deployment);
}

#[test]
fn a_place_that_can_not_be_written_is_named() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (mut deployment, _, _) = deployment(Broker::shared(kafka));
    let below_a_file = deployment.key_file().join("state");
    let mut places = vec![below_a_file];
    let mount = Mount::new_or_skip(deployment.file("read-only"), "size=16m,ro");
    places.extend(mount.as_ref().map(|mount| mount.at.clone()));
    places.extend(mount.as_ref().map(|mount| mount.at.join("state")));
    for place in places {
        let place = place.to_str().unwrap();
        deployment.configuration.set_text("state.dir", place);
        let mut instance = deployment.run();
        assert_eq!(instance.code(SOON), WORLD, "{}", instance.log());
        let log = instance.log();
        assert!(log.contains("can't be used"), "{log}");
        assert!(log.contains(place), "{log}");
        assert!(log.contains("is writable and has free space"), "{log}");
    }
}

#[test]
fn a_disk_that_turns_read_only_or_full_stops_it_and_it_goes_on_from_the_log() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (mut deployment, operator, mut feed) = deployment(Broker::shared(kafka));
    // Smaller than what RocksDB reserves for its log: nothing is left for it once the disk is full.
    let Some(mount) = Mount::new_or_skip(deployment.file("disk"), "size=8m") else {
        return;
    };
    let state = mount.at.join("state");
    deployment
        .configuration
        .set_text("state.dir", state.to_str().unwrap());
    feed.put_all(logins(0, 0..1000, MARCH_2025));
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });

    let theirs = mount.fill("of-somebody-else");
    feed.put_all(logins(0, 1000..60_000, MARCH_2025));
    assert_eq!(instance.code(SOON), WORLD, "{}", instance.log());
    let log = instance.log();
    assert!(log.contains("check free space and permissions"), "{log}");
    assert!(log.contains("No space left on device"), "{log}");
    assert!(log.contains("nothing is lost"), "{log}");
    // As a supervisor does: again and again, until there is space. What the end gave back is taken as well.
    let more = mount.fill("more-of-theirs");
    let mut instance = deployment.run();
    assert_eq!(instance.code(SOON), WORLD, "{}", instance.log());
    fs::remove_file(theirs).unwrap();
    fs::remove_file(more).unwrap();
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(operator.partials().events("logins"), 60_000);

    // A file system with errors is remounted so; that works only while nothing is open for writing.
    assert_eq!(instance.stop(), Some(0));
    mount.remount("ro");
    let mut instance = deployment.run();
    assert_eq!(instance.code(SOON), WORLD, "{}", instance.log());
    mount.remount("rw");
    feed.put_all(logins(0, 60_000..60_100, MARCH_2025));
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.stop(), Some(0));
    assert_eq!(operator.partials().events("logins"), 60_100);
}
