//! `appmi check`: everything that `run` will need, looked at without changing anything, all problems at once.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use kafka::{Admin, Cluster, Inspection, Journal, Role};
use model::Kinds;
use store::RocksStore;

use crate::config::{Config, Kafka, Outside, Refused, Topics};
use crate::exit::Exit;
use crate::output;
use crate::run;
use crate::settings::{self, Recorded};

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
    if let Some(listen) = outside.http_listen {
        findings.check_http(listen);
    }
    if let Some(kafka) = &outside.kafka {
        findings.check_kafka(kafka, outside.topics.as_ref(), config.as_ref());
    }
    findings.tell()
}

#[derive(Debug, Default)]
struct Findings {
    good: Vec<String>,
    /// What is allowed and not wise, or not for sure.
    remarks: Vec<String>,
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

    /// Listens for a moment.
    fn check_http(&mut self, listen: SocketAddr) {
        match TcpListener::bind(listen) {
            Ok(_) => self.good.push(format!("HTTP can be served on {listen}")),
            Err(error) if error.kind() == ErrorKind::AddrInUse => self.remarks.push(format!(
                "http.listen: {listen} is in use; unless it is by a running instance, name another one"
            )),
            Err(error) => self.wrong(format!(
                "http.listen: {listen} can't be listened on: {error}; set it to a free address of this machine, or to \
                 \"\" for none"
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
        match admin.inspect(&topics) {
            Ok(inspections) => {
                self.check_topics(&cluster, &topics, &inspections, config);
                let missing = admin.missing_rights(&inspections, cluster.group_id());
                missing.iter().for_each(|right| self.failed(right));
                self.remarks.push(format!(
                    "whether the user has Write on transactional ids that begin with `{}-` can't be looked at",
                    cluster.group_id()
                ));
            }
            Err(error) => self.failed(&error),
        }
    }

    fn check_topics(
        &mut self,
        cluster: &Cluster,
        topics: &kafka::Topics,
        inspections: &[Inspection],
        config: Option<&Config>,
    ) {
        if inspections.iter().all(|of| of.faults.is_empty()) {
            let count = inspections.len();
            self.good
                .push(format!("{count} topics are as they must be"));
        }
        for inspection in inspections {
            inspection
                .faults
                .iter()
                .for_each(|fault| self.failed(fault));
            self.remarks.extend(inspection.remarks.clone());
        }
        let count = |role| Inspection::partitions_of(inspections, role);
        if let Some(config) = config
            && count(Role::Partials).is_some()
        {
            let recorded = Journal::of_partials(cluster, topics.clone()).and_then(|mut journal| {
                settings::recorded(&mut journal, config, count(Role::MonthClose))
            });
            match recorded {
                Ok(recorded) => self.check_settings(&recorded),
                Err(error) => self.failed(&error),
            }
        }
    }

    fn check_settings(&mut self, recorded: &Recorded) {
        let differences = recorded.differences();
        if !differences.is_empty() {
            self.wrong(differences.to_text());
        } else if let Some(in_force) = &recorded.in_force {
            self.good.push(format!(
                "settings {} are in force and the same",
                in_force.number
            ));
        } else {
            self.good.push("no settings are recorded yet".to_owned());
        }
    }

    /// Says it all.
    fn tell(self) -> Exit {
        let remarks = output::remarks(&self.remarks);
        if self.problems.is_empty() {
            let good = self.good.join("\n");
            let text = format!("{good}\n{remarks}everything is as `appmi run` needs it\n");
            return match output::answer(&text) {
                Ok(()) => Exit::Done,
                Err(_) => Exit::World,
            };
        }
        // What is wrong matters more than whether anybody reads this.
        let _ = output::answer(&remarks);
        output::refuse("not everything is as `appmi run` needs it", &self.problems);
        if self.is_configuration {
            Exit::Configuration
        } else {
            Exit::World
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
