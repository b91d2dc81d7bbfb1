//! The bare consumer, as a process of its own, so that its processor time and memory are its own.

use std::env;
use std::hint::black_box;
use std::process::{self, Command};
use std::time::{Duration, Instant};

use kafka::{Cluster, Drain};
use tests::Broker;

use benches::figures::{self, Figures};

/// The first argument of the process that drains.
pub(crate) const COMMAND: &str = "bare";

/// Drains a topic and says what that needed: arguments are the broker's address, the topic, the records.
pub(crate) fn drain(arguments: &[String]) {
    let [address, topic, records] = arguments else {
        panic!("bare ADDRESS TOPIC RECORDS");
    };
    let records: u64 = records.parse().expect("a number");
    let cluster = Cluster::new(address, "bare", []).expect("there are no properties");
    let mut drain = Drain::new(&cluster, topic, false).expect("the topic can be read");
    let mut poll = || {
        let wait = Duration::from_millis(100);
        let polled = drain.poll(wait, |record| {
            black_box(record.offset);
        });
        u64::try_from(polled.expect("the topic can be read")).expect("a small number")
    };
    let own = process::id();
    let mut read = 0;
    while read == 0 {
        read = poll();
    }
    let (first, start, cpu) = (read, Instant::now(), figures::cpu(own));
    while read < records {
        read += poll();
    }
    let (wall, cpu) = (start.elapsed(), figures::cpu(own) - cpu);
    println!(
        "{} {} {} {}",
        read - first,
        wall.as_micros(),
        cpu.as_micros(),
        figures::peak(own).expect("it is running")
    );
}

/// Lets a process drain the topic.
pub(crate) fn measure(broker: &Broker, topic: &str, records: u64) -> Figures {
    let (cpu, start) = (figures::cpu_of_children(), Instant::now());
    let output = Command::new(env::current_exe().expect("this program has a path"))
        .args([COMMAND, &broker.bootstrap(), topic, &records.to_string()])
        .output()
        .expect("this program starts");
    let (whole_wall, whole_cpu) = (start.elapsed(), figures::cpu_of_children() - cpu);
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u64> = text
        .split_ascii_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    let [records, wall, cpu, peak] = numbers[..] else {
        panic!("the bare consumer failed: {output:?}");
    };
    Figures {
        records,
        wall: Duration::from_micros(wall),
        cpu: Duration::from_micros(cpu),
        checkpoints: 0,
        whole_wall,
        whole_cpu,
        peak,
    }
}
