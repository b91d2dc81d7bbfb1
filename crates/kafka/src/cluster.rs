//! Where the brokers are and how clients are made: the operator's properties, and on top of them those
//! that correctness needs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use engine::Error;
use rdkafka::ClientConfig;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;

use crate::context::{Consumer, Context, Detached, Producer, Reach};

/// A property whose value correctness needs; another value is refused.
struct Fixed(Side, &'static str, &'static str, &'static str);

/// Which clients a property is for. librdkafka warns of those that it has no use for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Consumer,
    Producer,
    /// The member of the group alone, in the classic protocol.
    Member,
}

const FIXED: [Fixed; 10] = [
    Fixed(
        Side::Consumer,
        "isolation.level",
        "read_committed",
        "aborted records must not be counted",
    ),
    Fixed(
        Side::Consumer,
        "enable.auto.commit",
        "false",
        "offsets are committed with their counts",
    ),
    Fixed(
        Side::Consumer,
        "enable.auto.offset.store",
        "false",
        "offsets are committed with their counts",
    ),
    Fixed(
        Side::Consumer,
        "auto.offset.reset",
        "error",
        "a truncated log must not be skipped",
    ),
    Fixed(
        Side::Consumer,
        "enable.partition.eof",
        "true",
        "an idle partition is recognised by it",
    ),
    Fixed(
        Side::Member,
        "partition.assignment.strategy",
        "cooperative-sticky",
        "partitions change hands one by one",
    ),
    Fixed(
        Side::Consumer,
        "allow.auto.create.topics",
        "false",
        "a misspelt topic is an error",
    ),
    Fixed(
        Side::Producer,
        "enable.idempotence",
        "true",
        "a record must not be written twice",
    ),
    Fixed(
        Side::Producer,
        "acks",
        "all",
        "what is published must not be lost",
    ),
    // Another name of the same.
    Fixed(
        Side::Producer,
        "request.required.acks",
        "all",
        "what is published must not be lost",
    ),
];

/// Properties that have another place.
const ELSEWHERE: [(&str, &str); 6] = [
    ("bootstrap.servers", "set kafka.bootstrap_servers"),
    ("metadata.broker.list", "set kafka.bootstrap_servers"),
    ("group.id", "set kafka.group_id"),
    ("transactional.id", "it is drawn at each start"),
    ("log.queue", "appmi writes the log"),
    (
        "transaction.timeout.ms",
        "it is fixed: a dead instance must not hold readers up for long",
    ),
];

/// Meant for the member of the group only; every other client does without.
const MEMBER_ONLY: [&str; 5] = [
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "session.timeout.ms",
    "heartbeat.interval.ms",
];

/// The brokers' own in the group protocol of KIP-848, `"group.protocol" = "consumer"`.
const OF_CLASSIC: [&str; 3] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
];

/// Partitions that are added to an input topic are assigned once a member has asked the brokers anew: after ten
/// seconds, where librdkafka would take five minutes.
const NEW_PARTITIONS: (&str, &str) = ("topic.metadata.refresh.interval.ms", "10000");

/// A Kafka cluster as one process reaches it, and the group that the process belongs to.
#[derive(Clone)]
pub struct Cluster {
    bootstrap_servers: String,
    group_id: String,
    properties: BTreeMap<String, String>,
    reach: Arc<Reach>,
}

impl Cluster {
    /// Names a cluster; nothing is connected yet. `properties` are librdkafka's and go to every client.
    ///
    /// # Errors
    /// Every property that librdkafka does not know or that contradicts what appmi needs, each as a
    /// sentence.
    pub fn new(
        bootstrap_servers: &str,
        group_id: &str,
        properties: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<String>> {
        // First of all who use OpenSSL, so that it cleans nothing up when the process ends: clients end on threads of
        // their own, and one that still speaks TLS then would crash.
        openssl_sys::init();
        let properties: BTreeMap<String, String> = properties.into_iter().collect();
        let mut refused: Vec<String> = properties
            .iter()
            .filter_map(|(key, value)| {
                let reason = refused_property(key, value)?;
                Some(format!("kafka.properties: \"{key}\" {reason}"))
            })
            .collect();
        if is_consumer_protocol(&properties) {
            let classic = OF_CLASSIC
                .iter()
                .filter(|key| properties.contains_key(**key));
            refused.extend(classic.map(|key| {
                format!(
                    "kafka.properties: \"{key}\" is for the brokers to set where \"group.protocol\" is \"consumer\": \
                     remove the line"
                )
            }));
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        Ok(Self {
            bootstrap_servers: bootstrap_servers.to_owned(),
            group_id: group_id.to_owned(),
            properties,
            reach: Arc::default(),
        })
    }

    /// The group's id.
    #[must_use]
    pub fn group_id(&self) -> &str {
        &self.group_id
    }

    /// The member of the group.
    pub(crate) fn member(&self, more: &[(&str, &str)]) -> Result<Consumer, Error> {
        let mut more = more.to_vec();
        more.push(NEW_PARTITIONS);
        let mut config = self.config(Side::Consumer, &more);
        for key in MEMBER_ONLY {
            if let Some(value) = self.properties.get(key) {
                config.set(key, value);
            }
        }
        if !is_consumer_protocol(&self.properties) {
            set_fixed(&mut config, Side::Member);
        }
        config.set("group.id", &self.group_id);
        self.create::<BaseConsumer<Context>>("source", &config)
            .map(Detached::new)
    }

    /// A consumer outside of the group. It bears the group's id all the same, for librdkafka assigns
    /// nothing without one and the operator has granted this one; it never joins and never commits.
    pub(crate) fn reader(
        &self,
        client: &'static str,
        more: &[(&str, &str)],
    ) -> Result<Consumer, Error> {
        let mut config = self.config(Side::Consumer, more);
        config.set("group.id", &self.group_id);
        self.create::<BaseConsumer<Context>>(client, &config)
            .map(Detached::new)
    }

    /// A client that reads no records. It sees open transactions, so it knows high watermarks.
    pub(crate) fn observer(&self) -> Result<Consumer, Error> {
        let mut config = self.config(Side::Consumer, &[]);
        config.set("isolation.level", "read_uncommitted");
        self.create::<BaseConsumer<Context>>("lookup", &config)
            .map(Detached::new)
    }

    /// A producer.
    pub(crate) fn producer(
        &self,
        client: &'static str,
        more: &[(&str, &str)],
    ) -> Result<Producer, Error> {
        self.create::<BaseProducer<Context>>(client, &self.config(Side::Producer, more))
            .map(Detached::new)
    }

    /// The configuration of a client for administration.
    pub(crate) fn admin(&self) -> (ClientConfig, Context) {
        (self.config(Side::Producer, &[]), self.context("admin"))
    }

    /// The operator's properties win over `more`, what correctness needs wins over both.
    fn config(&self, side: Side, more: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Info)
            .set("client.id", "appmi")
            // A broker that comes back is found within two seconds and not within ten.
            .set("reconnect.backoff.max.ms", "2000");
        for (key, value) in more {
            config.set(*key, *value);
        }
        for (key, value) in &self.properties {
            if !MEMBER_ONLY.contains(&key.as_str()) {
                config.set(key, value);
            }
        }
        set_fixed(&mut config, side);
        config.remove("request.required.acks");
        config.set("bootstrap.servers", &self.bootstrap_servers);
        config
    }

    fn context(&self, client: &'static str) -> Context {
        Context::new(client, Arc::clone(&self.reach))
    }

    fn create<T: FromClientConfigAndContext<Context>>(
        &self,
        client: &'static str,
        config: &ClientConfig,
    ) -> Result<T, Error> {
        config
            .create_with_context(self.context(client))
            .map_err(|error| Error::Configuration(format!("the {client} client: {error}")))
    }
}

/// Without the properties: they hold passwords.
impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .finish_non_exhaustive()
    }
}

fn set_fixed(config: &mut ClientConfig, side: Side) {
    for Fixed(of, key, value, _) in FIXED {
        if of == side {
            config.set(key, value);
        }
    }
}

fn is_consumer_protocol(properties: &BTreeMap<String, String>) -> bool {
    properties
        .get("group.protocol")
        .is_some_and(|protocol| protocol == "consumer")
}

/// Why a property of the operator's can't be used: what completes a sentence that begins with its name.
#[must_use]
pub fn refused_property(key: &str, value: &str) -> Option<String> {
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(name, _)| *name == key) {
        return Some(format!("can't be set here: {instead}"));
    }
    if let Some(Fixed(_, _, needed, why)) = FIXED.iter().find(|Fixed(_, name, ..)| *name == key) {
        let same = value == *needed || (key.ends_with("acks") && value == "-1");
        return (!same).then(|| format!("must stay \"{needed}\": {why}; remove the line"));
    }
    let mut config = ClientConfig::new();
    config.set(key, value);
    let error = config.create_native_config().err()?;
    let reason = match &error {
        rdkafka::error::KafkaError::ClientConfig(_, reason, ..) => reason.clone(),
        other => other.to_string(),
    };
    Some(format!("is refused by librdkafka: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(properties: &[(&str, &str)]) -> Result<Cluster, Vec<String>> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Cluster::new("localhost:9092", "appmi", properties.iter().map(owned))
    }

    #[test]
    fn every_property_that_contradicts_is_named_with_its_reason() {
        let refused = cluster(&[
            ("isolation.level", "read_uncommitted"),
            ("group.id", "other"),
            ("sasl.mechanisms", "PLAIN"),
            ("no.such.property", "1"),
            ("linger.ms", "soon"),
        ])
        .expect_err("four are wrong");
        assert_eq!(refused.len(), 4, "{refused:?}");
        assert!(refused[0].contains("kafka.group_id"), "{refused:?}");
        assert!(refused[1].contains("aborted records must not be counted"));
        assert!(refused[2].contains("linger.ms"));
        assert!(refused[3].contains("no.such.property"));
    }

    #[test]
    fn saying_what_is_so_anyway_is_no_contradiction() {
        assert!(cluster(&[("enable.auto.commit", "false"), ("acks", "-1")]).is_ok());
    }

    #[test]
    fn the_operator_tunes_every_client_but_never_what_correctness_needs() {
        let cluster = cluster(&[("linger.ms", "50"), ("socket.keepalive.enable", "true")]).unwrap();
        let config = cluster.config(
            Side::Consumer,
            &[("linger.ms", "5"), ("batch.size", "1000")],
        );
        assert_eq!(config.get("linger.ms"), Some("50"));
        assert_eq!(config.get("batch.size"), Some("1000"));
        assert_eq!(config.get("isolation.level"), Some("read_committed"));
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
    }

    #[test]
    fn the_group_protocol_of_kip_848_is_the_members_and_leaves_times_to_the_brokers() {
        let opted = cluster(&[("group.protocol", "consumer")]).unwrap();
        assert_eq!(
            opted.config(Side::Consumer, &[]).get("group.protocol"),
            None
        );
        assert!(opted.member(&[]).is_ok(), "librdkafka takes it");
        let refused = cluster(&[
            ("group.protocol", "consumer"),
            ("session.timeout.ms", "6000"),
        ]);
        let refused = refused.expect_err("librdkafka would refuse it");
        assert!(
            refused[0].contains("is for the brokers to set"),
            "{refused:?}"
        );
        assert!(cluster(&[("group.protocol", "modern")]).is_err());
    }

    #[test]
    fn only_the_member_of_the_group_is_static() {
        let cluster = cluster(&[("group.instance.id", "appmi-0")]).unwrap();
        assert_eq!(
            cluster.config(Side::Consumer, &[]).get("group.instance.id"),
            None
        );
    }
}
