//! Input topics of a real broker, filled before anything reads them.

use kafka::{LoadRecord, Loader};
use model::Kinds;
use tests::Broker;
use tests::system::Deployment;
use workload::Item;

/// A deployment with so many partitions of each kind, and with the settings that operators have unless they choose
/// others, instead of those that spare tests waiting.
#[must_use]
pub fn deployment(broker: &Broker, partitions: &[u32; 3]) -> Deployment {
    let mut deployment = Deployment::new(broker, &Kinds::builtin(), partitions);
    let configuration = &mut deployment.configuration;
    configuration.set_property("session.timeout.ms", "45000");
    configuration.set_property("heartbeat.interval.ms", "3000");
    configuration.set_text("months.idle_timeout", "5m");
    configuration.set_text("months.revision_interval", "24h");
    configuration.set_text("checkpoint.interval", "30s");
    deployment
}

/// Puts records into the input topics, each with this `content-type` if there is one, and comes back with how many.
///
/// # Panics
/// If the broker refuses.
pub fn load(
    deployment: &Deployment,
    items: impl Iterator<Item = Item>,
    content_type: Option<&str>,
) -> u64 {
    let mut loader = Loader::new(&deployment.cluster).expect("a producer can be made");
    let header = content_type.map(|value| [(wire::headers::CONTENT_TYPE, value)]);
    let headers = header
        .as_ref()
        .map_or(&[][..], |headers| headers.as_slice());
    let mut records = 0;
    for item in items {
        let record = LoadRecord {
            topic: &deployment.topics.inputs[usize::from(item.kind.0)],
            partition: Some(item.partition),
            key: Some(&item.key),
            value: Some(&item.payload),
            headers,
            timestamp: Some(item.timestamp),
        };
        loader.send(&record).expect("the broker takes records");
        records += 1;
    }
    loader.flush().expect("the broker takes records");
    records
}
