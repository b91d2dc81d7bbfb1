//! The engine with its ports, as `run` and `demo` drive it: the same loop, on Kafka or in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ports::{Checkpoints, Error, Journal, Ports, Releases, Source};
use engine::{Instance, Options, View};
use store::RocksStore;

use crate::config::Config;
use crate::exit::Exit;
use crate::host::ProcessHost;
use crate::http::{Health, Server, router};
use crate::metrics::Exporter;

/// How often the memory and disk of the state are measured.
const USAGE_INTERVAL: Duration = Duration::from_secs(10);

/// The ports of the log that an instance runs on.
pub struct LogPorts {
    /// Input topics and the group.
    pub source: Box<dyn Source>,
    /// Checkpoint transactions.
    pub checkpoints: Box<dyn Checkpoints>,
    /// Reader of the owned topics.
    pub journal: Box<dyn Journal>,
    /// The leader's transactions.
    pub releases: Box<dyn Releases>,
}

/// An instance and everything around it.
pub struct Pipeline {
    log: LogPorts,
    store: RocksStore,
    host: ProcessHost,
    instance: Option<Instance>,
    used_at: Option<Instant>,
}

impl Pipeline {
    /// An instance on these ports; the view is opened at the first turn.
    #[must_use]
    pub fn new(log: LogPorts, store: RocksStore, host: ProcessHost) -> Self {
        Self {
            log,
            store,
            host,
            instance: None,
            used_at: None,
        }
    }

    /// One turn of the loop; false once it was asked to stop and has left the group.
    ///
    /// # Errors
    /// Whatever the process can't go on after.
    pub fn turn(&mut self, options: &Options) -> Result<bool, Error> {
        let mut ports = Ports {
            source: &mut *self.log.source,
            checkpoints: &mut *self.log.checkpoints,
            journal: &mut *self.log.journal,
            releases: &mut *self.log.releases,
            store: &mut self.store,
            host: &mut self.host,
        };
        let goes_on = match &mut self.instance {
            Some(instance) => instance.turn(&mut ports)?,
            None => {
                self.instance = Instance::open(options.clone(), &mut ports)?;
                self.instance.is_some()
            }
        };
        self.note_usage();
        Ok(goes_on)
    }

    /// Turns until it was asked to stop.
    ///
    /// # Errors
    /// As [`Pipeline::turn`].
    pub fn run(&mut self, options: &Options) -> Result<(), Error> {
        loop {
            match self.turn(options) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    // Else the group would wait for this member until its session is over: the next start too.
                    self.log.source.leave();
                    return Err(error);
                }
            }
        }
    }

    /// What has been read of the owned topics; none before the first turn.
    #[must_use]
    pub fn view(&self) -> Option<&View> {
        self.instance.as_ref().map(Instance::view)
    }

    /// The surroundings.
    #[must_use]
    pub fn host(&self) -> &ProcessHost {
        &self.host
    }

    fn note_usage(&mut self) {
        if self.used_at.is_some_and(|at| at.elapsed() < USAGE_INTERVAL) {
            return;
        }
        self.used_at = Some(Instant::now());
        let usage = self.store.usage();
        let metrics = self.host.metrics();
        metrics.instance.set_state_bytes(usage.disk);
        for (part, bytes) in [
            ("memtables", usage.memtables),
            ("block_cache", usage.cache),
            ("table_readers", usage.readers),
        ] {
            metrics.instance.set_rocksdb_memory(part, bytes);
        }
    }
}

/// What the engine needs of the configuration.
#[must_use]
pub fn engine_options(config: &Config) -> Options {
    Options {
        group_id: config.kafka.group_id.clone(),
        kinds: config.kinds.clone(),
        geography: config.geography.clone(),
        calendar: config.months.calendar.clone(),
        hash_key: config.key.clone(),
        precision: config.precision,
        first_month: config.months.first_month,
        grace: config.months.grace,
        idle_timeout: config.months.idle_timeout,
        max_skew: config.months.max_skew,
        retention_months: config.months.retention_months,
        revision_interval: config.months.revision_interval,
        deduplication_window: config.deduplication.window,
        deduplication_events_max: config.deduplication.events_max,
        encoding: config.input.encoding,
        payload_bytes_max: config.input.max_bytes,
        include_payload: config.include_payload,
        checkpoint_interval: config.checkpoint_interval,
        release_format: config.output_format,
    }
}

/// Serves HTTP where the configuration says, if it does.
///
/// # Errors
/// The exit, if the address can't be listened on; why is logged.
pub fn serve(
    config: &Config,
    health: &Arc<Health>,
    exporter: Exporter,
) -> Result<Option<Server>, Exit> {
    let Some(listen) = config.http_listen else {
        return Ok(None);
    };
    match Server::start(
        listen,
        router(Arc::clone(health), exporter, axum::Router::new()),
    ) {
        Ok(server) => {
            tracing::info!(address = %server.address(), "serving HTTP");
            Ok(Some(server))
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "HTTP can't be served"
            );
            Err(Exit::World)
        }
    }
}

/// The exit that an error of the engine means; it is logged.
#[must_use]
pub fn exit_of(error: &Error) -> Exit {
    tracing::error!("{error}");
    Exit::of(error)
}
