//! `appmi run`, from nothing to every login counted and committed.

use benches::{Figures, measured};
use kafka::Counts;
use tests::system::Deployment;

/// Counts the logins of the deployment anew: topics of its own, group and state are fresh each time.
pub(crate) fn measure(deployment: &mut Deployment, number: usize, records: u64) -> Figures {
    renew(deployment, number);
    measured::count(deployment, records).figures
}

fn renew(deployment: &mut Deployment, number: usize) {
    let group = deployment.cluster.group_id().to_owned();
    let fresh = |name: &str| format!("{group}-{number}.{name}");
    let topics = &mut deployment.topics;
    topics.partials = fresh("partials");
    topics.month_close = fresh("month-close");
    topics.dead_letters = fresh("dead-letters");
    let state = deployment.file(&fresh("state"));
    let topics = &deployment.topics;
    let configuration = &mut deployment.configuration;
    configuration.set_text("topics.partials", &topics.partials);
    configuration.set_text("topics.month_close", &topics.month_close);
    configuration.set_text("topics.dead_letters", &topics.dead_letters);
    configuration.set_text("kafka.group_id", &fresh("group"));
    configuration.set_text(
        "state.dir",
        state.to_str().expect("temporary folders have plain names"),
    );
    let counts = Counts {
        inputs: None,
        partials: 12,
        month_close: 1,
        dead_letters: 1,
        replication: Some(1),
    };
    let created = deployment.admin().create(topics, &counts);
    assert_eq!(created.expect("the broker creates topics").len(), 3);
}
