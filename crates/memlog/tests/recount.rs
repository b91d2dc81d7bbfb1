//! Counting anew from the input log: what was released stays the record, and only what comes out differently is
//! revised.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

use std::time::Duration;

use engine::ports::{Error, Journal, Partial, Published, Releases, Source};
use engine::recount::{Former, InputLog, Plan, plan};
use engine::{closing, settings};
use memlog::{MemJournal, MemReleases, MemSource, MemStore};
use model::{KindId, Offset, Timestamp};
use wire::partials::PartialKey;
use wire::v1;

mod world;

use world::{Site, at, login, month, order, registration};

/// What `appmi reset` does, on the log in memory. `begins_at` is the timestamp of the first record of truncated logs.
fn plan_of(site: &Site, begins_at: Option<Timestamp>) -> Result<Plan, Error> {
    let mut journal = MemJournal::new(&site.cluster);
    journal.start(&[])?;
    let mut former = Former::default();
    loop {
        let batch = journal.poll(Duration::ZERO)?;
        if batch.positions.is_empty() {
            break;
        }
        batch
            .records
            .iter()
            .try_for_each(|record| former.note(record))?;
    }
    let mut source = MemSource::new(&site.cluster);
    let counts = source.partition_counts()?.unwrap();
    let inputs: Vec<InputLog> = closing::all_partitions(&counts)
        .map(|partition| {
            let bounds = source.bounds(&[partition]).unwrap().unwrap()[0];
            let (low, high) = (bounds.low, bounds.high);
            InputLog {
                partition,
                low,
                high,
                begins_at,
            }
        })
        .collect();
    let ends = journal.ends()?.unwrap().into_iter();
    let begins = ends.filter(|(at, _)| matches!(at, Published::Partials(_)));
    let begins: Vec<Offset> = begins.map(|(_, end)| end).collect();
    let (partials, month_close) = journal.partition_counts();
    let own = settings::of(&site.options, partials, month_close);
    let filling = [u8::try_from(former.settings().unwrap().number + 100).unwrap(); 16];
    plan(
        &site.options,
        &own,
        &former,
        &inputs,
        begins,
        (filling, site.cluster.now()),
    )
}

fn reset(site: &Site, begins_at: Option<Timestamp>) -> Plan {
    let plan = plan_of(site, begins_at).unwrap();
    site.cluster.forget_group();
    let mut releases = MemReleases::new(&site.cluster);
    releases.take().unwrap();
    releases
        .publish(&[settings::record(&plan.settings)])
        .unwrap();
    plan
}

/// Four months with an event of each kind, one of March late enough for a revision, all of them closed.
fn site() -> Site {
    let mut site = Site::new("2025-03");
    for month in 3..=6 {
        for account in 0..5_u64 {
            let day = format!("2025-{month:02}-1{account}T12:00:00Z");
            site.send(
                &login(&day, account + month)
                    .icb("QHM")
                    .session(&format!("s{month}{account}")),
            );
            site.send(&order(&day, account).icb("QHM"));
            site.send(&registration(&day, account));
        }
        site.settle_at(&format!("2025-{:02}-05", month + 1));
    }
    site.send(&login("2025-03-20T00:00:00Z", 99).arriving("2025-07-06T00:00:00Z"));
    site.settle_at("2025-07-08");
    assert_eq!(site.revisions("2025-03").len(), 2);
    assert_eq!(site.england("2025-03", "logins"), 6);
    // Long after the last release: nothing but the recount itself holds a revision back.
    site.cluster.advance_to(at("2025-07-20"));
    site
}

fn released(site: &Site) -> Vec<(Vec<u8>, Vec<u8>, Vec<memlog::Header>)> {
    site.cluster.released()
}

/// What is counted, without what depends on where checkpoints fell.
fn cells(store: &MemStore) -> Vec<(String, Vec<u8>)> {
    let contents = store.contents().into_iter();
    let texts = contents.map(|(key, value)| (String::from_utf8(key).unwrap(), value));
    texts
        .filter(|(key, _)| {
            ["count/", "page/", "union/"]
                .iter()
                .any(|table| key.starts_with(table))
        })
        .collect()
}

#[test]
fn an_unchanged_log_comes_out_the_same_and_nothing_is_revised() {
    let mut site = site();
    let store = site.processes[0].store.clone();
    let (before, figures) = (released(&site), cells(&store));
    site.processes.clear();
    let plan = reset(&site, None);
    assert!(plan.sealed.is_empty() && plan.truncated.is_empty());
    let until = &plan.settings.recount.as_ref().unwrap().until;
    let mut to_count: u64 = until
        .iter()
        .map(|until| until.position.unsigned_abs())
        .sum();
    for disk in [MemStore::default(), store] {
        site.start_on(&disk).source.set_run_records_max(1);
        site.settle();
        // The first one counts, the second finds that it is done.
        let standings = site.processes[0].host.standings.iter();
        let left: Vec<u64> = standings.map(|of| of.recount_records_left).collect();
        assert_eq!(left.first(), Some(&to_count), "{left:?}");
        assert!(left.is_sorted_by(|a, b| a >= b), "{left:?}");
        assert_eq!(left.last(), Some(&0), "{left:?}");
        to_count = 0;
        assert_eq!(site.cluster.lag(), 0);
        assert_eq!(cells(&disk), figures);
        assert_eq!(released(&site), before);
        site.processes.clear();
    }
    // Reset can be repeated, and what follows closes as ever.
    reset(&site, None);
    site.start();
    site.send(&login("2025-07-21T00:00:00Z", 7));
    site.settle_at("2025-08-05");
    assert_eq!(site.revisions("2025-07"), [(0, "close".into())]);
    assert_eq!(released(&site).len(), before.len() + 52);
}

#[test]
fn what_comes_out_differently_is_revised_with_its_reason() {
    let mut site = site();
    let before = released(&site).len();
    site.processes.clear();
    site.options.kinds.set_baseline(KindId(2), 1000);
    reset(&site, None);
    site.start();
    site.settle();
    for month in ["2025-03", "2025-04", "2025-05", "2025-06"] {
        let (_, reason) = site.revisions(month).pop().unwrap();
        assert_eq!(reason, "recount", "{month}");
    }
    assert_eq!(released(&site).len(), before + 4 * 52, "each once");
    assert_eq!(site.england("2025-03", "logins"), 6);
    assert_eq!(site.england("2025-06", "registrations_all_time"), 1020);
}

#[test]
fn another_precision_can_be_put_in_force_whatever_disk_and_topic_hold() {
    let mut site = site();
    let store = site.processes[0].store.clone();
    site.processes.clear();
    site.options.precision = sketch::Precision::new(6).unwrap();
    let error = site.try_start(&site.options.clone(), &store).unwrap();
    drop(error);
    reset(&site, None);
    for disk in [store, MemStore::default()] {
        site.start_on(&disk);
        site.settle();
        assert_eq!(site.cluster.lag(), 0);
        site.processes.clear();
    }
}

/// Twenty-six closed months of which the first are dropped.
fn site_with_floors() -> Site {
    let mut site = Site::new("2025-03");
    site.options.retention_months = 11;
    site.processes.clear();
    site.start();
    for number in 0..26 {
        let month = month("2025-03").plus(number);
        site.send(&registration(&format!("{month}-10T00:00:00Z"), 1));
        site.send(&login(&format!("{month}-10T00:00:00Z"), 1).icb("QHM"));
        site.settle_at(&format!("{}-05", month.next()));
    }
    site
}

#[test]
fn dropped_months_are_counted_again_and_stay_sealed() {
    let mut site = site_with_floors();
    let before = released(&site);
    let view = site.processes[0].instance.view();
    let sealed_before = view.sealed_before();
    assert!(sealed_before > month("2026-03"), "{sealed_before}");
    site.processes.clear();
    let plan = reset(&site, None);
    assert!(plan.sealed.is_empty(), "they are so already");
    site.start().source.set_run_records_max(1);
    site.settle();
    assert_eq!(site.cluster.lag(), 0);
    assert_eq!(site.cluster.dead_letters(), [], "none is too old");
    assert_eq!(released(&site), before);
    let view = site.processes[0].instance.view();
    assert_eq!(view.sealed_before(), sealed_before);
    assert!(
        view.highest_floor() > month("2025-03"),
        "old months are dropped again"
    );
    // What was dropped is in the all-time count still.
    site.send(&registration("2027-05-10T00:00:00Z", 2));
    site.settle_at("2027-06-05");
    assert_eq!(site.england("2027-05", "registrations_all_time"), 27);
}

#[test]
fn months_whose_releases_were_lost_are_released_again() {
    let mut site = site_with_floors();
    let march = site.england("2025-03", "logins");
    assert!(march > 0);
    site.cluster.recreate_month_close();
    let lost = site.contradiction();
    assert!(lost.contains("which is sealed"), "{lost}");
    let plan = reset(&site, None);
    assert!(plan.sealed.is_empty());
    site.start();
    site.settle();
    assert_eq!(site.revisions("2025-03").len(), 1);
    assert_eq!(site.england("2025-03", "logins"), march);
}

#[test]
fn closed_months_that_the_log_no_longer_has_whole_are_sealed() {
    let mut site = site();
    let before = released(&site);
    site.processes.clear();
    // Of the logins those of March and April are gone, and of May the first; orders and registrations are whole.
    site.cluster.truncate(Site::partition(0, 0), Offset(11));
    let plan = reset(&site, Some(at("2025-05-11")));
    let [(log, whole)] = plan.truncated.as_slice() else {
        panic!("{plan:?}");
    };
    assert_eq!(
        (log.partition, log.low),
        (Site::partition(0, 0), Offset(11))
    );
    assert_eq!(*whole, month("2025-06"));
    let closed = ["2025-03", "2025-04", "2025-05", "2025-06"].map(month);
    assert_eq!(plan.sealed, closed, "12-month figures reach back");
    site.start();
    site.settle();
    assert_eq!(site.cluster.lag(), 0);
    assert_eq!(released(&site), before, "sealed");
    // Months that were open are released and revised as ever.
    site.send(&login("2025-07-21T00:00:00Z", 7));
    site.settle_at("2025-08-05");
    site.send(&login("2025-07-21T00:00:00Z", 8).arriving("2025-08-06T00:00:00Z"));
    site.settle_at("2025-08-10");
    let revisions = [(0, "close".into()), (1, "late_events".into())];
    assert_eq!(site.revisions("2025-07"), revisions);
    assert_eq!(released(&site).len(), before.len() + 2 * 52);
    // Nor does a further reset unseal them.
    site.processes.clear();
    assert!(
        plan_of(&site, Some(at("2025-05-11")))
            .unwrap()
            .sealed
            .iter()
            .all(|sealed| *sealed == month("2025-07"))
    );
}

#[test]
fn all_time_figures_reach_back_to_the_beginning() {
    let mut site = site();
    site.processes.clear();
    site.cluster.truncate(Site::partition(2, 0), Offset(2));
    let plan = reset(&site, Some(at("2025-03-12")));
    assert_eq!(plan.sealed.len(), 4);
    assert_eq!(plan.truncated[0].1, month("2025-04"));
}

#[test]
fn a_log_that_has_only_lost_what_is_before_the_first_month_is_whole() {
    let mut site = site();
    site.processes.clear();
    site.cluster.truncate(Site::partition(0, 0), Offset(1));
    let plan = plan_of(&site, Some(at("2025-02-12"))).unwrap();
    assert_eq!((plan.sealed, plan.truncated), (vec![], vec![]));
}

#[test]
fn an_instance_that_was_away_throws_its_view_away_and_takes_part() {
    let mut site = site();
    let before = released(&site);
    // Its session is over and it does not know yet.
    site.processes[0].source.expire();
    reset(&site, None);
    let errors: Vec<Error> = (0..50)
        .filter_map(|_| site.processes[0].turn().err())
        .collect();
    let says = "filled anew while this process counted: start it again";
    assert!(errors[0].to_string().contains(says), "{errors:?}");
    let store = site.processes[0].store.clone();
    site.processes.clear();
    site.start_on(&store);
    site.settle();
    assert_eq!(site.cluster.lag(), 0);
    assert_eq!(released(&site), before);
}

#[test]
fn an_instance_that_restores_meanwhile_keeps_nothing_of_the_former_filling() {
    let mut site = site();
    site.processes.clear();
    let options = site.options.clone();
    let mut restoring = site.try_start(&options, &MemStore::default()).unwrap();
    // It has looked for the settings and is about to read the rest.
    restoring.turns(2);
    reset(&site, None);
    // Compaction takes the former settings, which could tell.
    site.cluster.compact_partials();
    site.processes.push(restoring);
    site.start();
    site.settle();
    assert_eq!(site.cluster.lag(), 0);
    let of_new_instance = site.start().store.clone();
    site.settle();
    let restored = site.processes[0].store.contents();
    let read = of_new_instance.contents();
    let progress = |key: &[u8]| key.starts_with(b"progress/");
    assert!(read.keys().any(|key| progress(key)));
    for (key, value) in read.iter().filter(|(key, _)| progress(key)) {
        assert_eq!(restored.get(key), Some(value));
    }
    assert_eq!(cells(&site.processes[0].store), cells(&of_new_instance));
}

#[test]
fn a_checkpoint_of_the_former_filling_that_comes_after_the_reset_is_found() {
    let mut site = site();
    site.processes.clear();
    reset(&site, None);
    let kind = "logins";
    let progress = v1::Progress {
        checkpoint: 900,
        position: 21,
        floor: "2025-03".into(),
        settings: 1,
        ..v1::Progress::default()
    };
    site.cluster.write_partial(&Partial {
        partition: 1,
        key: PartialKey::Progress { kind, partition: 0 }.encode(),
        value: Some(wire::partials::encode(&progress)),
    });
    let process = site.start();
    let error = (0..50).find_map(|_| process.turn().err()).unwrap();
    assert!(matches!(error, Error::Contradiction(_)), "{error}");
    assert!(
        error.to_string().contains("run `appmi reset` again"),
        "{error}"
    );
    site.processes.clear();
    reset(&site, None);
    site.start();
    site.settle();
    assert_eq!(site.cluster.lag(), 0);
}

#[test]
fn topics_of_another_group_and_another_first_month_are_refused() {
    let mut site = site();
    site.processes.clear();
    site.options.group_id = "other".into();
    let error = plan_of(&site, None).unwrap_err();
    assert!(
        error.to_string().contains("belongs to the group appmi"),
        "{error}"
    );
    site.options.group_id = "appmi".into();
    site.options.first_month = month("2025-04");
    let error = plan_of(&site, None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("released months stay the record"),
        "{error}"
    );
    assert!(matches!(error, Error::Configuration(_)));
}

#[test]
fn partitions_that_nobody_counted_are_counted_from_their_beginning() {
    let mut site = site();
    site.processes.clear();
    reset(&site, None);
    // Added after the reset: it is not waited for, and it takes part.
    site.cluster.add_partition(KindId(1));
    site.start();
    site.send(&order("2025-07-21T00:00:00Z", 1).partition(1));
    site.settle_at("2025-08-05");
    assert_eq!(site.england("2025-07", "prescription_orders"), 1);
}
