//! Three brokers, of which one after the other is killed: leaders and coordinators move, and the figures do
//! not.

use std::io::Write as _;
use std::time::Instant;

use tests::system::{Scene, State};
use tests::{Brokers, installation_or_skip};

#[test]
fn a_lost_broker_costs_no_count_and_no_release() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let mut brokers = Brokers::start(kafka);
    let mut scene = Scene::new(&brokers.bootstrap(), 3, (1, 1), 20_000, 4);
    // On a slow machine the coordinator may be away for longer than a session, and then come to know a static member
    // twice: one of the two is fenced, and a supervisor starts it again.
    scene.fleet.is_supervised = true;
    for slot in 0..2 {
        scene.fleet.start(slot, &State::Own);
    }
    scene.stream.flow();
    scene.await_owned(&[0, 1]);
    for broker in 0..brokers.len() {
        // Under load, and while it is away everything is counted and released.
        scene.stream.flow();
        scene.await_owned(&[0, 1]);
        brokers.kill(broker);
        let killed = Instant::now();
        let audited = scene.settle();
        let text = format!(
            "broker {broker} of three lost: everything released {:.1?} later, {} counts equal, {} restarts\n",
            killed.elapsed(),
            audited.comparison.exact,
            scene.fleet.restarts.len()
        );
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        brokers.restart(broker);
    }
    scene.stream.flow();
    scene.await_owned(&[0, 1]);
    scene.settle();
    scene.end();
}
