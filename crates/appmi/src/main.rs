//! `appmi`: the life of the process, from its arguments to its exit code.

use std::path::Path;
use std::process::ExitCode;

use appmi::cli::{Cli, Command, Global, Inspect};
use appmi::config::{self, Config, Refused};
use appmi::exit::{self, Exit};
use appmi::signals::StopRequest;
use appmi::{check, demo, host, inspect, logging, output, reset, run, settings, topics};
use clap::{CommandFactory, Parser};

/// Overrides `malloc`, so that librdkafka and RocksDB allocate from it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.global.log_format, cli.global.log_level.clone());
    exit::of(|| obey(cli)).code().into()
}

fn obey(cli: Cli) -> Exit {
    match cli.command {
        Command::Run => configured(&cli.global, |config| {
            stoppable(|stop| run::run(&config, &stop))
        }),
        Command::Demo(arguments) => stoppable(|stop| demo::demo(&arguments, stop)),
        Command::Check => check::check(load(&cli.global)),
        Command::Topics(arguments) => {
            configured(&cli.global, |config| topics::topics(&config, &arguments))
        }
        Command::Settings(arguments) => configured(&cli.global, |config| {
            settings::settings(&config, arguments.apply)
        }),
        Command::Inspect(arguments) => inspect_state(&cli.global, &arguments),
        Command::Reset(arguments) => {
            configured(&cli.global, |config| reset::reset(&config, arguments.yes))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "appmi", &mut script);
            answer(&String::from_utf8_lossy(&script))
        }
    }
}

/// Goes on with a configuration that holds together, or tells all that is wrong with it.
fn configured(global: &Global, go_on: impl FnOnce(Config) -> Exit) -> Exit {
    match load(global) {
        Ok(config) => go_on(config),
        Err(refused) => {
            output::refuse("the configuration cannot stand", &refused.problems.0);
            Exit::Configuration
        }
    }
}

fn load(global: &Global) -> Result<Config, Refused> {
    let loaded = config::load(global.config.as_deref(), std::env::vars_os())?;
    for warning in loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.config)
}

/// Tells what the named state directory holds, or the configured one.
fn inspect_state(global: &Global, arguments: &Inspect) -> Exit {
    let now = host::wall_clock()();
    let inspected = |dir: &Path, idle_timeout| match inspect::inspect(dir, idle_timeout, now) {
        Ok(inspection) if arguments.json => answer(&format!("{:#}\n", inspection.to_json())),
        Ok(inspection) => answer(&inspection.to_text()),
        Err(error) => {
            output::refuse("the state can't be inspected", &[&error]);
            Exit::of(&error)
        }
    };
    match &arguments.state_dir {
        Some(dir) => inspected(dir, inspect::IDLE_TIMEOUT),
        None => configured(global, |config| {
            inspected(&config.state_dir, config.months.idle_timeout)
        }),
    }
}

/// Goes on until done or asked to stop by a signal.
fn stoppable(go_on: impl FnOnce(StopRequest) -> Exit) -> Exit {
    match StopRequest::listen() {
        Ok(stop) => go_on(stop),
        Err(error) => {
            tracing::error!(%error, "signals can't be listened to");
            Exit::World
        }
    }
}

fn answer(text: &str) -> Exit {
    match output::answer(text) {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!(%error, "standard output cannot be written");
            Exit::World
        }
    }
}
