//! The demo's result: what was released beside what is true.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use engine::{Options, Tally};
use memlog::Cluster;
use wire::v1::{Measure, MonthClose};
use workload::Oracle;

use crate::cli::Demo;

/// The measures shown: the first kind's count, and its distinct users.
fn shown(options: &Options) -> (String, String) {
    let kinds = &options.kinds;
    let (_, first) = kinds.iter().next().expect("there are built-in kinds");
    (first.name.clone(), first.users.clone().unwrap_or_default())
}

/// Per month and region: events, distinct users with their interval, the exact number, the error; and
/// over every figure of the release how many were exact and how many inside their interval.
pub(super) fn report(cluster: &Cluster, oracle: &Oracle, options: &Options) -> String {
    let (count, users) = shown(options);
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    table.set_header([
        "month",
        "region",
        &count,
        &users,
        "95 % interval",
        "exact",
        "error",
    ]);
    for column in 2..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let released = released(cluster);
    let mut truth = BTreeMap::new();
    let months: std::collections::BTreeSet<_> = released.keys().map(|key| key.0.clone()).collect();
    for month in &months {
        for row in month
            .parse()
            .map(|month| oracle.measures(month))
            .unwrap_or_default()
        {
            let key = (month.clone(), row.level.to_owned(), row.code, row.measure);
            truth.insert(key, row.value);
        }
    }
    let mut tally = Comparison::default();
    for ((month, level, code), record) in &released {
        for measure in &record.measures {
            let key = (
                month.clone(),
                level.clone(),
                code.clone(),
                measure.measure.clone(),
            );
            tally.add(measure, truth.get(&key).copied());
        }
        if level == "icb" {
            continue;
        }
        let exact = truth.get(&(month.clone(), level.clone(), code.clone(), users.clone()));
        table.add_row(row(
            month,
            record,
            (&count, &users),
            exact.copied().unwrap_or(0),
        ));
    }
    format!("{table}\n{}", tally.words())
}

/// The last revision of every record that a subscriber finds, by month, level and code.
fn released(cluster: &Cluster) -> BTreeMap<(String, String, String), MonthClose> {
    let records = cluster.released();
    let records = records
        .iter()
        .filter_map(|(_, value, _)| wire::releases::decode(value).ok());
    records
        .map(|record| {
            let key = (
                record.month.clone(),
                record.level.clone(),
                record.code.clone(),
            );
            (key, record)
        })
        .collect()
}

fn row(month: &str, record: &MonthClose, (count, users): (&str, &str), exact: u64) -> [String; 7] {
    let find = |name: &str| {
        record
            .measures
            .iter()
            .find(|measure| measure.measure == name)
    };
    let events = find(count).map_or(0, |measure| measure.value);
    let users = find(users).cloned().unwrap_or_default();
    [
        month.to_owned(),
        record.name.clone(),
        grouped(events),
        grouped(users.value),
        format!("{} to {}", grouped(users.lower_95), grouped(users.upper_95)),
        grouped(exact),
        error(users.value, exact),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of people are far below 2^53"
)]
fn error(value: u64, exact: u64) -> String {
    if exact == 0 {
        return if value == 0 {
            "0.00 %".into()
        } else {
            "-".into()
        };
    }
    format!("{:+.2} %", (value as f64 / exact as f64 - 1.0) * 100.0)
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How all released figures compare with the truth.
#[derive(Default)]
struct Comparison {
    counts: u64,
    counts_equal: u64,
    estimates: u64,
    inside: u64,
}

impl Comparison {
    fn add(&mut self, measure: &Measure, exact: Option<u64>) {
        if measure.estimated {
            self.estimates += 1;
            let is_inside =
                exact.is_some_and(|exact| (measure.lower_95..=measure.upper_95).contains(&exact));
            self.inside += u64::from(is_inside);
        } else {
            self.counts += 1;
            self.counts_equal += u64::from(exact == Some(measure.value));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a few thousand figures")]
    fn words(&self) -> String {
        let share = self.inside as f64 * 100.0 / (self.estimates.max(1)) as f64;
        format!(
            "of all figures of every board, region and England: {} of {} counts equal the exact ones, \
             {} of {} estimates ({share:.1} %) have them inside their 95 % interval\n",
            self.counts_equal, self.counts, self.inside, self.estimates
        )
    }
}

/// What was read, how long it took, and what to try next.
pub(super) fn closing_words(total: &Tally, took: Duration, arguments: &Demo) -> String {
    let seconds = took.as_secs_f64();
    let records = total.counted + total.duplicates + total.dead_letters;
    let mut words = format!(
        "{} records in {seconds:.1} s: {} counted, {} duplicates dropped, {} dead letters\n\n\
         What to try next:\n  \
         appmi demo --scale 0.05        more events, the same error\n  \
         appmi demo --seed 2            other people\n",
        grouped(records),
        grouped(total.counted),
        grouped(total.duplicates),
        grouped(total.dead_letters)
    );
    if !arguments.serve {
        words.push_str(
            "  appmi demo --serve             keeps /metrics, /healthz and /readyz open\n",
        );
    }
    words.push_str(
        "  appmi topics --create          makes the topics on your Kafka; then: appmi run\n",
    );
    words
}
