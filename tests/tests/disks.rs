//! One of two instances runs out of disk: the other one takes over, and it comes back once there is space.

use std::fs;

use tests::system::{SOON, Scene, State};
use tests::{Broker, Mount, installation_or_skip};

#[test]
fn a_full_disk_hands_the_partitions_to_the_other_instance() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let mut scene = Scene::new(&broker.bootstrap(), 1, (0, 2), 20_000, 3);
    // Smaller than what RocksDB reserves for its log.
    let place = scene.fleet.deployment.file("disk");
    let Some(mount) = Mount::new_or_skip(place, "size=8m") else {
        return;
    };
    scene
        .fleet
        .configure(0, "state.dir", &mount.folder("state"));
    for slot in 0..2 {
        scene.fleet.start(slot, &State::Own);
    }
    scene.stream.flow();
    scene.await_owned(&[0, 1]);
    let theirs = mount.fill("of-somebody-else");
    let mut full = scene.fleet.take(0);
    assert_eq!(full.code(SOON), Some(75), "{}", full.log());
    assert!(
        full.log().contains("No space left on device"),
        "{}",
        full.log()
    );
    scene.await_owned(&[1]);
    scene.settle();

    fs::remove_file(theirs).unwrap();
    scene.stream.flow();
    scene.fleet.start(0, &State::Own);
    scene.await_owned(&[0, 1]);
    scene.settle();
    scene.end();
}
