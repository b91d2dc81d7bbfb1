//! The Apache Kafka of the tests: where it is, and what happens to a test where there is none.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::skipped::report_skipped;

/// The oldest Java that runs Kafka 4.
const JAVA_MIN: u32 = 17;

/// The jars of an Apache Kafka, a formatted data folder and a Java to run it with.
#[derive(Debug)]
pub struct Installation {
    home: PathBuf,
    java: PathBuf,
}

impl Installation {
    /// Finds what `scripts/kafka.sh` has fetched; the reason if it is not there.
    fn find() -> Result<Self, Missing> {
        let home = home()?;
        let found = Self {
            java: java()?,
            home,
        };
        if found.formatted().join("meta.properties").is_file() {
            Ok(found)
        } else {
            Err(Missing(format!(
                "no Kafka in {}: run `make kafka`",
                found.home.display()
            )))
        }
    }

    /// A data folder as a broker finds it at its very first start. To be copied.
    pub(crate) fn formatted(&self) -> PathBuf {
        self.home.join("formatted")
    }

    /// A command that runs `class` of Kafka's, such as `kafka.Kafka`, with arguments to be added.
    pub(crate) fn command(&self, class: &str) -> Command {
        self.command_within(class, 512)
    }

    /// As [`command`](Self::command), with a heap of at most so many MiB.
    pub(crate) fn command_within(&self, class: &str, heap: u32) -> Command {
        let mut command = Command::new(&self.java);
        // A bounded heap, and what makes a JVM start quickly rather than run long.
        command
            .args(["-Xms128m", &format!("-Xmx{heap}m"), "-XX:+UseSerialGC"])
            .args([
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                "-XX:-UsePerfData",
            ])
            .arg("-Dorg.slf4j.simpleLogger.showDateTime=true")
            .arg("-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS")
            .arg("-cp")
            .arg(self.home.join("libs").join("*"))
            .arg(class);
        command
    }
}

/// The Kafka of this machine, or `None`: then the test returns, and has been reported as skipped on
/// standard error (past cargo's capture) and in the file `$APPMI_SKIPPED`, which `make test` counts.
///
/// # Panics
/// Where there is none and `CI=true`: there a skipped test is a failure.
#[track_caller]
pub fn installation_or_skip() -> Option<&'static Installation> {
    static FOUND: OnceLock<Result<Installation, Missing>> = OnceLock::new();
    match FOUND.get_or_init(Installation::find) {
        Ok(installation) => Some(installation),
        Err(missing) => {
            let ci = env::var("CI").is_ok_and(|value| value == "true");
            assert!(
                !ci,
                "a test without Kafka counts as failed in CI: {missing}"
            );
            report_skipped(missing);
            None
        }
    }
}

/// Why there is no Kafka, and what to do.
#[derive(Debug)]
struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder that `scripts/kafka.sh` fills, by the same rule.
fn home() -> Result<PathBuf, Missing> {
    if let Some(home) = env::var_os("APPMI_KAFKA_HOME") {
        return Ok(home.into());
    }
    let cache = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => return Err(Missing("neither HOME nor APPMI_KAFKA_HOME is set".into())),
    };
    Ok(cache.join(format!("appmi/kafka-{}", version())))
}

/// The version in `tests/kafka/pom.xml`, the only place that says it.
fn version() -> &'static str {
    let pom = include_str!("../kafka/pom.xml");
    let (_, rest) = pom
        .split_once("<kafka.version>")
        .expect("pom.xml names kafka.version");
    let (version, _) = rest
        .split_once("</kafka.version>")
        .expect("pom.xml closes kafka.version");
    version
}

fn java() -> Result<PathBuf, Missing> {
    let java = match env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    };
    let output = Command::new(&java)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Missing(format!("{}: {error}: run `make setup`", java.display())))?;
    match major(&String::from_utf8_lossy(&output.stderr)) {
        Some(major) if major >= JAVA_MIN => Ok(java),
        Some(major) => Err(Missing(format!(
            "{} is Java {major}, Kafka needs {JAVA_MIN}: run `make setup` or set JAVA_HOME",
            java.display()
        ))),
        None => Err(Missing(format!(
            "{} -version says nothing of a version",
            java.display()
        ))),
    }
}

/// The major version in what `java -version` prints: `openjdk version "17.0.15" 2025-04-15`.
fn major(printed: &str) -> Option<u32> {
    let (_, rest) = printed.split_once("version \"")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_java_is_read_from_what_it_prints() {
        let debian = "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment";
        assert_eq!(major(debian), Some(17));
        assert_eq!(major("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major("java version \"1.8.0_292\""), Some(1));
        assert_eq!(major("The operation couldn't be completed."), None);
    }

    #[test]
    fn the_version_of_kafka_comes_from_the_pom() {
        assert!(version().starts_with("4."), "{}", version());
    }
}
