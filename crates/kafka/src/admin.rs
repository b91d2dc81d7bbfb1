//! What is done to a cluster beside reading and writing: looking at topics, creating and deleting them,
//! and the group as the brokers see it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use engine::Error;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::cluster::Cluster;
use crate::context::{Consumer, Context as Notes, Detached};
use crate::lookup::serve;
use crate::native::{self, Rights};
use crate::topics::{Found, Inspection, Role, Topics, remark};
use crate::trouble::{Trouble, code_of, stopping_code};

/// How long any request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Pause before the brokers are asked again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many partitions and copies new topics get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Partitions of missing input topics; none leaves them missing.
    pub inputs: Option<u32>,
    /// Partitions of the partials topic. Fixed for good once it is in use.
    pub partials: u32,
    /// Partitions of the month-close topic. Fixed for good once it is in use.
    pub month_close: u32,
    /// Partitions of the dead letters topic.
    pub dead_letters: u32,
    /// Copies of each partition; none leaves it to the brokers.
    pub replication: Option<u32>,
}

/// How a topic is laid out.
struct Shape {
    partitions: u32,
    /// Of each partition, the fewest.
    copies: usize,
}

/// Administers a cluster.
pub struct Admin {
    client: Detached<AdminClient<Notes>>,
    observer: Consumer,
}

impl Admin {
    /// A client for administration; it connects when it is asked.
    ///
    /// # Errors
    /// If librdkafka refuses the configuration.
    pub fn new(cluster: &Cluster) -> Result<Self, Error> {
        let (config, context) = cluster.admin();
        let client = AdminClient::from_config_and_context(&config, context)
            .map_err(|error| Error::Configuration(format!("the admin client: {error}")))?;
        Ok(Self {
            client: Detached::new(client),
            observer: cluster.observer()?,
        })
    }

    /// Asks the cluster who is there: how many brokers.
    ///
    /// # Errors
    /// [`Error::World`] if nobody answers within ten seconds, [`Error::Configuration`] where a setting is
    /// the reason.
    pub fn brokers(&self) -> Result<usize, Error> {
        serve(&self.observer)?;
        match self.observer.fetch_metadata(None, ANSWER_WITHIN) {
            Ok(metadata) => {
                self.observer.context().note_answer();
                Ok(metadata.brokers().len())
            }
            Err(error) => {
                serve(&self.observer)?;
                Err(refused("no broker answers", code_of(&error)))
            }
        }
    }

    /// Looks at every topic, inputs by kind first. What is wrong with one keeps nobody from looking at the others.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn inspect(&self, topics: &Topics) -> Result<Vec<Inspection>, Error> {
        topics
            .all()
            .map(|(role, topic)| {
                let inspection = self.look_at(role, topic);
                let mut faults = inspection.faults.iter();
                if faults.any(|fault| matches!(fault, Error::World(_))) {
                    // Asking in vain for each topic would take a minute.
                    self.brokers()?;
                }
                Ok(inspection)
            })
            .collect()
    }

    fn look_at(&self, role: Role, topic: &str) -> Inspection {
        let shape = match self.shape(topic) {
            Ok(Some(shape)) => shape,
            Ok(None) => return Inspection::missing(topic, role),
            Err(error) => {
                let mut unknown = Inspection::new(topic, role, Found::Unknown);
                unknown.faults.push(error);
                return unknown;
            }
        };
        let partitions = shape.partitions;
        let mut inspection = Inspection::new(topic, role, Found::There { partitions });
        let faults = &mut inspection.faults;
        if let Err(code) = native::topic_ids(&self.observer, &[topic], ANSWER_WITHIN) {
            faults.push(refused(&format!("the id of {topic}"), code));
        }
        match self.settings(topic) {
            Ok(settings) => {
                let values = settings.entry_map();
                let value = |key: &str| values.get(key)?.value.as_deref();
                let named = |text| format!("the topic {topic}: {text}");
                let wrong = role.faults(value).into_iter().map(named);
                faults.extend(wrong.map(Error::Configuration));
                inspection.remarks = remark(shape.copies, value).map(named).into_iter().collect();
            }
            Err(error) => faults.push(error),
        }
        inspection
    }

    /// How many partitions a topic has; none if it is not there.
    fn partitions(&self, topic: &str) -> Result<Option<u32>, Error> {
        Ok(self.shape(topic)?.map(|shape| shape.partitions))
    }

    /// The partitions of a topic; none if it is not there.
    fn shape(&self, topic: &str) -> Result<Option<Shape>, Error> {
        serve(&self.observer)?;
        let what = format!("the partitions of {topic}");
        let metadata = self
            .observer
            .fetch_metadata(Some(topic), ANSWER_WITHIN)
            .map_err(|error| refused(&what, code_of(&error)))?;
        let found = metadata
            .topics()
            .iter()
            .find(|found| found.name() == topic)
            .ok_or_else(|| Error::World(format!("{what}: not told")))?;
        match found.error().map(Code::from) {
            None => {
                let partitions = found.partitions();
                let copies = partitions.iter().map(|of| of.replicas().len());
                Ok(Some(Shape {
                    partitions: u32::try_from(partitions.len()).unwrap_or(u32::MAX),
                    copies: copies.min().unwrap_or(0),
                }))
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(code) => Err(refused(&what, code)),
        }
    }

    /// Which rights the user lacks, on the topics that are there and on the group; Write on transactional ids can't be
    /// looked at without using one.
    #[must_use]
    pub fn missing_rights(&self, inspections: &[Inspection], group: &str) -> Vec<Error> {
        let mut missing = Vec::new();
        for inspection in inspections {
            let topic = &inspection.topic;
            if inspection.partitions().is_none() {
                continue;
            }
            match native::topic_rights(&self.observer, topic, ANSWER_WITHIN) {
                Ok(Some(rights)) => {
                    let (reads, writes) = inspection.role.reads_and_writes();
                    if reads && !rights.read {
                        missing.push(ungranted("Read", &format!("the topic {topic}")));
                    }
                    if writes && !rights.write {
                        missing.push(ungranted("Write", &format!("the topic {topic}")));
                    }
                }
                Ok(None) => {}
                Err(code) => missing.push(refused(&format!("the rights on {topic}"), code)),
            }
        }
        match self.group_rights(group) {
            Ok(Some(rights)) if !rights.read => {
                missing.push(ungranted("Read", &format!("the group {group}")));
            }
            // Brokers that tell nothing of a group that does not exist yet.
            Ok(_) | Err(Code::GroupIdNotFound) => {}
            Err(code) => missing.push(refused(&format!("the rights on the group {group}"), code)),
        }
        missing
    }

    /// The first question about any group makes brokers create the topic that they keep offsets in: nobody is the
    /// coordinator until they have.
    fn group_rights(&self, group: &str) -> Result<Option<Rights>, Code> {
        let until = Instant::now() + ANSWER_WITHIN;
        loop {
            match native::group_rights(&self.observer, group, ANSWER_WITHIN) {
                Err(code) if Trouble::of(code) == Trouble::Passing && Instant::now() < until => {
                    thread::sleep(LOOK_EVERY);
                }
                answer => return answer,
            }
        }
    }

    fn settings(&self, topic: &str) -> Result<ConfigResource, Error> {
        let what = format!("the settings of {topic}");
        let asked = [ResourceSpecifier::Topic(topic)];
        let answer = block_on(self.client.describe_configs(asked.iter(), &options()))
            .map_err(|error| refused(&what, code_of(&error)))?;
        match answer.into_iter().next() {
            // rdkafka passes over what the brokers say instead of settings.
            Some(Ok(settings)) if settings.entries.is_empty() => Err(Error::Configuration(
                format!("{what} are not told: grant the user DescribeConfigs on the topic"),
            )),
            Some(Ok(settings)) => Ok(settings),
            Some(Err(code)) => Err(refused(&what, code)),
            None => Err(Error::World(format!("{what}: not told"))),
        }
    }

    /// Creates the topics that are missing; their names. One that is there is left as it is.
    ///
    /// # Errors
    /// The first topic that could not be created, with the reason.
    pub fn create(&self, topics: &Topics, counts: &Counts) -> Result<Vec<String>, Error> {
        let mut created = Vec::new();
        for (role, topic) in topics.all() {
            let partitions = match role {
                Role::Input => counts.inputs,
                Role::Partials => Some(counts.partials),
                Role::MonthClose => Some(counts.month_close),
                Role::DeadLetters => Some(counts.dead_letters),
            };
            if let Some(partitions) = partitions
                && self.partitions(topic)?.is_none()
                && self.create_topic(topic, partitions, counts.replication, role.settings())?
            {
                created.push(topic.to_owned());
            }
        }
        Ok(created)
    }

    /// Creates a topic, and waits until the brokers tell of it; false if it was there before.
    ///
    /// # Errors
    /// If the brokers refuse or do not answer.
    pub fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        replication: Option<u32>,
        settings: &[(&str, &str)],
    ) -> Result<bool, Error> {
        let what = format!("creating {topic}");
        let copies = replication.map_or(-1, |copies| i32::try_from(copies).unwrap_or(i32::MAX));
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(copies));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let options = options().operation_timeout(Some(ANSWER_WITHIN));
        let answer = block_on(self.client.create_topics([&new], &options));
        if let Ok(results) = &answer
            && let Some(Err((_, code @ Code::TopicAuthorizationFailed))) = results.first()
        {
            let advice = "grant the user Create on the topic, or let somebody else create it";
            return Err(Error::Configuration(format!("{what}: {code}: {advice}")));
        }
        let is_new = done(&what, answer, Code::TopicAlreadyExists)?;
        if is_new {
            self.wait_for(topic)?;
        }
        Ok(is_new)
    }

    /// Waits until the brokers tell of a topic that they have created: each hears of it in its own time.
    fn wait_for(&self, topic: &str) -> Result<(), Error> {
        let until = Instant::now() + ANSWER_WITHIN;
        while self.partitions(topic)?.is_none() {
            if Instant::now() >= until {
                return Err(Error::World(format!(
                    "{topic} was created and the brokers do not tell of it yet; look again"
                )));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Deletes a topic; false if it was not there.
    ///
    /// # Errors
    /// If the brokers refuse or do not answer.
    pub fn delete_topic(&self, topic: &str) -> Result<bool, Error> {
        let options = options().operation_timeout(Some(ANSWER_WITHIN));
        done(
            &format!("deleting {topic}"),
            block_on(self.client.delete_topics(&[topic], &options)),
            Code::UnknownTopicOrPartition,
        )
    }

    /// Deletes a group with its offsets; false if there was none.
    ///
    /// # Errors
    /// [`Error::World`] if it has members; if the brokers refuse or do not answer.
    pub fn delete_group(&self, group: &str) -> Result<bool, Error> {
        let answer = block_on(self.client.delete_groups(&[group], &options()));
        if let Ok(results) = &answer
            && let Some(Err((_, Code::NonEmptyGroup))) = results.first()
        {
            return Err(Error::World(format!(
                "the group {group} has members: stop every instance first; one that was killed is a member until \
                 its session is over"
            )));
        }
        done(
            &format!("deleting the group {group}"),
            answer,
            Code::GroupIdNotFound,
        )
    }
}

/// The name of what a request was about, with the reason if it was refused.
type Answer = Result<String, (String, Code)>;

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WITHIN))
}

/// Whether a request about one thing was carried out; false if `already` says that there was nothing to do.
fn done(what: &str, answer: Result<Vec<Answer>, KafkaError>, already: Code) -> Result<bool, Error> {
    let answer = answer.map_err(|error| refused(what, code_of(&error)))?;
    match answer.into_iter().next() {
        Some(Ok(_)) => Ok(true),
        Some(Err((_, code))) if code == already => Ok(false),
        Some(Err((_, code))) => Err(refused(what, code)),
        None => Err(Error::World(format!("{what}: not answered"))),
    }
}

fn ungranted(right: &str, on: &str) -> Error {
    Error::Configuration(format!("grant the user {right} on {on}"))
}

/// A command does not wait for what passes by itself: the person who gave it may do so.
fn refused(what: &str, code: Code) -> Error {
    match Trouble::of(code) {
        Trouble::Passing => Error::World(format!("{what}: {code}")),
        Trouble::Setting(_) | Trouble::World => {
            stopping_code(what, code).unwrap_or_else(|| Error::World(format!("{what}: {code}")))
        }
    }
}

/// Waits for one future on this thread; rdkafka completes it from a thread of its own.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
