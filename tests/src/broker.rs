//! One Apache Kafka broker in a temporary folder, controller included.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::installation::Installation;
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::wait_at_most;

/// Three seconds on an idle machine; the rest is for a busy one.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(90);

/// An orderly stop gives up the log segments and the controller's part.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// How often a first start tries other ports when another process was quicker.
const PORTS_TRIED_MAX: u32 = 5;

/// What Kafka logs when it serves: the broker is registered and unfenced, the ports are open.
pub(crate) const STARTED: &str = "Kafka Server started";

/// What Java says of a port that another process listens on.
const PORT_TAKEN: &str = "Address already in use";

/// A broker on loopback, configured for tests (`tests/kafka/server.properties` and what the test
/// adds). It has no topics, and creates none by itself.
///
/// Killed, stopped and restarted it keeps its data and its ports. Dropping it ends the process and
/// removes the data.
#[derive(Debug)]
pub struct Broker {
    installation: &'static Installation,
    properties: Vec<(String, String)>,
    folder: TempDir,
    port: u16,
    controller_port: u16,
    starts: u32,
    process: Option<Process>,
}

impl Broker {
    /// Starts a broker of the test's own. `properties` go behind those of
    /// `tests/kafka/server.properties` and win; `{port}` and `{controller_port}` in their values are the ports of
    /// the listeners that every broker has.
    ///
    /// # Panics
    /// With the end of Kafka's log, if it does not serve within 90 seconds.
    pub fn start(installation: &'static Installation, properties: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut broker = Self {
            installation,
            properties: properties.iter().map(owned).collect(),
            folder: tempfile::Builder::new()
                .prefix("appmi-kafka-")
                .tempdir()
                .expect("a temporary folder can be made"),
            port: free_port(),
            controller_port: free_port(),
            starts: 0,
            process: None,
        };
        copy_files(&installation.formatted(), &broker.data());
        for _ in 0..PORTS_TRIED_MAX {
            match broker.launch() {
                Launch::Serving => return broker,
                Launch::PortTaken => {
                    broker.port = free_port();
                    broker.controller_port = free_port();
                }
            }
        }
        panic!("another process took the port {PORTS_TRIED_MAX} times");
    }

    /// The broker that all tests of this process share: for tests that need topics and groups of their own
    /// (see [`unique`](crate::unique)) but no broker of their own.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn shared(installation: &'static Installation) -> &'static Self {
        // Statics are never dropped; the watchdog of its process ends it and removes its data.
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(installation, &[]))
    }

    /// The value of `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.address().to_string()
    }

    /// Runs a class of Kafka's own against this broker, such as `kafka.admin.ConfigCommand`.
    ///
    /// # Panics
    /// If it fails.
    pub fn tool(&self, class: &str, arguments: &[&str]) {
        let mut command = self.installation.command(class);
        command.args(["--bootstrap-server", &self.bootstrap()]);
        let output = command.args(arguments).output().expect("Java starts");
        assert!(output.status.success(), "{class} {arguments:?}: {output:?}");
    }

    /// The folder of Kafka's logs: one folder in it for every partition.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What Kafka has logged since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// `SIGKILL`, as a machine that loses power (but for what the operating system has yet to write).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// `SIGTERM`, and waits for its orderly end.
    ///
    /// # Panics
    /// If it has not ended within 60 seconds.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.ask_to_stop();
            process.wait(STOP_WITHIN);
        }
    }

    /// `SIGSTOP`: the broker answers nobody, its connections stay open.
    pub fn freeze(&mut self) {
        self.running().freeze();
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&mut self) {
        self.running().thaw();
    }

    /// Starts it again on its data and its ports, after killing it if it still runs, and waits until it
    /// serves.
    ///
    /// # Panics
    /// With the end of Kafka's log, if it does not serve within 90 seconds.
    pub fn restart(&mut self) {
        self.kill();
        if let Launch::PortTaken = self.launch() {
            panic!("another process took port {}", self.port);
        }
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("the broker was not stopped")
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn log_file(&self) -> PathBuf {
        self.folder
            .path()
            .join(format!("kafka-{}.log", self.starts))
    }

    /// Starts the process and waits until it serves or has ended.
    fn launch(&mut self) -> Launch {
        self.starts += 1;
        let properties = self.folder.path().join("server.properties");
        self.write_properties(&properties);
        let mut command = self.installation.command("kafka.Kafka");
        command.arg(&properties).current_dir(self.folder.path());
        let log = self.log_file();
        let mut process = Process::start_in(&mut command, &log, Some(self.folder.path()));
        match wait_at_most(START_WITHIN, || self.look(&mut process)) {
            Some(Looked::Serving) => {
                self.process = Some(process);
                Launch::Serving
            }
            Some(Looked::Ended) if process.output().contains(PORT_TAKEN) => Launch::PortTaken,
            Some(Looked::Ended) => panic!("Kafka does not start:\n{}", tail(&process.output())),
            None => panic!("Kafka starts too slowly:\n{}", tail(&process.output())),
        }
    }

    fn look(&self, process: &mut Process) -> Option<Looked> {
        if process.ended().is_some() {
            return Some(Looked::Ended);
        }
        let serves = process.output().contains(STARTED)
            && TcpStream::connect_timeout(&self.address(), Duration::from_secs(1)).is_ok();
        serves.then_some(Looked::Serving)
    }

    fn write_properties(&self, path: &Path) {
        let mut text = String::from(include_str!("../kafka/server.properties"));
        let (broker, controller) = (self.port, self.controller_port);
        let listeners =
            format!("PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}");
        let data = self.data().display().to_string();
        let voters = format!("1@127.0.0.1:{controller}");
        let ours = [
            ("listeners", listeners.as_str()),
            ("controller.quorum.voters", voters.as_str()),
            ("log.dirs", data.as_str()),
        ];
        let theirs = self
            .properties
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()));
        for (key, value) in ours.into_iter().chain(theirs) {
            let value = value
                .replace("{port}", &broker.to_string())
                .replace("{controller_port}", &controller.to_string());
            text.push_str(&format!("{key}={value}\n"));
        }
        File::create(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("the temporary folder can be written");
    }
}

enum Launch {
    Serving,
    PortTaken,
}

enum Looked {
    Serving,
    Ended,
}

/// The formatted folder has files only, no folders.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    let copy = || -> std::io::Result<()> {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    };
    copy().expect("the formatted folder can be copied");
}

/// The last lines of a log, as many as a person reads.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
