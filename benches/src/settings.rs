//! The settings that everything is measured with: the defaults of the configuration.

use std::time::Duration;

use engine::Options;
use model::{Calendar, Geography, Kinds, Month};
use sketch::{HashKey, Precision};
use wire::events::Encoding;
use wire::releases::Format;
use workload::Practices;

/// Input partitions of a topic of national size.
pub const PARTITIONS: u32 = 12;

/// The first month with events.
///
/// # Panics
/// Never.
#[must_use]
pub fn first_month() -> Month {
    Month::new(2025, 3).expect("a month")
}

/// The defaults, with a list of as many practices as England has.
///
/// # Panics
/// If the synthetic practices do not fit the built-in reference data.
#[must_use]
pub fn options() -> Options {
    let practices = Practices::synthetic();
    let practices = Some(("practices.csv", practices.text()));
    Options {
        group_id: "appmi".into(),
        kinds: Kinds::builtin(),
        geography: Geography::load(None, practices).expect("the lists fit each other"),
        calendar: Calendar::new("Europe/London").expect("a zone"),
        hash_key: HashKey::derive(&[7; 32]).expect("long enough"),
        precision: Precision::new(16).expect("a precision"),
        first_month: first_month(),
        grace: Duration::from_hours(72),
        idle_timeout: Duration::from_mins(5),
        max_skew: Duration::from_mins(15),
        retention_months: 15,
        revision_interval: Duration::from_hours(24),
        deduplication_window: Duration::from_hours(1),
        deduplication_events_max: 32_768,
        encoding: Encoding::Protobuf,
        payload_bytes_max: 65_536,
        include_payload: false,
        checkpoint_interval: Duration::from_secs(30),
        release_format: Format::Protobuf,
    }
}
