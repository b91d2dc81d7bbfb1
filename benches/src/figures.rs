//! What is measured of a process, and how it is printed.

use std::fs;
use std::time::Duration;

/// What one process needed for the records.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Records that came after the first ones, up to the last.
    pub records: u64,
    /// From the first records that came to the last.
    pub wall: Duration,
    /// Of the processors, meanwhile.
    pub cpu: Duration,
    /// Checkpoint transactions that were committed meanwhile.
    pub checkpoints: u64,
    /// From the start of the process to its end.
    pub whole_wall: Duration,
    /// Of the processors, from the start of the process to its end.
    pub whole_cpu: Duration,
    /// The most memory that it had at any time, in bytes.
    pub peak: u64,
}

/// The columns of a row.
pub const TITLES: &str = "                 million/s   CPU s/million   million/CPU s   checkpoints   peak MiB   \
     start to end: s    CPU s";

impl Figures {
    /// The columns of [`TITLES`].
    #[must_use]
    pub fn row(&self, name: &str) -> String {
        format!(
            "{name:<15} {:>10.3} {:>15.3} {:>15.2} {:>13} {:>10.0} {:>18.2} {:>8.2}",
            self.rate(),
            self.cpu_per_million(),
            1.0 / self.cpu_per_million(),
            self.checkpoints,
            mebibytes(self.peak),
            self.whole_wall.as_secs_f64(),
            self.whole_cpu.as_secs_f64(),
        )
    }

    /// What this needs of what the other needs.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> String {
        format!(
            "ratio           {:>10.2} {:>15.2} {:>15.2} {:>13} {:>10.2}",
            self.rate() / other.rate(),
            self.cpu_per_million() / other.cpu_per_million(),
            other.cpu_per_million() / self.cpu_per_million(),
            "",
            float(self.peak) / float(other.peak),
        )
    }

    /// The median of each figure by itself.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn median(all: &[Self]) -> Self {
        Self {
            records: median(all, |of| of.records),
            wall: median(all, |of| of.wall),
            cpu: median(all, |of| of.cpu),
            checkpoints: median(all, |of| of.checkpoints),
            whole_wall: median(all, |of| of.whole_wall),
            whole_cpu: median(all, |of| of.whole_cpu),
            peak: median(all, |of| of.peak),
        }
    }

    fn rate(&self) -> f64 {
        float(self.records) / 1e6 / self.wall.as_secs_f64()
    }

    fn cpu_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / float(self.records)
    }
}

fn median<T: Ord + Copy>(all: &[Figures], of: impl Fn(&Figures) -> T) -> T {
    let mut sorted: Vec<T> = all.iter().map(of).collect();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// The time that a process has had of the processors, in user mode and in the kernel.
///
/// # Panics
/// If there is no such process.
#[must_use]
pub fn cpu(process: u32) -> Duration {
    ticks(&format!("/proc/{process}/stat"), 14)
}

/// The same of all processes that this one has started and waited for.
///
/// # Panics
/// Where there is no `/proc`.
#[must_use]
pub fn cpu_of_children() -> Duration {
    ticks("/proc/self/stat", 16)
}

/// Two fields of a `stat` file, counted from 1, that are times; see `proc_pid_stat(5)`.
fn ticks(path: &str, first: usize) -> Duration {
    let stat = fs::read_to_string(path).expect("the process is there");
    let (_, behind_name) = stat.rsplit_once(')').expect("the name is in parentheses");
    let fields = behind_name.split_ascii_whitespace().skip(first - 3);
    let ticks: u64 = fields
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_secs(ticks).div_f64(float(rustix::param::clock_ticks_per_second()))
}

/// The most memory that a process has had, resident, in bytes; none once it has ended.
#[must_use]
pub fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Bytes in MiB.
#[must_use]
pub fn mebibytes(bytes: u64) -> f64 {
    float(bytes) / f64::from(1 << 20)
}

/// A count as a number to calculate with.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn float(number: u64) -> f64 {
    number as f64
}
