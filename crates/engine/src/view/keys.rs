//! Keys and values of the view's storage. Text with zero-padded numbers, so that ranges are ranges
//! and a dump can be read. A change here needs a new [`FORMAT`].
//!
//! | key | value |
//! |---|---|
//! | `format` | [`FORMAT`], u32 big-endian |
//! | `topics` | the broker's ids of the partials and the month-close topic, 32 bytes |
//! | `settings` | the settings in force: `appmi.v1.Settings` |
//! | `settings_at` | append time of their record, i64 big-endian, milliseconds since the epoch |
//! | `append` | newest append time seen, i64 big-endian, milliseconds since the epoch |
//! | `read/p/{partition}` | where reading of the partials topic goes on, i64 big-endian |
//! | `read/m/{partition}` | the same of the month-close topic |
//! | `progress/{kind}/{partition}` | append time (i64 big-endian, `i64::MIN` if not known yet), then `appmi.v1.Progress` |
//! | `window/{kind}/{partition}/{generation % 2}/{slice}` | `appmi.v1.WindowSlice` |
//! | `count/{kind}/{partition}/{month}/{lineage}` | events of a cell, u64 big-endian |
//! | `page/{kind}/{partition}/{month}/{lineage}/{page}` | registers of a cell's page, canonical bytes |
//! | `union/{kind}/{month}/{lineage}/{page}` | the same over all input partitions of the kind |
//! | `release/{month}/{level}/{code}` | the last revision: `appmi.v1.MonthClose` |
//!
//! Partitions and slices have five digits, pages two.

use std::io::Write as _;

use model::Month;

use crate::ports::Published;

/// Format of the view's storage.
pub const FORMAT: u32 = 1;

/// Key of the format.
pub const FORMAT_KEY: &[u8] = b"format";
/// Key of the topic ids.
pub const TOPICS_KEY: &[u8] = b"topics";
/// Key of the settings in force.
pub const SETTINGS_KEY: &[u8] = b"settings";
/// Key of the append time of the settings in force.
pub const SETTINGS_AT_KEY: &[u8] = b"settings_at";
/// Key of the newest append time.
pub const APPEND_KEY: &[u8] = b"append";
/// Behind every key.
pub const END: &[u8] = &[0xFF];

macro_rules! key {
    ($($arg:tt)*) => {{
        let mut key = Vec::with_capacity(64);
        write!(key, $($arg)*).expect("writing to memory");
        key
    }};
}

/// Key of a read position.
#[must_use]
pub fn read(at: Published) -> Vec<u8> {
    match at {
        Published::Partials(partition) => key!("read/p/{partition:05}"),
        Published::MonthClose(partition) => key!("read/m/{partition:05}"),
    }
}

/// The partition of a read position's key.
#[must_use]
pub fn read_of(key: &[u8]) -> Option<Published> {
    let text = std::str::from_utf8(key).ok()?.strip_prefix("read/")?;
    let (topic, partition) = text.split_once('/')?;
    let partition = partition.parse().ok()?;
    match topic {
        "p" => Some(Published::Partials(partition)),
        "m" => Some(Published::MonthClose(partition)),
        _ => None,
    }
}

/// Key of an input partition's progress.
#[must_use]
pub fn progress(kind: &str, partition: u32) -> Vec<u8> {
    key!("progress/{kind}/{partition:05}")
}

/// Kind and partition of a progress key.
#[must_use]
pub fn progress_of(key: &[u8]) -> Option<(&str, u32)> {
    let text = std::str::from_utf8(key).ok()?.strip_prefix("progress/")?;
    let (kind, partition) = text.split_once('/')?;
    Some((kind, partition.parse().ok()?))
}

/// Key of a slice of a window.
#[must_use]
pub fn window(kind: &str, partition: u32, parity: u64, slice: usize) -> Vec<u8> {
    key!("window/{kind}/{partition:05}/{parity}/{slice:05}")
}

/// Key of a cell's event count.
#[must_use]
pub fn count(kind: &str, partition: u32, month: Month, lineage: &str) -> Vec<u8> {
    key!("count/{kind}/{partition:05}/{month}/{lineage}")
}

/// Where the counts of an input partition begin, from a month on.
#[must_use]
pub fn counts_from(kind: &str, partition: u32, month: Month) -> Vec<u8> {
    key!("count/{kind}/{partition:05}/{month}/")
}

/// Where the counts of a kind begin and end.
#[must_use]
pub fn counts_of(kind: &str) -> (Vec<u8>, Vec<u8>) {
    (key!("count/{kind}/"), key!("count/{kind}0"))
}

/// Where the counts of an input partition begin.
#[must_use]
pub fn counts_begin(kind: &str, partition: u32) -> Vec<u8> {
    key!("count/{kind}/{partition:05}/")
}

/// Partition, month and lineage of a count's key.
#[must_use]
pub fn count_of(key: &[u8]) -> Option<(u32, Month, &str)> {
    let text = std::str::from_utf8(key).ok()?;
    let mut parts = text.splitn(5, '/').skip(2);
    Some((
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        parts.next()?,
    ))
}

/// Key of a cell's page.
#[must_use]
pub fn page(kind: &str, partition: u32, month: Month, lineage: &str, page: usize) -> Vec<u8> {
    key!("page/{kind}/{partition:05}/{month}/{lineage}/{page:02}")
}

/// Where the pages of an input partition begin.
#[must_use]
pub fn pages_begin(kind: &str, partition: u32) -> Vec<u8> {
    key!("page/{kind}/{partition:05}/")
}

/// Where the pages of an input partition begin, from a month on.
#[must_use]
pub fn pages_from(kind: &str, partition: u32, month: Month) -> Vec<u8> {
    key!("page/{kind}/{partition:05}/{month}/")
}

/// Partition, month, lineage and number of a page's key.
#[must_use]
pub fn page_of(key: &[u8]) -> Option<(Month, &str, usize)> {
    let text = std::str::from_utf8(key).ok()?;
    let mut parts = text.splitn(6, '/').skip(3);
    Some((
        parts.next()?.parse().ok()?,
        parts.next()?,
        parts.next()?.parse().ok()?,
    ))
}

/// Key of a page of a union.
#[must_use]
pub fn union(kind: &str, month: Month, lineage: &str, page: usize) -> Vec<u8> {
    key!("union/{kind}/{month}/{lineage}/{page:02}")
}

/// Where the unions of a kind begin, from a month on.
#[must_use]
pub fn unions_from(kind: &str, month: Month) -> Vec<u8> {
    key!("union/{kind}/{month}/")
}

/// Where the unions of a kind begin.
#[must_use]
pub fn unions_begin(kind: &str) -> Vec<u8> {
    key!("union/{kind}/")
}

/// Lineage and page of a union's key.
#[must_use]
pub fn union_of(key: &[u8]) -> Option<(&str, usize)> {
    let text = std::str::from_utf8(key).ok()?;
    let mut parts = text.splitn(5, '/').skip(3);
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// Key of a released record; `key` is its key in the month-close topic.
#[must_use]
pub fn release(key: &[u8]) -> Vec<u8> {
    [b"release/".as_slice(), key].concat()
}

/// Where the released records of a month begin and end.
#[must_use]
pub fn releases_of(month: Month) -> (Vec<u8>, Vec<u8>) {
    (key!("release/{month}/"), key!("release/{month}0"))
}

/// Where all released records begin and end.
#[must_use]
pub fn releases() -> (Vec<u8>, Vec<u8>) {
    (b"release/".to_vec(), b"release0".to_vec())
}
