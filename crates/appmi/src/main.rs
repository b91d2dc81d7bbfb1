//! `appmi`: the life of the process, from its arguments to its exit code.

use std::process::ExitCode;

use appmi::cli::{Cli, Command, Global};
use appmi::config::{self, Config};
use appmi::exit::{self, Exit};
use appmi::{logging, output};
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
        Command::Check => configured(&cli.global, |config| {
            answer(&format!(
                "the configuration holds together: {} kinds of events, months from {}\n",
                config.kinds.len(),
                config.months.first_month
            ))
        }),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "appmi", &mut script);
            answer(&String::from_utf8_lossy(&script))
        }
        Command::Run
        | Command::Demo(_)
        | Command::Topics(_)
        | Command::Settings(_)
        | Command::Inspect(_) => {
            output::refuse(
                "this build has no pipeline",
                &["build it with the engine wired in"],
            );
            Exit::Usage
        }
    }
}

/// Goes on with a configuration that holds together, or tells all that is wrong with it.
fn configured(global: &Global, go_on: impl FnOnce(Config) -> Exit) -> Exit {
    match config::load(global.config.as_deref(), std::env::vars_os()) {
        Ok(loaded) => {
            for warning in loaded.warnings {
                tracing::warn!("{warning}");
            }
            go_on(loaded.config)
        }
        Err(config::Problems(problems)) => {
            output::refuse("the configuration cannot stand", &problems);
            Exit::Configuration
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
