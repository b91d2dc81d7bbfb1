//! `appmi demo`: the main job on a log in memory, fed with made-up events shaped after the published
//! figures, and compared with the exact truth.
//!
//! It is the loop of `run` over a real state directory; only the log is in this process, and time is
//! that of the events.

mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Options;
use indicatif::{ProgressBar, ProgressStyle};
use memlog::{Cluster, InputRecord, MemCheckpoints, MemJournal, MemReleases, MemSource};
use model::{Geography, Month};
use store::{RocksStore, Sizes};
use workload::{Item, Oracle, Profile, Workload};

use crate::cli::Demo;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::host::ProcessHost;
use crate::http::Health;
use crate::metrics;
use crate::output;
use crate::pipeline::{LogPorts, Pipeline, engine_options, exit_of, serve};
use crate::signals::StopRequest;

/// Months of the demo, from the first published one on.
const MONTHS: u32 = 3;
/// Between two checkpoints, in the time of the events.
const CHECKPOINT_INTERVAL: Duration = Duration::from_hours(12);
/// The log in memory is compacted once in so many days of the events.
const COMPACT_DAYS: u64 = 7;

/// Why the demo ended early.
enum Stopped {
    Asked,
    Failed(engine::Error),
}

impl From<engine::Error> for Stopped {
    fn from(error: engine::Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs the demo.
#[must_use]
pub fn demo(arguments: &Demo, stop: StopRequest) -> Exit {
    let scratch = match tempfile::tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            tracing::error!(%error, "no temporary folder can be made; set TMPDIR to one that is writable");
            return Exit::World;
        }
    };
    let config = match configuration(scratch.path()) {
        Ok(config) => config,
        Err(refused) => {
            output::refuse("the demo cannot be configured", &refused.problems.0);
            return Exit::Configuration;
        }
    };
    let dir = arguments
        .state_dir
        .clone()
        .unwrap_or_else(|| scratch.path().join("state"));
    if std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let what = format!(
            "{} is not empty: name a new folder, the demo's log begins anew each time",
            dir.display()
        );
        output::refuse("the demo can't keep its state there", &[what]);
        return Exit::Usage;
    }
    match Stage::set(arguments, &config, &dir, &stop) {
        Ok(stage) => stage.play(arguments, &stop),
        Err(exit) => exit,
    }
}

/// The defaults with a key of the demo's own; the environment may say otherwise.
fn configuration(scratch: &std::path::Path) -> Result<Config, config::Refused> {
    let key = scratch.join("pseudonym.key");
    let written = std::fs::write(
        &key,
        "the demo's key: its events are made up, nobody is behind them\n",
    );
    if let Err(error) = written {
        tracing::error!(%error, "the demo's key can't be written");
    }
    let text = format!(
        "[months]\nfirst_month = \"2025-03\"\n[privacy]\nkey_file = {:?}\n",
        key.display().to_string()
    );
    config::parse(
        std::path::Path::new("demo.toml"),
        &text,
        std::env::vars_os(),
    )
    .map(|loaded| loaded.config)
}

/// Everything that the demo plays with.
struct Stage {
    options: Options,
    workload: workload::Options,
    cluster: Cluster,
    pipeline: Pipeline,
    oracle: Oracle,
    server: Option<crate::http::Server>,
    appended: u64,
    released: Option<Month>,
}

impl Stage {
    fn set(
        arguments: &Demo,
        config: &Config,
        dir: &std::path::Path,
        stop: &StopRequest,
    ) -> Result<Self, Exit> {
        let workload = workload_options(arguments, config);
        let mut options = engine_options(config);
        options.checkpoint_interval = CHECKPOINT_INTERVAL;
        let practices = ("practices of the demo", workload.practices.text());
        options.geography = Geography::load(None, Some(practices)).map_err(|problems| {
            output::refuse(
                "the demo's practices don't fit the reference data",
                &problems,
            );
            Exit::Bug
        })?;
        let oracle = Oracle::new(&workload::oracle::Options::new(
            workload.first_month,
            workload.practices.text(),
            &workload.kinds,
        ));
        let oracle = oracle.map_err(|error| {
            tracing::error!(%error, "the oracle can't be made");
            Exit::Bug
        })?;
        let partitions = workload.partitions;
        let mut counts = vec![
            partitions.logins,
            partitions.prescription_orders,
            partitions.registrations,
        ];
        // Kinds that were added by the environment have a topic too, and no events.
        counts.resize(options.kinds.len(), 1);
        let cluster = Cluster::new(&counts, 4, 1);
        let (metrics, exporter) = metrics::new(&options.kinds);
        let health = Arc::new(Health::new(Instant::now()));
        let server = if arguments.serve {
            serve(config, &health, exporter)?
        } else {
            None
        };
        let time = cluster.clone();
        let clock = Box::new(move || time.now());
        let host = ProcessHost::new(clock, stop.clone(), options.kinds.clone(), metrics, health);
        let store = RocksStore::open(dir, Sizes::default()).map_err(|error| {
            tracing::error!("{error}");
            Exit::World
        })?;
        let source = MemSource::new(&cluster);
        let log = LogPorts {
            checkpoints: Box::new(MemCheckpoints::new(&source, "demo")),
            source: Box::new(source),
            journal: Box::new(MemJournal::new(&cluster)),
            releases: Box::new(MemReleases::new(&cluster)),
        };
        let pipeline = Pipeline::new(log, store, host);
        Ok(Self {
            options,
            workload,
            cluster,
            pipeline,
            oracle,
            server,
            appended: 0,
            released: None,
        })
    }

    fn play(mut self, arguments: &Demo, stop: &StopRequest) -> Exit {
        let began = Instant::now();
        let exit = match self.months(arguments) {
            Ok(()) => {
                let report = table::report(&self.cluster, &self.oracle, &self.options);
                let total = self.pipeline.host().total();
                let counted = table::closing_words(&total, began.elapsed(), arguments);
                match output::answer(&format!("{report}\n{counted}")) {
                    Ok(()) => self.serve_on(stop),
                    Err(_) => Exit::World,
                }
            }
            Err(Stopped::Asked) => Exit::Done,
            Err(Stopped::Failed(error)) => exit_of(&error),
        };
        if let Some(server) = self.server {
            server.stop();
        }
        exit
    }

    /// Feeds all events, day by day, then lets time pass until the last month is released.
    fn months(&mut self, arguments: &Demo) -> Result<(), Stopped> {
        let last = self
            .workload
            .first_month
            .plus(i32::try_from(MONTHS).unwrap_or(1) - 1);
        let bar = progress(arguments);
        let workload = Workload::new(Profile::published(), &self.workload);
        let mut day = None;
        let mut days = 0;
        for item in workload {
            let today = item.timestamp.as_millis().div_euclid(86_400_000);
            if day.is_some_and(|day| day != today) {
                self.catch_up(&bar)?;
                days += 1;
                if days % COMPACT_DAYS == 0 {
                    self.cluster.compact_partials();
                }
                bar.set_position(days);
            }
            day = Some(today);
            self.oracle.observe(&item);
            self.append(item);
        }
        self.catch_up(&bar)?;
        bar.set_message("all events are read; waiting for the last month's grace to pass");
        let end = self.options.calendar.end_of(last);
        self.cluster
            .advance_to(end.saturating_add(self.options.grace));
        while self.pipeline.view().and_then(engine::View::latest_closed) < Some(last) {
            self.turn(&bar)?;
            let now = self.cluster.now();
            self.cluster
                .advance_to(now.saturating_add(self.options.idle_timeout));
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn append(&mut self, item: Item) {
        self.cluster.advance_to(item.timestamp);
        self.appended += 1;
        let partition = item.input_partition();
        let Item {
            timestamp,
            content_type,
            payload,
            ..
        } = item;
        self.cluster.append(
            partition,
            InputRecord {
                timestamp,
                content_type,
                payload,
            },
        );
    }

    /// Turns until every record has been looked at.
    fn catch_up(&mut self, bar: &ProgressBar) -> Result<(), Stopped> {
        loop {
            let total = self.pipeline.host().total();
            if total.counted + total.duplicates + total.dead_letters >= self.appended {
                break;
            }
            self.turn(bar)?;
        }
        self.cluster.truncate_committed();
        let total = self.pipeline.host().total();
        bar.set_message(format!(
            "{} counted, {} duplicates, {} dead letters",
            total.counted, total.duplicates, total.dead_letters
        ));
        Ok(())
    }

    fn turn(&mut self, bar: &ProgressBar) -> Result<(), Stopped> {
        if !self.pipeline.turn(&self.options)? {
            return Err(Stopped::Asked);
        }
        let released = self.pipeline.view().and_then(engine::View::latest_closed);
        if released > self.released {
            self.released = released;
            if let Some(month) = released {
                bar.println(format!("{month} is closed and released"));
            }
        }
        Ok(())
    }

    fn serve_on(&mut self, stop: &StopRequest) -> Exit {
        let Some(server) = &self.server else {
            return Exit::Done;
        };
        tracing::info!(address = %server.address(), "serving until told to stop, with Ctrl-C for example");
        while !stop.is_made() {
            if let Err(error) = self.pipeline.turn(&self.options) {
                return exit_of(&error);
            }
            std::thread::park_timeout(Duration::from_millis(100));
        }
        Exit::Done
    }
}

fn workload_options(arguments: &Demo, config: &Config) -> workload::Options {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the share is above 0 and up to 1, and the cast saturates"
    )]
    let one_in = (1.0 / arguments.scale).round() as u64;
    workload::Options {
        seed: arguments.seed,
        one_in,
        first_month: config.months.first_month,
        months: MONTHS,
        payload_bytes_max: config.input.max_bytes,
        ..workload::Options::default()
    }
}

fn progress(arguments: &Demo) -> ProgressBar {
    let days = 92;
    let bar = ProgressBar::new(days);
    let style = ProgressStyle::with_template("{bar:30} day {pos} of {len}  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.println(format!(
        "three months of made-up events at {} of the national volume, seed {}, on a log in memory",
        arguments.scale, arguments.seed
    ));
    bar
}
