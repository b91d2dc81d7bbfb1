//! A process that ends with its test, and that can be killed, frozen and asked to stop.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::wait_for;

/// A running program, its output in a file.
///
/// It is killed when this is dropped, and also when the test process itself is killed: a shell beside it
/// waits for the end of a pipe that only the test process holds open, and then kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    watchdog: Child,
    log: PathBuf,
}

/// `$1` is the process, `$2` a folder to remove after it or empty.
const WATCHDOG: &str = r#"read -r _; kill -KILL "$1"; [ -z "$2" ] || rm -rf -- "$2""#;

impl Process {
    /// Starts `command` without input, its standard output and error appended to the file `log`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        Self::start_in(command, log, None)
    }

    /// As [`start`](Self::start); should the test process be killed, `folder` is removed too.
    pub(crate) fn start_in(command: &mut Command, log: &Path, folder: Option<&Path>) -> Self {
        let program = command.get_program().to_owned();
        let child = open_log(log)
            .and_then(|(out, err)| command.stdin(Stdio::null()).stdout(out).stderr(err).spawn())
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
            .arg(folder.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt from the terminal goes to the test's process group, and must not end this one.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        Self {
            child,
            watchdog,
            log: log.to_owned(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Everything that it has printed so far.
    pub fn output(&self) -> String {
        match fs::read(&self.log) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("({} cannot be read: {error})", self.log.display()),
        }
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("the child is ours to wait for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it has not ended `within` that time.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("process {} ended", self.child.id());
        wait_for(&what, within, || self.ended())
    }

    /// `SIGTERM`: asks it to stop.
    pub fn ask_to_stop(&mut self) {
        self.signal(Signal::TERM);
    }

    /// `SIGSTOP`: freezes it, as a long pause of a virtual machine would. Its connections stay open.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// `SIGCONT`: lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// `SIGKILL`, and waits until it is gone.
    pub fn kill(&mut self) {
        // The error is that it has ended already, and that is what was wanted.
        let _ = self.child.kill();
        self.child.wait().expect("the child is ours to wait for");
    }

    /// Sends nothing to a process that has ended: its id may be another's by now.
    fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, signal).expect("a child that was not waited for has its id still");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first, so that it never kills an id that is free again.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        self.kill();
    }
}

fn open_log(log: &Path) -> io::Result<(File, File)> {
    let file = File::options().create(true).append(true).open(log)?;
    Ok((file.try_clone()?, file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn start(script: &str, folder: &Path) -> Process {
        let mut command = Command::new("sh");
        Process::start(command.args(["-c", script]), &folder.join("log"))
    }

    #[test]
    fn a_process_does_not_outlive_the_test_process() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        let log = folder.path().join("log");
        let mut process = Process::start_in(&mut command, &log, Some(&theirs));
        assert!(process.ended().is_none());

        // The end of the test process closes its end of the pipe, however it comes about.
        drop(process.watchdog.stdin.take());
        assert_eq!(process.wait(SOON).signal(), Some(9));
        process.watchdog.wait().unwrap();
        assert!(!theirs.exists());
    }

    #[test]
    fn a_process_that_is_asked_to_stop_may_end_in_its_own_way() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = start(
            "trap 'echo bye; exit 3' TERM; echo up; while :; do :; done",
            folder.path(),
        );
        wait_for("it is up", SOON, || {
            process.output().contains("up").then_some(())
        });
        process.ask_to_stop();
        assert_eq!(process.wait(SOON).code(), Some(3));
        assert_eq!(process.output(), "up\nbye\n");
        process.ask_to_stop();
    }

    #[test]
    fn a_frozen_process_can_be_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = start("while :; do :; done", folder.path());
        process.freeze();
        process.thaw();
        process.freeze();
        process.kill();
        assert_eq!(process.wait(SOON).signal(), Some(9));
    }
}
