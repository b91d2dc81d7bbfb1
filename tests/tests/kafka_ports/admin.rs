//! Topics: what is created, and what is said of those that are there.

use engine::ports::Source as _;
use kafka::{Admin, Found, Inspection, Role, Source};
use tests::{Broker, installation_or_skip, unique, wait_for, wait_until};

use crate::world::{SOON, World, input};

#[test]
fn topics_are_created_once_and_their_faults_are_named() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let world = World::new(broker, 2);
    let admin = Admin::new(&world.cluster).unwrap();
    assert_eq!(admin.brokers().unwrap(), 1);
    let inspected = admin.inspect(&world.topics).unwrap();
    let found: Vec<_> = inspected.iter().map(Inspection::partitions).collect();
    assert_eq!(found, [Some(2), Some(3), Some(1), Some(1)]);
    for inspection in &inspected {
        assert_eq!(inspection.faults, []);
        assert!(inspection.remarks[0].contains("the replication factor is 1"));
    }

    let mut topics = world.topics.clone();
    topics.month_close = world.topics.dead_letters.clone();
    topics.inputs.push(unique("missing"));
    let inspected = admin.inspect(&topics).unwrap();
    assert_eq!(inspected[1].found, Found::Missing);
    assert!(
        inspected[1].faults[0]
            .to_string()
            .contains("correct its name")
    );
    assert_eq!(inspected[3].role, Role::MonthClose);
    let fault = inspected[3].faults[0].to_string();
    assert!(fault.contains("must be \"compact\""), "{fault}");

    // The same name again is another topic.
    let name = &world.topics.dead_letters;
    let mut source = Source::new(&world.cluster, vec![name.clone()]).unwrap();
    let mut id = |_| {
        source
            .bounds(&[input(0)])
            .ok()
            .flatten()
            .map(|bounds| bounds[0].topic_id)
    };
    let before = wait_for("the id is known", SOON, || id(()));
    assert!(admin.delete_topic(name).unwrap());
    wait_until("it can be created again", SOON, || {
        admin.create_topic(name, 1, None, &[]).unwrap_or(false)
    });
    wait_until("the id is another", SOON, || {
        id(()).is_some_and(|after| after != before)
    });
}
