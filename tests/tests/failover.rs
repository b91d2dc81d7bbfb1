//! How long partitions are not counted: those of a process that was killed, those that move, and those that
//! stay where they are meanwhile. Each test prints its figures.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use model::Kinds;
use tests::system::{
    Deployment, Feed, Fleet, SOON, State, Stream, open_transaction, workload_options,
};
use tests::{Broker, Transactions, installation_or_skip, wait_until};
use workload::{Profile, Workload};

/// Of the group's members here; 45 seconds by default.
const SESSION: Duration = Duration::from_secs(3);
/// All input partitions of `workload_options`.
const PARTITIONS: usize = 6;
/// Far below what any wait for the brokers would be, far above a burst of the load on a busy machine.
const PAUSE_MAX: Duration = Duration::from_millis(2500);

struct Scene {
    fleet: Fleet,
    /// Only its flowing matters.
    _stream: Stream,
    transactions: Transactions,
    bootstrap: String,
}

impl Scene {
    /// Two dynamic members under load, each with partitions.
    fn new(broker: &Broker) -> Self {
        let kinds = Kinds::builtin();
        let mut deployment = Deployment::new(broker, &kinds, &[3, 2, 1]);
        let configuration = &mut deployment.configuration;
        configuration.set_text("checkpoint.interval", "100ms");
        configuration.set_property("session.timeout.ms", &SESSION.as_millis().to_string());
        let feed = Feed::new(&deployment, &kinds);
        let items = Workload::new(Profile::published(), &workload_options(500, 3, 1));
        let stream = Stream::new(feed, items, 1000);
        let mut fleet = Fleet::new(deployment, 0, 3);
        for slot in 0..2 {
            fleet.start(slot, &State::Own);
        }
        stream.flow();
        wait_until("both count", SOON, || {
            (0..2).all(|slot| fleet.owned(slot) == PARTITIONS / 2)
        });
        Self {
            fleet,
            _stream: stream,
            transactions: Transactions::new(&broker.bootstrap()),
            bootstrap: broker.bootstrap(),
        }
    }

    /// Where the instance in a slot is in each partition that it counts.
    fn positions(&mut self, slot: usize) -> BTreeMap<String, f64> {
        let metrics = self.fleet.instance(slot).metrics();
        let samples = metrics.samples("appmi_input_position");
        let counted = samples.filter(|(_, position)| !position.is_nan());
        counted
            .map(|(labels, position)| (format!("{labels:?}"), position))
            .collect()
    }

    /// Whether a transaction that has written partials stays open: those of the living are over in between.
    fn has_unread_partials(&self) -> bool {
        let topic = &self.fleet.deployment.topics.partials;
        (0..5).all(|_| open_transaction(&self.bootstrap, topic))
    }

    /// Waits for the condition, and returns how long the partition that stood still for longest did so, of those
    /// that the slot counts from beginning to end.
    fn longest_pause(
        &mut self,
        slot: usize,
        what: &str,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) -> Duration {
        let mut moved: BTreeMap<String, (f64, Instant)> = BTreeMap::new();
        for (partition, position) in self.positions(slot) {
            moved.insert(partition, (position, Instant::now()));
        }
        let mut longest = Duration::ZERO;
        wait_until(what, SOON, || {
            let positions = self.positions(slot);
            let now = Instant::now();
            moved.retain(|partition, (before, at)| {
                let Some(position) = positions.get(partition) else {
                    return false;
                };
                longest = longest.max(now - *at);
                if position > before {
                    (*before, *at) = (*position, now);
                }
                true
            });
            condition(self)
        });
        assert!(!moved.is_empty(), "no partition stayed");
        longest
    }
}

fn say(text: &str) {
    let text = format!("{text}\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// Kills the instance in slot 0, in the middle of a checkpoint or between two; slot 1 takes over. How long
/// until it counts everything, how much of that passed after the group had given it the partitions, and how
/// long its own ones stood still.
fn fail_over(scene: &mut Scene, is_in_checkpoint: bool) -> (Duration, Duration, Duration) {
    loop {
        let id = scene.fleet.transactional_id(0).unwrap();
        if is_in_checkpoint {
            assert!(
                scene.transactions.aim(&id, 15, SOON),
                "there are checkpoints"
            );
        }
        scene.fleet.take(0).kill();
        let killed = Instant::now();
        let left_open = scene.transactions.is_left_open(&id) && scene.has_unread_partials();
        let mark = scene.fleet.instance(1).log().len();
        let mut assigned = None;
        let pause = scene.longest_pause(1, "the survivor counts everything", |scene| {
            if assigned.is_none() && scene.fleet.instance(1).log()[mark..].contains("assigned") {
                assigned = Some(Instant::now());
            }
            scene.fleet.owned(1) == PARTITIONS
        });
        let took = (killed.elapsed(), assigned.unwrap().elapsed(), pause);
        scene.fleet.start(0, &State::Own);
        wait_until("both count again", SOON, || {
            (0..2).all(|slot| scene.fleet.owned(slot) == PARTITIONS / 2)
        });
        if left_open == is_in_checkpoint {
            return took;
        }
    }
}

#[test]
fn partitions_of_a_killed_instance_are_counted_elsewhere_and_the_others_do_not_wait_for_it() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::new(Broker::shared(kafka));
    for is_in_checkpoint in [false, true] {
        let (took, excluded, pause) = fail_over(&mut scene, is_in_checkpoint);
        let place = if is_in_checkpoint { "in" } else { "between" };
        say(&format!(
            "kill -9 {place} checkpoints, session {SESSION:?}: counted elsewhere after {took:.2?}, {excluded:.2?} \
             of it after the group had reassigned; the survivor's own partitions paused for {pause:.2?} at most"
        ));
        assert!(pause < PAUSE_MAX, "the survivor's own partitions paused");
    }
}

#[test]
fn partitions_that_stay_keep_counting_while_others_move() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut scene = Scene::new(Broker::shared(kafka));
    let began = Instant::now();
    let usual = scene.longest_pause(1, "two seconds have passed", |_| {
        began.elapsed() > Duration::from_secs(2)
    });
    let began = Instant::now();
    scene.fleet.start(2, &State::Own);
    let joining = scene.longest_pause(1, "the third counts", |scene| scene.fleet.owned(2) == 2);
    let joined = began.elapsed();
    let began = Instant::now();
    let leaver = scene.fleet.take(2);
    assert_eq!(leaver.stop(), Some(0));
    let leaving = scene.longest_pause(1, "the two count everything", |scene| {
        (0..2).map(|slot| scene.fleet.owned(slot)).sum::<usize>() == PARTITIONS
    });
    say(&format!(
        "longest pause of a partition that stays: {usual:.2?} without a rebalance, {joining:.2?} while a third \
         instance starts and takes two ({joined:.2?}), {leaving:.2?} while it leaves ({:.2?})",
        began.elapsed()
    ));
    assert!(
        joining.max(leaving) < PAUSE_MAX,
        "a partition that stays paused"
    );
}
