//! The standard metrics of a process, read from `/proc` when asked for. Elsewhere than on Linux there are none.
//!
//! Names and meanings are those that every Prometheus client library shares:
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.

use std::fmt::Write;
use std::fs;

/// Where a process finds itself.
const SELF: &str = "/proc/self";

/// What the kernel says about this process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    cpu_seconds: f64,
    /// Since the Unix epoch.
    start_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    threads: u64,
    open_fds: usize,
    fds_max: Option<u64>,
}

/// Appends the metrics in the text format of Prometheus.
pub(super) fn render(text: &mut String) {
    if let Some(sample) = Sample::now() {
        sample.render(text);
    }
}

impl Sample {
    fn now() -> Option<Self> {
        let stat = fs::read_to_string(format!("{SELF}/stat")).ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let open_fds = fs::read_dir(format!("{SELF}/fd")).ok()?.count();
        let fds_max = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        Self::parse(&stat, &boot, page_bytes, ticks_per_second).map(|sample| Self {
            open_fds,
            fds_max,
            ..sample
        })
    }

    /// From `/proc/self/stat` and `/proc/stat`; the layout is in proc(5) and proc_pid_stat(5).
    fn parse(stat: &str, boot: &str, page_bytes: u64, ticks_per_second: u64) -> Option<Self> {
        // The second field is the name in parentheses, which may hold blanks and parentheses itself.
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let field = |number: usize| -> Option<u64> { fields.get(number - 3)?.parse().ok() };
        let seconds = |ticks: u64| float(ticks) / float(ticks_per_second);
        let boot_seconds: u64 = boot
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .trim()
            .parse()
            .ok()?;
        Some(Self {
            cpu_seconds: seconds(field(14)? + field(15)?),
            start_seconds: float(boot_seconds) + seconds(field(22)?),
            resident_bytes: field(24)? * page_bytes,
            virtual_bytes: field(23)?,
            threads: field(20)?,
            open_fds: 0,
            fds_max: None,
        })
    }

    fn render(&self, text: &mut String) {
        let mut family = |name: &str, r#type: &str, help: &str, value: &dyn std::fmt::Display| {
            let written = write!(
                text,
                "# HELP process_{name} {help}\n# TYPE process_{name} {type}\nprocess_{name} {value}\n\n"
            );
            written.expect("writing to a string does not fail");
        };
        let Self {
            cpu_seconds,
            start_seconds,
            resident_bytes,
            virtual_bytes,
            threads,
            open_fds,
            fds_max,
        } = self;
        family(
            "cpu_seconds_total",
            "counter",
            "User and system CPU time.",
            cpu_seconds,
        );
        let help = "Start of the process since the Unix epoch.";
        family("start_time_seconds", "gauge", help, start_seconds);
        family(
            "resident_memory_bytes",
            "gauge",
            "Resident memory.",
            resident_bytes,
        );
        family(
            "virtual_memory_bytes",
            "gauge",
            "Virtual memory.",
            virtual_bytes,
        );
        family("threads", "gauge", "Threads.", threads);
        family("open_fds", "gauge", "Open file descriptors.", open_fds);
        if let Some(fds_max) = fds_max {
            family(
                "max_fds",
                "gauge",
                "Most file descriptors that may be open.",
                fds_max,
            );
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ticks and seconds stay far below 2^53"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_by_its_field_numbers() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 900 0 0 0 250 150 0 0 20 0 9 0 12345 1000000 300 \
                    18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let sample = Sample::parse(stat, "cpu  1 2 3\nbtime 1700000000\n", 4096, 100).unwrap();
        assert_eq!(
            sample,
            Sample {
                cpu_seconds: 4.0,
                start_seconds: 1_700_000_123.45,
                resident_bytes: 300 * 4096,
                virtual_bytes: 1_000_000,
                threads: 9,
                open_fds: 0,
                fds_max: None,
            }
        );
        assert_eq!(Sample::parse("7 (a) S 1", "btime 1", 4096, 100), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_seen() {
        let sample = Sample::now().unwrap();
        assert!(sample.resident_bytes > 100_000 && sample.threads > 0 && sample.open_fds > 0);
    }
}
