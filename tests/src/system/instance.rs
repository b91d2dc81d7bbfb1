//! A running `appmi run`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::SOON;
use super::metrics::Metrics;
use crate::process::Process;
use crate::wait::{wait_at_most, wait_for};

/// What it logs once it serves.
const SERVING: &str = "serving HTTP address=";

/// `appmi run` as a process. Killed when it is dropped.
#[derive(Debug)]
pub struct Instance {
    process: Process,
    address: Option<String>,
}

impl Instance {
    /// Should the test process be killed, `folder` is removed too.
    pub(crate) fn start(command: &mut Command, log: &Path, folder: &Path) -> Self {
        Self {
            process: Process::start_in(command, log, Some(folder)),
            address: None,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Where it logs.
    pub fn log_file(&self) -> PathBuf {
        self.process.log_file().to_owned()
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// `SIGKILL`, and waits until it is gone.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// `SIGSTOP`: it does nothing any more, its connections stay open.
    pub fn freeze(&mut self) {
        self.process.freeze();
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    /// `SIGTERM`.
    pub fn ask_to_stop(&mut self) {
        self.process.ask_to_stop();
    }

    /// The exit code that it ends with by itself; none if a signal ended it.
    ///
    /// # Panics
    /// If it has not ended `within` that time.
    #[track_caller]
    pub fn code(&mut self, within: Duration) -> Option<i32> {
        match wait_at_most(within, || self.process.ended()) {
            Some(status) => status.code(),
            None => panic!("appmi has not ended {within:?} later:\n{}", self.log()),
        }
    }

    /// `SIGTERM`, and its exit code; it has ten seconds.
    ///
    /// # Panics
    /// If it takes longer.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        self.ask_to_stop();
        self.code(Duration::from_secs(10))
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// With its log, if the process ends before, or the condition does not hold within a minute.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let held = wait_at_most(SOON, || {
            if condition(self) {
                return Some(true);
            }
            self.process.ended().map(|_| false)
        });
        match held {
            Some(true) => {}
            Some(false) => panic!("appmi ended before {what}:\n{}", self.log()),
            None => panic!("waited {SOON:?} in vain until {what}:\n{}", self.log()),
        }
    }

    /// Waits until it has logged `text`.
    ///
    /// # Panics
    /// As [`until`](Self::until).
    #[track_caller]
    pub fn until_logged(&mut self, text: &str) {
        self.until(&format!("it logged `{text}`"), |instance| {
            instance.log().contains(text)
        });
    }

    /// Status, content type and body of a page, once it serves.
    ///
    /// # Panics
    /// If it does not serve.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> (u16, String, String) {
        let address = match &self.address {
            Some(address) => address.clone(),
            None => self.find_address(),
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let asked = agent.get(format!("http://{address}{path}")).call();
        let mut response = asked.unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()));
        let header = response.headers().get("content-type");
        let content_type = header.and_then(|value| value.to_str().ok()).unwrap_or("");
        let content_type = content_type.to_owned();
        let body = response.body_mut().read_to_string();
        let body = body.expect("pages are text");
        (response.status().as_u16(), content_type, body)
    }

    /// The metrics as they are now.
    ///
    /// # Panics
    /// If it does not serve.
    #[track_caller]
    pub fn metrics(&mut self) -> Metrics {
        let (status, _, text) = self.get("/metrics");
        assert_eq!(status, 200, "{text}");
        Metrics::parse(&text)
    }

    /// The metrics as they are now; none while it does not serve, and once it has ended.
    pub fn try_metrics(&mut self) -> Option<Metrics> {
        let address = match &self.address {
            Some(address) => address.clone(),
            None => self.address.insert(address_in(&self.log())?).clone(),
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        let asked = agent.get(format!("http://{address}/metrics")).call();
        let text = asked.ok()?.body_mut().read_to_string().ok()?;
        Some(Metrics::parse(&text))
    }

    #[track_caller]
    fn find_address(&mut self) -> String {
        let address = wait_for("it serves HTTP", SOON, || address_in(&self.log()));
        self.address = Some(address.clone());
        address
    }
}

fn address_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(SERVING)?;
    let (address, _) = rest.split_once('\n')?;
    Some(address.to_owned())
}
