//! Topics, files and the program.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use kafka::{Admin, Cluster, Counts, Topics};
use model::Kinds;
use tempfile::TempDir;
use workload::Practices;

use super::configuration::Configuration;
use super::instance::Instance;
use super::subscriber::Subscriber;
use crate::{Broker, program, unique};

/// The least that is taken for a key.
const KEY: &[u8; 32] = b"a key of the tests, not a secret";

/// Fewer than in production: a broker of the tests has little to do otherwise.
const PARTIALS_PARTITIONS: u32 = 3;

/// appmi with topics, a group and files of its own.
#[derive(Debug)]
pub struct Deployment {
    /// The configuration as the next process finds it.
    pub configuration: Configuration,
    /// The names of the topics.
    pub topics: Topics,
    /// The cluster with the deployment's group id.
    pub cluster: Cluster,
    pub(crate) bootstrap: String,
    folder: TempDir,
    instances: AtomicU32,
}

/// What a command said.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Deployment {
    /// The input topics of `kinds` with so many partitions each, and nothing of appmi's own yet.
    ///
    /// # Panics
    /// If the broker or the file system refuses.
    pub fn bare(broker: &Broker, kinds: &Kinds, partitions: &[u32]) -> Self {
        Self::bare_on(&broker.bootstrap(), 1, kinds, partitions)
    }

    fn bare_on(bootstrap: &str, replication: u32, kinds: &Kinds, partitions: &[u32]) -> Self {
        let name = unique("system");
        let bootstrap = bootstrap.to_owned();
        let cluster = Cluster::new(&bootstrap, &name, []).expect("there are no properties");
        let topics = Topics {
            inputs: kinds
                .iter()
                .map(|(_, kind)| format!("{name}.{}", kind.name))
                .collect(),
            partials: format!("{name}.partials"),
            month_close: format!("{name}.month-close"),
            dead_letters: format!("{name}.dead-letters"),
        };
        let admin = Admin::new(&cluster).expect("an admin client can be made");
        assert_eq!(
            topics.inputs.len(),
            partitions.len(),
            "a count for each kind"
        );
        for (topic, partitions) in topics.inputs.iter().zip(partitions) {
            let settings = [("retention.ms", "-1")];
            let created = admin.create_topic(topic, *partitions, Some(replication), &settings);
            assert!(
                created.expect("the broker creates topics"),
                "{topic} is new"
            );
        }
        let folder = tempfile::Builder::new()
            .prefix("appmi-system-")
            .tempdir()
            .expect("a temporary folder can be made");
        let mut deployment = Self {
            configuration: Configuration::default(),
            topics,
            cluster,
            bootstrap,
            folder,
            instances: AtomicU32::new(0),
        };
        deployment.write_files();
        deployment.configure(&name, kinds);
        deployment
    }

    /// All topics.
    ///
    /// # Panics
    /// If the broker or the file system refuses.
    pub fn new(broker: &Broker, kinds: &Kinds, partitions: &[u32]) -> Self {
        Self::on(&broker.bootstrap(), 1, kinds, partitions)
    }

    /// All topics, on brokers that keep so many copies of each partition.
    ///
    /// # Panics
    /// If the brokers or the file system refuse.
    pub fn on(bootstrap: &str, replication: u32, kinds: &Kinds, partitions: &[u32]) -> Self {
        let deployment = Self::bare_on(bootstrap, replication, kinds, partitions);
        let counts = Counts {
            inputs: None,
            partials: PARTIALS_PARTITIONS,
            month_close: 1,
            dead_letters: 1,
            replication: Some(replication),
        };
        let created = deployment.admin().create(&deployment.topics, &counts);
        assert_eq!(created.expect("the broker creates topics").len(), 3);
        deployment
    }

    fn write_files(&self) {
        let write = |path: PathBuf, bytes: &[u8]| fs::write(path, bytes);
        write(self.key_file(), KEY)
            .and_then(|()| fs::set_permissions(self.key_file(), Permissions::from_mode(0o600)))
            .and_then(|()| {
                write(
                    self.practices_file(),
                    Practices::synthetic().text().as_bytes(),
                )
            })
            .expect("the temporary folder can be written");
    }

    /// Short times, so that a test need not wait for them.
    fn configure(&mut self, name: &str, kinds: &Kinds) {
        let (state, key) = (self.state_dir(), self.key_file());
        let practices = self.practices_file();
        let configuration = &mut self.configuration;
        configuration.set_text("kafka.bootstrap_servers", &self.bootstrap);
        configuration.set_text("kafka.group_id", name);
        configuration.set_property("session.timeout.ms", "6000");
        configuration.set_property("heartbeat.interval.ms", "500");
        configuration.set_topics(&self.topics, kinds);
        configuration.set_text("state.dir", path_text(&state));
        configuration.set_text("privacy.key_file", path_text(&key));
        configuration.set_text("geography.practices", path_text(&practices));
        configuration.set_text("months.first_month", "2025-03");
        configuration.set_text("months.idle_timeout", "1s");
        configuration.set_text("months.revision_interval", "0s");
        configuration.set_text("checkpoint.interval", "250ms");
        configuration.set_text("http.listen", "127.0.0.1:0");
    }

    /// Administers the cluster.
    ///
    /// # Panics
    /// If there is no client for it.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.cluster).expect("an admin client can be made")
    }

    /// The state directory, which may not exist yet.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The key of the pseudonyms.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("pseudonym.key")
    }

    /// The lookup of practices.
    pub fn practices_file(&self) -> PathBuf {
        self.folder.path().join("practices.csv")
    }

    /// A path for another file of the test's.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Removes the state directory.
    ///
    /// # Panics
    /// If it can't be removed.
    pub fn lose_state(&self) {
        let state = self.state_dir();
        if state.exists() {
            fs::remove_dir_all(state).expect("the state directory can be removed");
        }
    }

    /// The program with the configuration as it is now.
    fn command(&self, arguments: &[&str]) -> Command {
        let number = self.instances.fetch_add(1, Ordering::Relaxed);
        let path = self.file(&format!("appmi-{number}.toml"));
        fs::write(&path, self.configuration.to_toml())
            .expect("the temporary folder can be written");
        let mut command = Command::new(program("appmi"));
        command
            .args(arguments)
            .arg("--config")
            .arg(path)
            .env_clear();
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn appmi(&self, arguments: &[&str]) -> Answer {
        let output = self.command(arguments).output().expect("appmi starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("appmi writes UTF-8");
        Answer {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Starts `appmi run`.
    pub fn run(&self) -> Instance {
        self.run_with(&[])
    }

    /// Starts `appmi run` with further arguments.
    pub fn run_with(&self, arguments: &[&str]) -> Instance {
        let mut command = self.command(&["run"]);
        command.args(arguments);
        let number = self.instances.fetch_add(1, Ordering::Relaxed);
        let log = self.file(&format!("run-{number}.log"));
        Instance::start(&mut command, &log, self.folder.path())
    }

    /// Reads the month-close topic from its beginning.
    pub fn releases(&self) -> Subscriber {
        Subscriber::new(&self.bootstrap, &self.topics.month_close)
    }

    /// Reads the partials topic from its beginning.
    pub fn partials(&self) -> Subscriber {
        Subscriber::new(&self.bootstrap, &self.topics.partials)
    }

    /// Reads the dead letters topic from its beginning.
    pub fn dead_letters(&self) -> Subscriber {
        Subscriber::new(&self.bootstrap, &self.topics.dead_letters)
    }
}

fn path_text(path: &std::path::Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
