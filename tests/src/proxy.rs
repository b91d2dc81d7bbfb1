//! Toxiproxy: connections that are cut, slow or narrow.

use std::env;
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::broker::Broker;
use crate::installation::Installation;
use crate::ports::free_port;
use crate::process::Process;
use crate::skipped::report_skipped;
use crate::wait::wait_for;

/// How long the server may take to start, on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(30);

/// The server's program, or `None`: then the test returns, and has been reported as skipped.
#[track_caller]
pub fn toxiproxy_or_skip() -> Option<PathBuf> {
    let program = home().join("server");
    if program.is_file() {
        return Some(program);
    }
    report_skipped(format!(
        "no Toxiproxy in {}: run scripts/toxiproxy.sh",
        program.display()
    ));
    None
}

/// The folder that `scripts/toxiproxy.sh` fills, by the same rule.
fn home() -> PathBuf {
    if let Some(home) = env::var_os("APPMI_TOXIPROXY_HOME") {
        return home.into();
    }
    let version = include_str!("../toxiproxy/version").trim();
    let cache = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, home) => Path::new(&home.unwrap_or_default()).join(".cache"),
    };
    cache.join(format!("appmi/toxiproxy-{version}"))
}

/// A running Toxiproxy.
#[derive(Debug)]
pub struct Toxiproxy {
    _process: Process,
    _folder: TempDir,
    api: String,
}

/// One proxied address.
#[derive(Debug)]
pub struct Proxy {
    api: String,
    /// Where clients connect to.
    pub port: u16,
}

impl Toxiproxy {
    /// Starts a server.
    ///
    /// # Panics
    /// If it does not serve.
    pub fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["-host", "127.0.0.1", "-port", &port.to_string()]);
        let process = Process::start(&mut command, &folder.path().join("log"));
        let api = format!("127.0.0.1:{port}");
        wait_for("Toxiproxy serves", START_WITHIN, || {
            TcpStream::connect(&api).ok()
        });
        Self {
            _process: process,
            _folder: folder,
            api: format!("http://{api}"),
        }
    }

    /// A broker with these properties and a second listener, which it says is where the proxy is.
    ///
    /// # Panics
    /// If one of the two does not start.
    pub fn broker(
        &self,
        kafka: &'static Installation,
        properties: &[(&str, &str)],
    ) -> (Broker, Proxy) {
        let behind = free_port();
        let proxy = self.proxy("broker", behind);
        let plain = "PLAINTEXT://127.0.0.1:{port}";
        let listeners = format!(
            "{plain},CONTROLLER://127.0.0.1:{{controller_port}},PROXIED://127.0.0.1:{behind}"
        );
        let advertised = format!("{plain},PROXIED://127.0.0.1:{}", proxy.port);
        let protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT";
        let listeners = [
            ("listeners", listeners.as_str()),
            ("advertised.listeners", &advertised),
            ("listener.security.protocol.map", protocols),
        ];
        let properties = [&listeners, properties].concat();
        (Broker::start(kafka, &properties), proxy)
    }

    /// A proxy in front of a port on loopback, on a port of its own.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn proxy(&self, name: &str, upstream: u16) -> Proxy {
        let port = free_port();
        let body = format!(
            r#"{{"name":"{name}","listen":"127.0.0.1:{port}","upstream":"127.0.0.1:{upstream}"}}"#
        );
        post(&format!("{}/proxies", self.api), &body);
        let api = format!("{}/proxies/{name}", self.api);
        Proxy { api, port }
    }
}

impl Proxy {
    /// The value of `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Cuts every connection and takes no new ones, until [`heal`](Self::heal).
    pub fn cut(&self) {
        post(&self.api, r#"{"enabled":false}"#);
    }

    /// Takes connections again.
    pub fn heal(&self) {
        post(&self.api, r#"{"enabled":true}"#);
    }

    /// Adds a toxic in both directions: its type, and its attributes such as `("latency", 300)`.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn add(&self, kind: &str, attributes: &[(&str, u64)]) {
        let mut all = String::new();
        for (key, value) in attributes {
            let comma = if all.is_empty() { "" } else { "," };
            let _ = write!(all, r#"{comma}"{key}":{value}"#);
        }
        for stream in ["upstream", "downstream"] {
            let body = format!(
                r#"{{"name":"{kind}_{stream}","type":"{kind}","stream":"{stream}","attributes":{{{all}}}}}"#
            );
            post(&format!("{}/toxics", self.api), &body);
        }
    }

    /// Takes away what [`add`](Self::add) has added of this type.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn remove(&self, kind: &str) {
        for stream in ["upstream", "downstream"] {
            let url = format!("{}/toxics/{kind}_{stream}", self.api);
            let removed = ureq::delete(&url).call();
            removed.unwrap_or_else(|error| panic!("{url}: {error}"));
        }
    }
}

fn post(url: &str, body: &str) {
    let posted = ureq::post(url).send(body);
    posted.unwrap_or_else(|error| panic!("{url} {body}: {error}"));
}
