//! The configuration: a TOML file and the environment over it, checked whole before anything starts.
//!
//! Raw values come in as a tree of paths, are taken out key by key and checked, and what nobody asked for
//! is refused. So there is no second list of keys that could differ from the first, and one run names
//! every problem. `deploy/appmi.example.toml` is the reference for operators; a test holds it to the
//! defaults that stand here.

mod environment;
mod files;
mod kinds;
mod problem;
mod reader;
mod schema;
mod tree;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Calendar, Geography, Kinds, Month};
use sketch::{HashKey, Precision};
use wire::events::Encoding;
use wire::releases::Format;

pub use problem::{Origin, Problem, Problems};
use reader::Reader;
use tree::Tree;

/// The table that any client property can stand in.
const PROPERTIES: &str = "kafka.properties";

/// A configuration that holds together.
#[derive(Debug, Clone)]
pub struct Config {
    /// How Kafka is reached.
    pub kafka: Kafka,
    /// The topics that appmi owns; those of the kinds stand in [`Config::kinds`].
    pub topics: Topics,
    /// The built-in kinds and those that were added, with their topics and baselines.
    pub kinds: Kinds,
    /// How input records are read.
    pub input: Input,
    /// The folder that the view is kept in. Deleting it is always safe.
    pub state_dir: PathBuf,
    /// The keys of the pseudonyms.
    pub key: HashKey,
    /// Whether dead letters carry the original payload.
    pub include_payload: bool,
    /// Reference data and the practice lookup.
    pub geography: Geography,
    /// Precision of the sketches.
    pub precision: Precision,
    /// When months begin, close and are forgotten.
    pub months: Months,
    /// How long identities are remembered.
    pub deduplication: Deduplication,
    /// Longest time between two checkpoints of a partition that changed.
    pub checkpoint_interval: Duration,
    /// Format of the released records.
    pub output_format: Format,
    /// Where HTTP is served; nowhere if none.
    pub http_listen: Option<SocketAddr>,
}

/// How Kafka is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    /// Comma-separated `host:port`.
    pub bootstrap_servers: String,
    /// Id of the consumer group; instances with the same one share the work.
    pub group_id: String,
    /// librdkafka properties for every client, passwords among them.
    pub properties: BTreeMap<String, String>,
}

impl Kafka {
    /// The id of static membership, where the operator chose it.
    #[must_use]
    pub fn group_instance_id(&self) -> Option<&str> {
        self.properties.get("group.instance.id").map(String::as_str)
    }
}

/// Without the values of properties, which may be secrets.
impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("group_id", &self.group_id)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

/// The topics that appmi owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Checkpoints: compacted, with the broker's append time.
    pub partials: String,
    /// Releases: compacted.
    pub month_close: String,
    /// Records that could not be counted: with retention.
    pub dead_letters: String,
}

/// How input records are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Encoding of records without a `content-type`.
    pub encoding: Encoding,
    /// Largest payload in bytes that is decoded; a larger one is a dead letter.
    pub max_bytes: usize,
}

/// When months begin, close and are forgotten.
#[derive(Debug, Clone)]
pub struct Months {
    /// The first month to publish.
    pub first_month: Month,
    /// Months in the configured time zone.
    pub calendar: Calendar,
    /// How long after its end a month waits for stragglers.
    pub grace: Duration,
    /// How long a partition that has been read to its end is silent before it is idle.
    pub idle_timeout: Duration,
    /// How far `occurred_at` may be ahead of the record's own timestamp.
    pub max_skew: Duration,
    /// Months kept behind the latest closed one, 11 or more.
    pub retention_months: u32,
    /// Least time between two releases of a month.
    pub revision_interval: Duration,
}

/// How long identities are remembered, to drop duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deduplication {
    /// Least event time.
    pub window: Duration,
    /// Most identities in a generation, per input partition.
    pub events_max: u32,
}

/// A configuration and what an operator should know about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed but not wise.
    pub warnings: Vec<String>,
}

/// What the configuration names outside of the process, each part if its own keys can stand: it can be looked
/// at even where others cannot.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// How Kafka is reached.
    pub kafka: Option<Kafka>,
    /// The topics that appmi owns, and the kinds with theirs.
    pub topics: Option<(Topics, Kinds)>,
    /// The folder that the view is kept in.
    pub state_dir: Option<PathBuf>,
    /// Where HTTP is served; nowhere if none.
    pub http_listen: Option<SocketAddr>,
}

/// A configuration that cannot stand.
#[derive(Debug, thiserror::Error)]
#[error("{problems}")]
pub struct Refused {
    /// Everything that is wrong with it.
    pub problems: Problems,
    /// What can be looked at all the same.
    pub outside: Box<Outside>,
}

impl Outside {
    /// All that a configuration names.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            kafka: Some(config.kafka.clone()),
            topics: Some((config.topics.clone(), config.kinds.clone())),
            state_dir: Some(config.state_dir.clone()),
            http_listen: config.http_listen,
        }
    }

    /// Without what a problem is about: a default in its place would be another broker or folder.
    fn without(self, problems: &Problems) -> Self {
        let is_sound = |sections: &[&str]| {
            let mut keys = problems.0.iter().map(Problem::key);
            !keys.any(|key| sections.iter().any(|section| key.starts_with(section)))
        };
        Self {
            kafka: self.kafka.filter(|_| is_sound(&["kafka"])),
            topics: self.topics.filter(|_| is_sound(&["topics", "kinds"])),
            state_dir: self.state_dir.filter(|_| is_sound(&["state"])),
            http_listen: self.http_listen.filter(|_| is_sound(&["http"])),
        }
    }
}

impl Refused {
    /// Nothing can be looked at where the text itself can't be read.
    fn unread(problems: Vec<Problem>) -> Self {
        Self {
            problems: Problems(problems),
            outside: Box::default(),
        }
    }
}

/// Reads the file, lays the variables over it and checks everything, the files it names included.
/// Paths are relative to the working directory. Without a file there are the defaults and the variables.
///
/// # Errors
/// Every problem at once; only what is wrong with the syntax of the file stands alone.
pub fn load(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Refused> {
    let Some(path) = file else {
        return parse(Path::new(""), "", variables);
    };
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text, variables),
        Err(error) => {
            let path = path.display();
            let text = format!("{path}: {error}; name a readable file with --config");
            Err(Refused::unread(vec![Problem::at(Origin::Default, text)]))
        }
    }
}

/// [`load`], of a text that stands in for the file of that name.
///
/// # Errors
/// As [`load`].
pub fn parse(
    path: &Path,
    text: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Refused> {
    let mut problems = Vec::new();
    let mut tree = Tree::from_toml(path, text, &mut problems);
    if !problems.is_empty() {
        // What a broken text does not show is not missing.
        return Err(Refused::unread(problems));
    }
    environment::lay_over(&mut tree, variables, &mut problems);
    let mut reader = Reader::new(tree, problems);
    let mut warnings = Vec::new();
    let config = schema::config(&mut reader, &mut warnings);
    match (config, Problems(reader.finish())) {
        (Ok(config), problems) if problems.0.is_empty() => Ok(Loaded { config, warnings }),
        (config, problems) => {
            let outside = config.map_or_else(|outside| *outside, |config| Outside::of(&config));
            Err(Refused {
                outside: Box::new(outside.without(&problems)),
                problems,
            })
        }
    }
}

#[cfg(test)]
mod tests;
