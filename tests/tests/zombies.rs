//! Processes that are away for too long and come back: their partitions are others', their transactions were
//! ended for them. They find out, say so, and nothing is counted twice.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use tests::system::{SOON, Scene, State};
use tests::{Broker, Transactions, installation_or_skip, wait_until};

/// Freezes slot 0 in the middle of a checkpoint, and returns the transactional id.
fn freeze_in_checkpoint(scene: &mut Scene, transactions: &mut Transactions) -> String {
    let id = scene.fleet.transactional_id(0).unwrap();
    loop {
        assert!(transactions.aim(&id, 10, SOON), "there are checkpoints");
        scene.fleet.instance(0).freeze();
        if transactions.is_left_open(&id) {
            return id;
        }
        scene.fleet.instance(0).thaw();
    }
}

#[test]
fn a_process_that_outlived_its_session_and_its_transaction_is_told_and_counts_again() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let mut scene = Scene::new(&broker.bootstrap(), 1, (0, 2), 20_000, 1);
    let mut transactions = Transactions::new(&broker.bootstrap());
    scene.fleet.start(0, &State::Own);
    scene.stream.flow();
    scene.await_owned(&[0]);
    scene.fleet.start(1, &State::Own);
    scene.await_owned(&[0, 1]);

    let id = freeze_in_checkpoint(&mut scene, &mut transactions);
    let mark = scene.fleet.instance(0).log().len();
    wait_until("the broker ends its transaction", SOON, || {
        transactions.state(&id).as_deref() == Some("CompleteAbort")
    });
    scene.await_owned(&[1]);
    scene.fleet.instance(0).thaw();
    let zombie = scene.fleet.instance(0);
    zombie.until(
        "it says what became of its checkpoint and of its partitions",
        |zombie| {
            let log = zombie.log();
            let said = &log[mark..];
            said.contains("checkpoint not committed") && said.contains("the assignment was lost")
        },
    );
    zombie.until("it counts again", |zombie| {
        zombie.log()[mark..].contains("counting from here")
    });
    scene.settle();
    scene.end();
}

#[test]
fn a_process_whose_place_was_taken_is_fenced_in_the_middle_of_its_checkpoint() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let mut scene = Scene::new(&broker.bootstrap(), 1, (1, 0), 20_000, 2);
    // A zombie that has outlived its session joins anew, and it is its successor who is fenced.
    scene.fleet.set_property("session.timeout.ms", "45000");
    let mut transactions = Transactions::new(&broker.bootstrap());
    scene.fleet.start(0, &State::Own);
    scene.stream.flow();
    scene.await_owned(&[0]);

    freeze_in_checkpoint(&mut scene, &mut transactions);
    // The same static member, on another machine: nobody waits for the session nor for the transaction.
    let mut zombie = scene.fleet.start(0, &State::Empty).unwrap();
    scene.await_owned(&[0]);
    zombie.thaw();
    assert_eq!(zombie.code(SOON), Some(75), "{}", zombie.log());
    let log = zombie.log();
    assert!(log.contains("fenced by a newer instance"), "{log}");
    scene.settle();
    scene.end();
}
