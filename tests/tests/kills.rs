//! `kill -9` at random moments while the load goes on: nothing is lost, nothing counted or released twice.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeSet;
use std::iter::successors;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use kafka::Loader;
use model::{Kinds, Month};
use tests::system::{
    Comparison, Deployment, Feed, Instance, Received, Releases, SOON, Subscriber,
    latest_closed_month, open_transaction, workload_options,
};
use tests::{Broker, Dice, installation_or_skip, wait_until};
use wire::headers;
use wire::releases::Format;
use workload::{Item, Oracle, Profile, Workload};

/// Another one makes other moments: `APPMI_SEED=2 cargo test -p tests --test kills`.
const SEED: u64 = 1;
const KILLS: usize = 20;
/// Records that are in the topics before the next are sent, so that the load lasts.
const BURST: usize = 100;
const ENGLAND: &str = "E92000001";

/// Puts records in up to the targets that it is told, one burst after the other.
fn load(feed: &mut Feed, items: &[Item], targets: &Receiver<usize>, loaded: &AtomicUsize) {
    for target in targets {
        for burst in items[loaded.load(Ordering::Relaxed)..target].chunks(BURST) {
            feed.put_all(burst.iter().cloned());
            loaded.fetch_add(burst.len(), Ordering::Relaxed);
        }
    }
}

/// A deployment whose processes are killed, and what they were killed in.
struct Site {
    deployment: Deployment,
    bootstrap: String,
    dice: Dice,
    in_checkpoints: usize,
    in_releases: usize,
}

impl Site {
    fn new(broker: &Broker, kinds: &Kinds, seed: u64) -> Self {
        let mut deployment = Deployment::new(broker, kinds, &[3, 2, 1]);
        let configuration = &mut deployment.configuration;
        // A static member, so that nobody waits for the former process's session to end.
        configuration.set_property("group.instance.id", "appmi-0");
        configuration.set_text("checkpoint.interval", "10ms");
        // Partitions run dry between two kills and months close early: nothing may be too old for that.
        configuration.set("months.retention_months", "120");
        Self {
            deployment,
            bootstrap: broker.bootstrap(),
            dice: Dice::new(seed),
            in_checkpoints: 0,
            in_releases: 0,
        }
    }

    /// Kills a process and sees to it that the next can begin.
    fn kill(&mut self, instance: Instance) {
        instance.kill();
        let topics = &self.deployment.topics;
        self.in_releases += usize::from(open_transaction(&self.bootstrap, &topics.month_close));
        if open_transaction(&self.bootstrap, &topics.partials) {
            self.in_checkpoints += 1;
            // The brokers abort it by themselves, once, which takes ten seconds; or whoever takes its id does.
            if self.in_checkpoints > 1 {
                let cluster = &self.deployment.cluster;
                let id = format!("{}-appmi-0", cluster.group_id());
                Loader::transactional(cluster, &id).unwrap();
            }
        }
        if self.dice.once_in(3) {
            self.deployment.lose_state();
        }
    }

    /// Runs a process until a random moment of the load between two targets.
    fn run_and_kill(&mut self, from: usize, to: usize, loaded: &AtomicUsize, go: impl FnOnce()) {
        let mut instance = self.deployment.run();
        // Else it is killed wherever it has come to: starting, reading, joining.
        if !self.dice.once_in(4) {
            instance.until_logged("counting from here");
        }
        let moment = from + self.dice.below(to - from);
        go();
        wait_until("the load has come to the moment", SOON, || {
            loaded.load(Ordering::Relaxed) >= moment
        });
        assert_eq!(instance.ended(), None, "{}", instance.log());
        self.kill(instance);
    }
}

fn months() -> impl Iterator<Item = Month> {
    let last = latest_closed_month();
    let all = successors(Month::new(2025, 3), |month| Some(month.next()));
    all.take_while(move |month| *month <= last)
}

/// Whether the last releases have every event.
fn is_complete(releases: &Releases, counts: &[(Month, String, u64)]) -> bool {
    counts.iter().all(|(month, measure, value)| {
        releases.value(*month, "england", ENGLAND, measure) == Some(*value)
    })
}

/// England's counts of events.
fn counts(oracle: &Oracle, kinds: &Kinds) -> Vec<(Month, String, u64)> {
    let is_count = |measure: &str| kinds.by_name(measure).is_some();
    let of_month = |month| {
        let rows = oracle.measures(month).into_iter();
        let counts = rows.filter(move |row| row.level == "england" && is_count(&row.measure));
        counts.map(move |row| (month, row.measure, row.value))
    };
    months().flat_map(of_month).collect()
}

fn coordinates(letter: &Received) -> (String, String, String) {
    let header = |name| letter.header(name).to_owned();
    (
        header(headers::DEAD_LETTER_TOPIC),
        header(headers::DEAD_LETTER_PARTITION),
        header(headers::DEAD_LETTER_OFFSET),
    )
}

/// Twenty processes, one after the other, while the load goes on; and a last one that may end. What must
/// come out, and what a subscriber who was there all the time has.
fn kill_twenty_times(site: &mut Site, kinds: &Kinds, items: &[Item]) -> (Oracle, Vec<Received>) {
    let mut feed = Feed::new(&site.deployment, kinds);
    let mut subscriber: Subscriber = site.deployment.releases();
    let (loaded, (targets, told)) = (AtomicUsize::new(0), channel());
    thread::scope(|scope| {
        let loaded = &loaded;
        let loading = scope.spawn(move || {
            load(&mut feed, items, &told, loaded);
            feed
        });
        for kill in 0..KILLS {
            let from = items.len() * kill / KILLS;
            let to = items.len() * (kill + 1) / KILLS;
            site.run_and_kill(from, to, loaded, || targets.send(to).unwrap());
            subscriber.look();
        }
        drop(targets);
        let oracle = loading.join().unwrap().oracle;
        let counts = counts(&oracle, kinds);
        let mut instance = site.deployment.run();
        instance.until("everything is released", |_| {
            is_complete(&Releases::of(subscriber.look(), Format::Protobuf), &counts)
        });
        assert_eq!(instance.stop(), Some(0));
        (oracle, subscriber.read_to_end())
    })
}

#[test]
fn twenty_kills_change_no_figure_and_every_release_comes_once() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let seed = std::env::var("APPMI_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let kinds = Kinds::builtin();
    let mut site = Site::new(Broker::shared(kafka), &kinds, seed);
    let options = workload_options(6_000, 6, seed);
    let items: Vec<Item> = Workload::new(Profile::published(), &options).collect();
    let (oracle, seen) = kill_twenty_times(&mut site, &kinds, &items);
    println!(
        "seed {seed}: {} records, {KILLS} kills, {} in a checkpoint, {} in a release",
        items.len(),
        site.in_checkpoints,
        site.in_releases
    );
    assert!(site.in_checkpoints > 0);

    let received = site.deployment.releases().read_to_end();
    assert_eq!(seen, received, "who was there has what who comes later has");
    let releases = Releases::of(&received, Format::Protobuf);
    Comparison::of(&releases, &oracle, months()).assert_intervals_hold();
    let letters = site.deployment.dead_letters().read_to_end();
    let distinct: BTreeSet<_> = letters.iter().map(coordinates).collect();
    assert_eq!(distinct.len(), letters.len(), "each dead letter once");
    let expected: u64 = oracle.dead_letters().values().sum();
    assert_eq!(letters.len() as u64, expected);
}
