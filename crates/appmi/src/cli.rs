//! The command line: raw arguments, and nothing about what they mean together.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tracing_subscriber::filter::Targets;

/// NHS App event streams in, the measures of the monthly management information out.
#[derive(Debug, Parser)]
#[command(name = "appmi", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    stopped as asked, or done
  2    the command line is wrong
  65   data that contradicts itself: a truncated log, positions that differ
  70   a bug
  75   the world failed (broker gone, fenced, disk full); a restart may help
  78   the configuration, settings that differ from the recorded ones, or missing topics
  130  stopped at once by a second SIGINT; 143 by a second SIGTERM";

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The configuration, a TOML file; without one there are the defaults and the environment.
    ///
    /// A variable such as APPMI_KAFKA__GROUP_ID overrides the key kafka.group_id.
    #[arg(long, value_name = "FILE", env = "APPMI_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// How the log is written, which goes to standard error.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "APPMI_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    pub log_format: LogFormat,
    /// What is logged: a level, or levels by module such as `info,kafka=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        env = "APPMI_LOG",
        default_value = "info",
        global = true
    )]
    pub log_level: Targets,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Counts: reads the input topics, keeps the state, releases months, serves HTTP.
    Run,
    /// Shows it at work on made-up events, without Kafka: counts them and compares with the truth.
    Demo(Demo),
    /// Checks the configuration, the topics and the recorded settings, and changes nothing.
    ///
    /// Rights to read and write are looked at on topics and the group; Write on transactional ids can't be.
    Check,
    /// Shows the input topics and those that appmi owns and what is wrong with any, or creates the latter.
    Topics(Topics),
    /// Shows the settings in force beside the configured ones, or puts the configured ones in force.
    Settings(Settings),
    /// Shows what a state directory holds, without Kafka.
    Inspect(Inspect),
    /// Throws away all counts, to count anew from the input topics. Released months stay.
    ///
    /// Without --yes it only says what would happen. Refused (exit code 75) while an instance runs.
    Reset(Reset),
    /// Writes completions for a shell to standard output.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Arguments of `appmi demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// How many events, as a share of the national volume.
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = scale)]
    pub scale: f64,
    /// The same seed makes the same events.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Goes on serving HTTP when all is counted, until told to stop.
    #[arg(long)]
    pub serve: bool,
    /// Keeps the state in this folder; in a temporary one if left out.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// The largest demo: the national volume.
const SCALE_MAX: f64 = 1.0;

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if scale > 0.0 && scale <= SCALE_MAX {
        Ok(scale)
    } else {
        Err(format!("write a share above 0 and up to {SCALE_MAX}"))
    }
}

/// Arguments of `appmi topics`.
#[derive(Debug, Args)]
pub struct Topics {
    /// Creates those of appmi's own that are missing, set as it needs them. Leaves the others alone.
    #[arg(long)]
    pub create: bool,
    /// Copies of each partition; what the broker is set to if left out.
    #[arg(long, value_name = "N", requires = "create", value_parser = clap::value_parser!(u16).range(1..=15))]
    pub replication_factor: Option<u16>,
    /// Partitions of the partials topic. Fixed once settings are recorded.
    #[arg(long, value_name = "N", requires = "create", default_value_t = 12,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub partials_partitions: u32,
    /// Partitions of the month-close topic. Fixed once settings are recorded.
    #[arg(long, value_name = "N", requires = "create", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub month_close_partitions: u32,
    /// Partitions of the dead letters topic.
    #[arg(long, value_name = "N", requires = "create", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub dead_letters_partitions: u32,
}

/// Arguments of `appmi settings`.
#[derive(Debug, Args)]
pub struct Settings {
    /// Records the configured settings, which every instance then must have.
    #[arg(long)]
    pub apply: bool,
}

/// Arguments of `appmi inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The state directory; the configured one if left out.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Writes JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `appmi reset`.
#[derive(Debug, Args)]
pub struct Reset {
    /// Does it.
    #[arg(long)]
    pub yes: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_arguments_stand_before_or_after_the_command() {
        for line in ["appmi --config a.toml run", "appmi run --config a.toml"] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.global.config, Some(PathBuf::from("a.toml")));
            assert!(matches!(cli.command, Command::Run));
        }
    }

    #[test]
    fn a_filter_that_says_nothing_is_a_usage_error() {
        assert!(parse("appmi --log-level info,kafka=debug run").is_ok());
        assert_eq!(
            parse("appmi --log-level kafka=loud run").unwrap_err(),
            ErrorKind::ValueValidation
        );
    }

    #[test]
    fn a_demo_is_a_share_of_the_nation() {
        let Ok(Command::Demo(demo)) =
            parse("appmi demo --scale 0.5 --seed 7").map(|cli| cli.command)
        else {
            panic!("it is a demo");
        };
        assert_eq!((demo.scale, demo.seed, demo.serve), (0.5, 7, false));
        for wrong in ["0", "-1", "1.5", "NaN", "much"] {
            let line = format!("appmi demo --scale={wrong}");
            assert_eq!(
                parse(&line).unwrap_err(),
                ErrorKind::ValueValidation,
                "{wrong}"
            );
        }
    }

    #[test]
    fn numbers_of_partitions_are_for_creating() {
        assert!(parse("appmi topics").is_ok());
        assert!(
            parse("appmi topics --create --replication-factor 3 --partials-partitions 6").is_ok()
        );
        assert_eq!(
            parse("appmi topics --replication-factor 3").unwrap_err(),
            ErrorKind::MissingRequiredArgument
        );
    }
}
