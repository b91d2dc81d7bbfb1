//! The keys: each with its default, its range, and what it becomes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use model::{Calendar, Geography, Month};
use sketch::Precision;
use wire::events::Encoding;
use wire::releases::Format;

use super::reader::Reader;
use super::tree::{Key, Value};
use super::{
    Config, Deduplication, Input, Kafka, Months, Outside, PROPERTIES, Topics, files, kinds, values,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest that anything about a month may wait: a month.
const MONTH: Duration = Duration::from_secs(31 * 86_400);

/// The window of a 12-month measure reaches this far behind its month.
const RETENTION_MONTHS_MIN: u32 = 11;
/// Ten years: more would only cost memory, since nothing that old is revised.
const RETENTION_MONTHS_MAX: u32 = 120;
/// A dead letter may carry a payload, and no record exceeds 512 KiB.
const PAYLOAD_BYTES_MAX: usize = 500_000;
/// Two generations of this many hashes, and the table to find them by, are 48 MiB an input partition.
const DEDUPLICATION_EVENTS_MAX: u32 = 1 << 20;

/// Asks for every key.
///
/// # Errors
/// If one without a default is missing or cannot stand: what all the others name.
pub(super) fn config(
    reader: &mut Reader,
    warnings: &mut Vec<String>,
) -> Result<Config, Box<Outside>> {
    let kafka = kafka(reader);
    let topics = Topics {
        partials: reader.setting("topics.partials", "appmi.partials", values::topic),
        month_close: reader.setting("topics.month_close", "appmi.month-close", values::topic),
        dead_letters: reader.setting("topics.dead_letters", "appmi.dead-letters", values::topic),
    };
    let kinds = kinds::kinds(reader, &topics);
    let input = Input {
        encoding: reader.setting("input.encoding", "protobuf", values::choice(ENCODINGS)),
        max_bytes: reader.setting(
            "input.max_bytes",
            65_536,
            values::integer(1..=PAYLOAD_BYTES_MAX),
        ),
    };
    let state_dir: PathBuf = reader
        .setting("state.dir", "/var/lib/appmi", values::nonempty)
        .into();
    let key = files::key(reader, warnings);
    let include_payload = reader.setting("dead_letters.include_payload", false, values::flag);
    let geography = files::geography(reader);
    let precision = reader.setting("sketch.precision", 16, |value| {
        let precision = values::integer(4..=18_u8)(value)?;
        Precision::new(precision).ok_or_else(|| "is out of range; write 4 to 18".to_owned())
    });
    let months = months(reader, geography.as_ref());
    let deduplication = Deduplication {
        window: reader.setting(
            "deduplication.window",
            "1h",
            values::duration(SECOND..=24 * HOUR),
        ),
        events_max: reader.setting(
            "deduplication.events_max",
            32_768,
            values::integer(1..=DEDUPLICATION_EVENTS_MAX),
        ),
    };
    let interval = values::duration(Duration::from_millis(10)..=HOUR / 6);
    let checkpoint_interval = reader.setting("checkpoint.interval", "30s", interval);
    let output_format = reader.setting("output.format", "protobuf", values::choice(FORMATS));
    let http_listen = reader.setting("http.listen", "127.0.0.1:8080", values::listen);
    let (Some(key), Some(geography), Some(months)) = (key, geography, months) else {
        return Err(Box::new(Outside {
            kafka: Some(kafka),
            topics: Some((topics, kinds)),
            state_dir: Some(state_dir),
            http_listen,
        }));
    };
    Ok(Config {
        kafka,
        topics,
        kinds,
        input,
        state_dir,
        key,
        include_payload,
        geography,
        precision,
        months,
        deduplication,
        checkpoint_interval,
        output_format,
        http_listen,
    })
}

const ENCODINGS: &[(&str, Encoding)] = &[
    (Encoding::Protobuf.as_str(), Encoding::Protobuf),
    (Encoding::CloudEvents.as_str(), Encoding::CloudEvents),
];

const FORMATS: &[(&str, Format)] = &[("protobuf", Format::Protobuf), ("json", Format::Json)];

fn kafka(reader: &mut Reader) -> Kafka {
    let servers = values::nonempty;
    Kafka {
        bootstrap_servers: reader.setting("kafka.bootstrap_servers", "localhost:9092", servers),
        group_id: reader.setting("kafka.group_id", "appmi", values::nonempty),
        properties: properties(reader),
    }
}

fn properties(reader: &mut Reader) -> BTreeMap<String, String> {
    let table = Key::new(PROPERTIES);
    let mut properties = BTreeMap::new();
    for key in reader.keys_of_table(&table) {
        let name = key.names().last().cloned().unwrap_or_default();
        let value = reader.optional(&key, |value| {
            let value = values::text(value)?;
            match kafka::refused_property(&name, &value) {
                Some(reason) => Err(reason),
                None => Ok(value),
            }
        });
        if let Some(value) = value {
            properties.insert(name, value);
        }
    }
    properties
}

fn months(reader: &mut Reader, geography: Option<&Geography>) -> Option<Months> {
    let key = Key::new("months.first_month");
    let what_to_do = "write the first month to publish, such as \"2025-03\"";
    let first_month = reader.required(&key, what_to_do, |value| month(value, geography));
    let calendar = reader.setting("months.time_zone", "Europe/London", |value| {
        Calendar::new(&values::nonempty(value)?).map_err(|error| {
            format!("{error}; write one of the IANA time zone database, such as \"Europe/London\"")
        })
    });
    let grace = reader.setting(
        "months.grace",
        "72h",
        values::duration(Duration::ZERO..=MONTH),
    );
    let idle_timeout = values::duration(SECOND..=24 * HOUR);
    let idle_timeout = reader.setting("months.idle_timeout", "5m", idle_timeout);
    let max_skew = values::duration(Duration::ZERO..=24 * HOUR);
    let max_skew = reader.setting("months.max_skew", "15m", max_skew);
    let retention_months = values::integer(RETENTION_MONTHS_MIN..=RETENTION_MONTHS_MAX);
    let retention_months = reader.setting("months.retention_months", 15, retention_months);
    let revision_interval = values::duration(Duration::ZERO..=MONTH);
    let revision_interval = reader.setting("months.revision_interval", "24h", revision_interval);
    Some(Months {
        first_month: first_month?,
        calendar,
        grace,
        idle_timeout,
        max_skew,
        retention_months,
        revision_interval,
    })
}

fn month(value: &Value, geography: Option<&Geography>) -> Result<Month, String> {
    let month: Month = values::text(value)?
        .parse()
        .map_err(|_| "is not a month; write one such as \"2025-03\"".to_owned())?;
    match geography.map(Geography::first_month) {
        Some(first) if month < first => Err(format!(
            "is before {first}, where the reference data begins; write that or a later month"
        )),
        _ => Ok(month),
    }
}
