//! Filling the topic.

use benches::{logins, settings};
use kafka::{LoadRecord, Loader};
use model::Kinds;
use tests::Broker;
use tests::system::Deployment;
use workload::{Item, Rates};

/// A deployment with so many logins, and with the settings that operators have unless they choose others.
pub(crate) fn load(broker: &Broker, records: usize, content_type: Option<&str>) -> Deployment {
    let kinds = Kinds::builtin();
    let mut deployment = Deployment::new(broker, &kinds, &[settings::PARTITIONS, 1, 1]);
    let configuration = &mut deployment.configuration;
    configuration.set_property("session.timeout.ms", "45000");
    configuration.set_property("heartbeat.interval.ms", "3000");
    configuration.set_text("months.idle_timeout", "5m");
    configuration.set_text("months.revision_interval", "24h");
    configuration.set_text("checkpoint.interval", "30s");

    let mut loader = Loader::new(&deployment.cluster).expect("a producer can be made");
    let topic = &deployment.topics.inputs[0];
    for item in logins::national(Rates::none()).take(records) {
        send(&mut loader, topic, &item, content_type);
    }
    loader.flush().expect("the broker takes records");
    deployment
}

fn send(loader: &mut Loader, topic: &str, item: &Item, content_type: Option<&str>) {
    let header = content_type.map(|value| [(wire::headers::CONTENT_TYPE, value)]);
    let record = LoadRecord {
        topic,
        partition: Some(item.partition),
        key: Some(&item.key),
        value: Some(&item.payload),
        headers: header.as_ref().map_or(&[], |headers| headers.as_slice()),
        timestamp: Some(item.timestamp),
    };
    loader.send(&record).expect("the broker takes records");
}
