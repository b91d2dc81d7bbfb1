//! `appmi run`: the engine on Kafka, until told to stop.

use std::sync::Arc;
use std::time::Instant;

use engine::Error;
use kafka::{Admin, Checkpoints, Cluster, Journal, Releases, Source, Topics};
use model::Kinds;
use store::{RocksStore, Sizes};

use crate::config::{self, Config, Kafka};
use crate::exit::Exit;
use crate::host::{ProcessHost, random_id, wall_clock};
use crate::http::Health;
use crate::metrics;
use crate::output;
use crate::pipeline::{LogPorts, Pipeline, engine_options, exit_of, serve};
use crate::signals::StopRequest;

/// The cluster that the configuration names.
///
/// # Errors
/// A sentence for each property that librdkafka does not know or that contradicts what appmi needs.
pub fn cluster(kafka: &Kafka) -> Result<Cluster, Vec<String>> {
    Cluster::new(
        &kafka.bootstrap_servers,
        &kafka.group_id,
        kafka.properties.clone(),
    )
}

/// The topics that the configuration names.
#[must_use]
pub fn topics(owned: &config::Topics, kinds: &Kinds) -> Topics {
    Topics {
        inputs: kinds.iter().map(|(_, kind)| kind.topic.clone()).collect(),
        partials: owned.partials.clone(),
        month_close: owned.month_close.clone(),
        dead_letters: owned.dead_letters.clone(),
    }
}

/// The cluster and the topics that a command works on.
///
/// # Errors
/// The exit, if the client properties can't stand; it has been said which.
pub fn reach(config: &Config) -> Result<(Cluster, Topics), Exit> {
    let cluster = cluster(&config.kafka).map_err(|problems| {
        output::refuse("the client properties can't stand", &problems);
        Exit::Configuration
    })?;
    Ok((cluster, topics(&config.topics, &config.kinds)))
}

/// Runs until told to stop.
#[must_use]
pub fn run(config: &Config, stop: &StopRequest) -> Exit {
    let (cluster, topics) = match reach(config) {
        Ok(reached) => reached,
        Err(exit) => return exit,
    };
    if let Err(exit) = check_topics(&cluster, &topics) {
        return exit;
    }
    let (metrics, exporter) = metrics::new(&config.kinds);
    let health = Arc::new(Health::new(Instant::now()));
    let server = match serve(config, &health, exporter) {
        Ok(server) => server,
        Err(exit) => return exit,
    };
    let host = ProcessHost::new(
        wall_clock(),
        stop.clone(),
        config.kinds.clone(),
        metrics,
        health,
    );
    let exit = match pipeline(config, &cluster, &topics, host) {
        Ok(mut pipeline) => match pipeline.run(&engine_options(config)) {
            Ok(()) => {
                tracing::info!("stopped as asked");
                Exit::Done
            }
            Err(error) => exit_of(&error),
        },
        Err(error) => exit_of(&error),
    };
    if let Some(server) = server {
        server.stop();
    }
    exit
}

pub(crate) fn check_topics(cluster: &Cluster, topics: &Topics) -> Result<(), Exit> {
    let inspected = Admin::new(cluster).and_then(|admin| admin.inspect(topics));
    let inspected = inspected.map_err(|error| exit_of(&error))?;
    let faults: Vec<Error> = inspected.into_iter().flat_map(|of| of.faults).collect();
    refuse_topics(&faults)
}

/// Says what is wrong with the topics.
///
/// # Errors
/// The exit that it means, if anything is.
pub(crate) fn refuse_topics(faults: &[Error]) -> Result<(), Exit> {
    if faults.is_empty() {
        return Ok(());
    }
    output::refuse("the topics are not as they must be", faults);
    Err(Exit::of_all(faults))
}

fn pipeline(
    config: &Config,
    cluster: &Cluster,
    topics: &Topics,
    host: ProcessHost,
) -> Result<Pipeline, Error> {
    let store = RocksStore::open(&config.state_dir, Sizes::default())
        .map_err(|error| Error::World(error.to_string()))?;
    let source = Source::new(cluster, topics.inputs.clone())?;
    let id = transactional_id(config);
    tracing::info!(
        transactional_id = id,
        "checkpoints are committed under this id"
    );
    let mut checkpoints = Checkpoints::new(cluster, &id, source.membership(), topics.clone());
    checkpoints.take()?;
    let log = LogPorts {
        checkpoints: Box::new(checkpoints),
        source: Box::new(source),
        journal: Box::new(Journal::new(cluster, topics.clone())?),
        releases: Box::new(Releases::new(cluster, topics.clone())),
    };
    Ok(Pipeline::new(log, store, host))
}

/// The id of the checkpoints' producer: the static member's own, which fences its former process, or one
/// that is drawn at each start, since the group's membership fences partitions.
fn transactional_id(config: &Config) -> String {
    let group = &config.kafka.group_id;
    match config.kafka.group_instance_id() {
        Some(instance) => format!("{group}-checkpoints-{instance}"),
        None => {
            let id: String = random_id()[..6]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!("{group}-checkpoints-{id}")
        }
    }
}
