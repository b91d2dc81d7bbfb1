//! Three Apache Kafka brokers in temporary folders, each a controller too: a cluster that loses one of them
//! without losing a record.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tempfile::TempDir;

use crate::broker::{START_WITHIN, STARTED, copy_files, tail};
use crate::installation::Installation;
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::{wait_for, wait_until};

/// Three of them share a machine with what is tested.
const HEAP_MIB: u32 = 320;

/// How long the brokers may take to say who leads what.
const METADATA_WITHIN: Duration = Duration::from_secs(5);

/// Every record is on three brokers, and on two before it counts as written. Leaders go back to the first
/// replica soon after a broker has come back.
const PROPERTIES: &str = "
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
unclean.leader.election.enable=false
auto.leader.rebalance.enable=true
leader.imbalance.check.interval.seconds=2
leader.imbalance.per.broker.percentage=0
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
replica.lag.time.max.ms=5000
";

/// Three brokers on loopback. Killed and restarted, each keeps its data and its ports. Dropping them ends the
/// processes and removes the data.
#[derive(Debug)]
pub struct Brokers {
    installation: &'static Installation,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    id: usize,
    folder: TempDir,
    port: u16,
    controller_port: u16,
    starts: u32,
    process: Option<Process>,
}

impl Brokers {
    /// Starts three brokers.
    ///
    /// # Panics
    /// With the end of a log, if they do not serve within 90 seconds.
    pub fn start(installation: &'static Installation) -> Self {
        let mut brokers = Self {
            installation,
            nodes: (1..=3).map(|id| Node::new(installation, id)).collect(),
        };
        for place in 0..brokers.nodes.len() {
            brokers.launch(place);
        }
        for node in &mut brokers.nodes {
            node.wait();
        }
        brokers
    }

    /// How many there are, killed ones included.
    #[expect(clippy::len_without_is_empty, reason = "there are always three")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The value of `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(Node::address).collect();
        addresses.join(",")
    }

    /// The address of one broker.
    pub fn address(&self, place: usize) -> String {
        self.nodes[place].address()
    }

    /// What a broker has logged since its last start.
    pub fn log(&self, place: usize) -> String {
        fs::read_to_string(self.nodes[place].log_file()).unwrap_or_default()
    }

    /// `SIGKILL` to one of them.
    pub fn kill(&mut self, place: usize) {
        self.nodes[place].process = None;
    }

    /// Starts one again on its data and its ports, and waits until it serves and has caught up: until then another
    /// one may be the only one with the last records, and none of them can be spared.
    ///
    /// # Panics
    /// With the end of its log, if it does not serve within 90 seconds, or if it does not catch up in as long.
    pub fn restart(&mut self, place: usize) {
        self.kill(place);
        self.launch(place);
        self.nodes[place].wait();
        wait_until("every replica is in sync", START_WITHIN, || {
            self.are_in_sync()
        });
    }

    fn are_in_sync(&self) -> bool {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.bootstrap());
        let client: BaseConsumer = client.create().expect("a client can be made");
        let Ok(metadata) = client.fetch_metadata(None, METADATA_WITHIN) else {
            return false;
        };
        let topics = metadata.topics();
        let mut partitions = topics.iter().flat_map(|of| of.partitions());
        let is_whole = partitions.all(|of| of.isr().len() == of.replicas().len());
        !topics.is_empty() && is_whole
    }

    fn launch(&mut self, place: usize) {
        let voters: Vec<String> = self.nodes.iter().map(Node::voter).collect();
        let voters = voters.join(",");
        self.nodes[place].launch(self.installation, &voters);
    }
}

impl Node {
    fn new(installation: &Installation, id: usize) -> Self {
        let node = Self {
            id,
            folder: tempfile::Builder::new()
                .prefix("appmi-kafka-")
                .tempdir()
                .expect("a temporary folder can be made"),
            port: free_port(),
            controller_port: free_port(),
            starts: 0,
            process: None,
        };
        copy_files(&installation.formatted(), &node.data());
        node.become_itself();
        node
    }

    /// The formatted folder is the first node's: another has another number, and its folder another id.
    fn become_itself(&self) {
        let path = self.data().join("meta.properties");
        let text = fs::read_to_string(&path).expect("a formatted folder says what it is");
        let lines = text.lines().map(|line| match line.split_once('=') {
            Some(("node.id", _)) => format!("node.id={}\n", self.id),
            // Twenty-two characters of URL-safe base64, of which the last stands for two bits.
            Some(("directory.id", _)) => format!("directory.id=AppmiTestFolder00000{}A\n", self.id),
            _ => format!("{line}\n"),
        });
        let text: String = lines.collect();
        fs::write(path, text).expect("the temporary folder can be written");
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn voter(&self) -> String {
        format!("{}@127.0.0.1:{}", self.id, self.controller_port)
    }

    fn log_file(&self) -> PathBuf {
        self.folder
            .path()
            .join(format!("kafka-{}.log", self.starts))
    }

    fn launch(&mut self, installation: &Installation, voters: &str) {
        self.starts += 1;
        let (id, data) = (self.id, self.data().display().to_string());
        let (port, controller) = (self.port, self.controller_port);
        let text = format!(
            "{}{PROPERTIES}node.id={id}\nlog.dirs={data}\ncontroller.quorum.voters={voters}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n",
            include_str!("../kafka/server.properties"),
        );
        let properties = self.folder.path().join("server.properties");
        fs::write(&properties, text).expect("the temporary folder can be written");
        let mut command = installation.command_within("kafka.Kafka", HEAP_MIB);
        command.arg(&properties).current_dir(self.folder.path());
        let folder = Some(self.folder.path());
        let process = Process::start_in(&mut command, &self.log_file(), folder);
        self.process = Some(process);
    }

    fn wait(&mut self) {
        let id = self.id;
        let process = self.process.as_mut().expect("it was launched");
        wait_for(&format!("broker {id} serves"), START_WITHIN, || {
            let output = process.output();
            assert!(process.ended().is_none(), "it ended:\n{}", tail(&output));
            output.contains(STARTED).then_some(())
        });
    }
}
