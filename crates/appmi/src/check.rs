//! `appmi check`: everything that `run` will need, looked at without changing anything, all problems at once.

use std::path::Path;

use kafka::{Admin, Cluster, Inspection};
use model::Kinds;
use store::RocksStore;

use crate::config::{Config, Kafka, Outside, Refused, Topics};
use crate::exit::Exit;
use crate::output;
use crate::{run, settings};

/// Checks the state directory, the client properties, the broker, the topics and the recorded settings. Where the
/// configuration, the key file or the reference data cannot stand, whatever of the rest does not depend on it.
#[must_use]
pub fn check(config: Result<Config, Refused>) -> Exit {
    let mut findings = Findings::default();
    let (outside, config) = match config {
        Ok(config) => (Box::new(Outside::of(&config)), Some(config)),
        Err(Refused { problems, outside }) => {
            let problems = problems.0.iter().map(ToString::to_string);
            problems.for_each(|problem| findings.wrong(problem));
            (outside, None)
        }
    };
    if let Some(dir) = &outside.state_dir {
        findings.check_state(dir);
    }
    if let Some(kafka) = &outside.kafka {
        findings.check_kafka(kafka, outside.topics.as_ref(), config.as_ref());
    }
    if findings.problems.is_empty() {
        let text = format!(
            "{}\neverything is as `appmi run` needs it\n",
            findings.good.join("\n")
        );
        return if output::answer(&text).is_ok() {
            Exit::Done
        } else {
            Exit::World
        };
    }
    output::refuse(
        "not everything is as `appmi run` needs it",
        &findings.problems,
    );
    if findings.is_configuration {
        Exit::Configuration
    } else {
        Exit::World
    }
}

#[derive(Debug, Default)]
struct Findings {
    good: Vec<String>,
    problems: Vec<String>,
    /// Whether any of the problems is for the operator's configuration, rather than a failure of the world.
    is_configuration: bool,
}

impl Findings {
    fn wrong(&mut self, problem: String) {
        self.is_configuration = true;
        self.problems.push(problem);
    }

    fn failed(&mut self, error: &engine::Error) {
        self.is_configuration |= matches!(error, engine::Error::Configuration(_));
        self.problems.push(error.to_string());
    }

    fn check_state(&mut self, dir: &Path) {
        if RocksStore::is_in_use(dir) {
            self.good.push(format!(
                "the state directory {} is in use by a running instance",
                dir.display()
            ));
            return;
        }
        if RocksStore::is_in(dir) {
            match RocksStore::open_to_read(dir).map(|store| engine::view::check_format(&store)) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return self.failed(&error),
                Err(error) => return self.wrong(format!("state.dir: {error}")),
            }
        }
        let (outlook, probe) = if dir.exists() {
            let probe = tempfile::tempfile_in(dir).map(drop);
            ("can be used", probe)
        } else {
            ("will be made", tempfile::tempdir_in(nearest(dir)).map(drop))
        };
        let dir = dir.display();
        match probe {
            Ok(()) => self
                .good
                .push(format!("the state directory {dir} {outlook}")),
            Err(error) => self.wrong(format!(
                "state.dir: {dir} can't be written: {error}; name a folder that can be"
            )),
        }
    }

    fn check_kafka(
        &mut self,
        kafka: &Kafka,
        topics: Option<&(Topics, Kinds)>,
        config: Option<&Config>,
    ) {
        let cluster = match run::cluster(kafka) {
            Ok(cluster) => cluster,
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.wrong(problem));
                return;
            }
        };
        let admin = match Admin::new(&cluster) {
            Ok(admin) => admin,
            Err(error) => return self.failed(&error),
        };
        match admin.brokers() {
            Ok(brokers) => self
                .good
                .push(format!("the cluster answers, with {brokers} broker(s)")),
            Err(error) => return self.failed(&error),
        }
        let Some((owned, kinds)) = topics else { return };
        let topics = run::topics(owned, kinds);
        let inspections = match admin.inspect(&topics) {
            Ok(inspections) => inspections,
            Err(error) => return self.failed(&error),
        };
        let faults: Vec<String> = inspections.iter().flat_map(Inspection::faults).collect();
        if !faults.is_empty() {
            faults.into_iter().for_each(|fault| self.wrong(fault));
            return;
        }
        self.good
            .push(format!("{} topics are as they must be", inspections.len()));
        if let Some(config) = config {
            self.check_settings(&cluster, &topics, config);
        }
    }

    fn check_settings(&mut self, cluster: &Cluster, topics: &kafka::Topics, config: &Config) {
        match settings::recorded(cluster, topics, config) {
            Ok(recorded) => {
                let differences = recorded.differences();
                if !differences.is_empty() {
                    self.wrong(differences.to_text());
                } else if let Some(in_force) = recorded.in_force {
                    self.good.push(format!(
                        "settings {} are in force and the same",
                        in_force.number
                    ));
                } else {
                    self.good.push("no settings are recorded yet".to_owned());
                }
            }
            Err(error) => self.failed(&error),
        }
    }
}

/// The nearest folder above that exists.
fn nearest(dir: &Path) -> &Path {
    dir.ancestors()
        .skip(1)
        .find(|above| !above.as_os_str().is_empty() && above.exists())
        .unwrap_or_else(|| Path::new("."))
}
