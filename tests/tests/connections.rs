//! Connections that are cut in the middle of checkpoints and releases, slow, and narrow: the broker lives, and
//! nobody can reach it, or only late.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::io::Write as _;
use std::time::Duration;

use tests::system::{SOON, Scene, State};
use tests::{
    Broker, Proxy, Toxiproxy, Transactions, installation_or_skip, toxiproxy_or_skip, wait_at_most,
    wait_until,
};

const CUTS: usize = 6;
const LONG_CUTS: usize = 2;
/// A transaction takes 7 s at most, and whoever notices something later holds up his own end.
const LONG: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_millis(300);

struct Wire {
    scene: Scene,
    proxy: Proxy,
    transactions: Transactions,
}

impl Wire {
    /// Slot 0 goes through the proxy, slot 1 does not.
    fn new(broker: &Broker, proxy: Proxy) -> Self {
        let mut scene = Scene::new(&broker.bootstrap(), 1, (0, 2), 2_000, 5);
        let address = format!("127.0.0.1:{}", proxy.port);
        scene
            .fleet
            .configure(0, "kafka.bootstrap_servers", &address);
        scene.fleet.start(0, &State::Own);
        scene.stream.flow();
        scene.await_owned(&[0]);
        Self {
            scene,
            proxy,
            transactions: Transactions::new(&broker.bootstrap()),
        }
    }

    /// Cuts everything so many looks into a transaction; whether that was left open then.
    fn cut_in(&mut self, id: &str, looks: usize) -> bool {
        let aimed = self.transactions.aim(id, looks, SOON);
        assert!(aimed, "there are transactions");
        self.proxy.cut();
        self.transactions.is_left_open(id)
    }

    /// How often it has said that something went wrong.
    fn notices(&mut self) -> usize {
        self.says("checkpoint not committed") + self.says("the assignment was lost")
    }

    fn says(&mut self, text: &str) -> usize {
        self.scene.fleet.instance(0).log().matches(text).count()
    }
}

fn cut_in_checkpoints(wire: &mut Wire) -> usize {
    let id = wire.scene.fleet.transactional_id(0).unwrap();
    let mut inside = 0;
    for cut in 0..CUTS {
        wire.scene.stream.flow();
        let noticed = wire.notices();
        inside += usize::from(wire.cut_in(&id, 3 * cut));
        // Short ones pass while librdkafka tries again; long ones last until it gives something up.
        let lasts = if cut < LONG_CUTS { LONG } else { SHORT };
        let gave_up = wait_at_most(lasts, || (wire.notices() > noticed).then_some(()));
        assert!(gave_up.is_some() || lasts == SHORT, "cut off, it hangs");
        wire.proxy.heal();
        wire.scene.await_owned(&[0]);
    }
    wire.scene.settle();
    inside
}

fn cut_in_releases(wire: &mut Wire) -> usize {
    let id = format!("{}-release", wire.scene.fleet.deployment.cluster.group_id());
    let mut inside = 0;
    for _ in 0..2 {
        let put = wire.scene.stream.put();
        wire.scene.stream.flow();
        wait_until("there is something to release", SOON, || {
            wire.scene.stream.put() > put + 200
        });
        wire.scene.stream.pause();
        inside += usize::from(wire.cut_in(&id, 5));
        wire.proxy.heal();
        wire.scene.settle();
    }
    inside
}

/// Every answer late, then all of them through a thin pipe (KB/s).
fn slow_down(wire: &mut Wire) {
    for (kind, attributes) in [
        ("latency", [("latency", 25), ("jitter", 10)].as_slice()),
        ("bandwidth", [("rate", 300)].as_slice()),
    ] {
        wire.proxy.add(kind, attributes);
        let put = wire.scene.stream.put();
        wire.scene.stream.flow();
        wait_until("there is something to count", SOON, || {
            wire.scene.stream.put() > put + 1000
        });
        wire.scene.settle();
        wire.proxy.remove(kind);
    }
}

/// Cut off for longer than its session, it loses its partitions to the other one, and is told when it is back.
fn cut_off(wire: &mut Wire) {
    wire.scene.stream.flow();
    wire.scene.fleet.start(1, &State::Own);
    wire.scene.await_owned(&[0, 1]);
    let lost = wire.says("the assignment was lost");
    wire.proxy.cut();
    wait_until("the other one counts everything", SOON, || {
        wire.scene.fleet.owned(1) == Scene::PARTITIONS
    });
    wire.proxy.heal();
    wait_until("it says that its partitions are lost", SOON, || {
        wire.says("the assignment was lost") > lost
    });
    wire.scene.await_owned(&[0, 1]);
    wire.scene.settle();
}

#[test]
fn connections_that_are_cut_or_slow_change_no_figure() {
    let (Some(kafka), Some(toxiproxy)) = (installation_or_skip(), toxiproxy_or_skip()) else {
        return;
    };
    let toxiproxy = Toxiproxy::start(&toxiproxy);
    let (broker, proxy) = toxiproxy.broker(kafka, &[]);
    let mut wire = Wire::new(&broker, proxy);
    let checkpoints = cut_in_checkpoints(&mut wire);
    let releases = cut_in_releases(&mut wire);
    slow_down(&mut wire);
    cut_off(&mut wire);
    let text = format!(
        "connections cut {} times, {checkpoints} times in a checkpoint and {releases} times in a release; {} \
         checkpoints said not to be committed, {} of them of unknown outcome\n",
        CUTS + 3,
        wire.says("checkpoint not committed"),
        wire.says("outcome unknown"),
    );
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    wire.scene.end();
}
