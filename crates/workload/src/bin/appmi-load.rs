//! `appmi-load`: puts the workload into Kafka, at a given rate or as fast as it goes.
//!
//! The same seed gives the same records in every partition. Progress goes to standard error.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use kafka::{Admin, Cluster, LoadRecord, Loader, Role};
use model::{Kinds, Month};
use workload::{Item, Partitions, Profile, Rates, Workload};

/// Puts made-up NHS App events, shaped after the published figures, into Kafka.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to begin to look for the cluster.
    #[arg(long, default_value = "localhost:9092")]
    bootstrap_servers: String,
    /// The same seed makes the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The scale: one in so many of the national figures.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    one_in: u64,
    /// The first month with events.
    #[arg(long, default_value = "2025-03")]
    first_month: Month,
    /// How many months have events.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=240))]
    months: u32,
    /// Records a second; as many as the brokers take if left out.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Ends after so many records.
    #[arg(long)]
    records_max: Option<u64>,
    /// Only events that can be counted, once each and in order.
    #[arg(long)]
    clean: bool,
    /// Creates the input topics that are missing, with so many partitions each.
    #[arg(long)]
    create: Option<u32>,
    /// A topic in place of its kind's default, KIND=TOPIC; may be repeated.
    #[arg(long, value_name = "KIND=TOPIC")]
    topic: Vec<String>,
}

fn main() -> ExitCode {
    match load(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("appmi-load: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a tool that talks to a person")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn load(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let kinds = kinds(arguments)?;
    let topics: Vec<String> = kinds.iter().map(|(_, kind)| kind.topic.clone()).collect();
    let cluster = Cluster::new(&arguments.bootstrap_servers, "appmi-load", [])
        .map_err(|problems| problems.join("; "))?;
    let partitions = partitions(arguments, &cluster, &topics)?;
    let options = workload::Options {
        seed: arguments.seed,
        one_in: arguments.one_in,
        first_month: arguments.first_month,
        months: arguments.months,
        partitions,
        rates: if arguments.clean {
            Rates::none()
        } else {
            Rates::default()
        },
        kinds,
        ..workload::Options::default()
    };
    let mut loader = Loader::new(&cluster)?;
    let mut pace = Pace::new(arguments.rate);
    let limit = arguments.records_max.unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    for item in Workload::new(Profile::published(), &options).take(limit) {
        pace.wait();
        send(&mut loader, &topics, &item)?;
    }
    loader.flush()?;
    say(&pace.words());
    Ok(())
}

fn kinds(arguments: &Arguments) -> Result<Kinds, String> {
    let mut kinds = Kinds::builtin();
    for text in &arguments.topic {
        let (kind, topic) = text.split_once('=').ok_or("write --topic KIND=TOPIC")?;
        let id = kinds
            .by_name(kind)
            .ok_or_else(|| format!("there is no kind {kind}"))?;
        kinds.set_topic(id, topic)?;
    }
    Ok(kinds)
}

fn partitions(
    arguments: &Arguments,
    cluster: &Cluster,
    topics: &[String],
) -> Result<Partitions, Box<dyn std::error::Error>> {
    let admin = Admin::new(cluster)?;
    if let Some(partitions) = arguments.create {
        for topic in topics {
            // Records have the time of past months: brokers must not delete by it.
            admin.create_topic(topic, partitions, None, &[("retention.ms", "-1")])?;
        }
    }
    // Only the inputs matter here; the names of the others are the defaults.
    let topics = kafka::Topics {
        inputs: topics.to_vec(),
        partials: "appmi.partials".into(),
        month_close: "appmi.month-close".into(),
        dead_letters: "appmi.dead-letters".into(),
    };
    let mut counts = Vec::new();
    for inspection in admin
        .inspect(&topics)?
        .into_iter()
        .filter(|of| of.role == Role::Input)
    {
        match inspection.partitions() {
            Some(partitions) if inspection.faults.is_empty() => counts.push(partitions),
            _ => {
                let faults: Vec<String> =
                    inspection.faults.iter().map(ToString::to_string).collect();
                return Err(format!("{}; or name it with --create", faults.join("; ")).into());
            }
        }
    }
    let [logins, prescription_orders, registrations] = counts[..] else {
        return Err("there is not one topic for each kind".into());
    };
    Ok(Partitions {
        logins,
        prescription_orders,
        registrations,
    })
}

fn send(
    loader: &mut Loader,
    topics: &[String],
    item: &Item,
) -> Result<(), Box<dyn std::error::Error>> {
    let content_type = item.content_type.map(|value| [("content-type", value)]);
    let sent = loader.send(&LoadRecord {
        topic: &topics[usize::from(item.kind.0)],
        partition: Some(item.partition),
        key: Some(&item.key),
        value: Some(&item.payload),
        headers: content_type
            .as_ref()
            .map_or(&[], |headers| headers.as_slice()),
        timestamp: Some(item.timestamp),
    });
    Ok(sent?)
}

/// Keeps to a rate, and counts.
struct Pace {
    rate: Option<u64>,
    began: Instant,
    sent: u64,
}

impl Pace {
    fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            began: Instant::now(),
            sent: 0,
        }
    }

    /// Waits until the next record is due.
    fn wait(&mut self) {
        self.sent += 1;
        if self.sent.is_multiple_of(1_000_000) {
            say(&self.words());
        }
        let Some(rate) = self.rate else { return };
        let due = Duration::from_nanos(self.sent.saturating_mul(1_000_000_000) / rate);
        while let Some(left) = due
            .checked_sub(self.began.elapsed())
            .filter(|left| !left.is_zero())
        {
            std::thread::park_timeout(left);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn words(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-9);
        format!(
            "{} records, {:.0} a second",
            self.sent,
            self.sent as f64 / seconds
        )
    }
}
