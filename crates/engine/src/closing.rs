//! When a month may be closed or revised: watermarks against the month's end and grace. Pure.

use model::{InputPartition, KindId, Month, Timestamp};

use crate::Options;
use crate::view::{Stated, View};

/// How far an input partition's event time has come; none before its first event or idle statement.
/// See [`Stated::watermark`].
#[must_use]
pub fn watermark(
    options: &Options,
    view: &View,
    stated: &Stated,
    now: Timestamp,
) -> Option<Timestamp> {
    stated.watermark(options.idle_timeout, view.newest_append(), now)
}

/// The input partition whose event time has come least far, with its watermark; one without a watermark
/// comes before all others. None if there are no partitions.
/// `partition_counts` says how many partitions the topic of each kind has.
#[must_use]
pub fn lowest(
    options: &Options,
    view: &View,
    partition_counts: &[u32],
    now: Timestamp,
) -> Option<(InputPartition, Option<Timestamp>)> {
    all_partitions(partition_counts)
        .map(|partition| {
            let stated = view.stated(partition);
            let watermark = stated.and_then(|stated| watermark(options, view, stated, now));
            (partition, watermark)
        })
        .min_by_key(|(_, watermark)| *watermark)
}

/// The earliest watermark of all input partitions; none as long as one of them has none.
#[must_use]
pub fn low_watermark(
    options: &Options,
    view: &View,
    partition_counts: &[u32],
    now: Timestamp,
) -> Option<Timestamp> {
    lowest(options, view, partition_counts, now).and_then(|(_, watermark)| watermark)
}

/// What a watermark has to pass for a month to be closed or revised: its end and the grace.
#[must_use]
pub fn boundary(options: &Options, month: Month) -> Timestamp {
    options.calendar.end_of(month).saturating_add(options.grace)
}

/// Months kept behind the latest closed one at least: those of its 12-month window.
pub const RETENTION_MONTHS_MIN: u32 = 11;

/// The first month that partitions should keep, if months before it may be dropped: `retention_months` before
/// the latest closed month, and every month whose 12-month window holds a dropped month is closed. Not
/// during a recount, whose events are older than that.
#[must_use]
pub fn floor_due(options: &Options, view: &View) -> Option<Month> {
    if view.is_recounting() {
        return None;
    }
    let retention = retention_months(options);
    let floor = view
        .latest_closed()?
        .plus(-i32::try_from(retention).unwrap_or(i32::MAX));
    let first = options.first_month;
    // The last month that needs one from below the floor.
    let last = floor.prev().plus(11);
    let closed = view
        .all_closed()
        .filter(|(month, _)| (first..=last).contains(month))
        .count();
    let needed = usize::try_from(last.since(first) + 1).unwrap_or(0);
    (floor > first && (closed == needed || is_floor_raised_too_early())).then_some(floor)
}

fn retention_months(options: &Options) -> u32 {
    if is_floor_raised_too_early() {
        return 2;
    }
    options.retention_months.max(RETENTION_MONTHS_MIN)
}

/// The one mistake that a simulation can't make at a port: a month is dropped while releases still need it.
/// Compiled for that simulation only.
#[cfg(feature = "variants")]
pub static FLOOR_IS_RAISED_TOO_EARLY: std::sync::atomic::AtomicBool =
    std::sync::atomic::AtomicBool::new(false);

#[cfg(feature = "variants")]
fn is_floor_raised_too_early() -> bool {
    FLOOR_IS_RAISED_TOO_EARLY.load(std::sync::atomic::Ordering::Relaxed)
}

#[cfg(not(feature = "variants"))]
const fn is_floor_raised_too_early() -> bool {
    false
}

/// Whether anything was ever counted: nothing is released before.
#[must_use]
pub fn is_anything_counted(view: &View) -> bool {
    view.all_stated()
        .any(|(_, stated)| stated.progress.latest_occurred_at.is_some())
}

/// Whether an idle statement of this partition, made now, would let a month close or be revised.
/// `latest` is the latest `occurred_at` that its owner has counted. What is not committed of that will be without a
/// statement; what is committed may be ahead of the newest append time, and then that has to move.
#[must_use]
pub fn would_idle_help(
    options: &Options,
    view: &View,
    partition: InputPartition,
    latest: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    if !is_anything_counted(view) {
        return false;
    }
    let reached = now.saturating_sub(options.idle_timeout);
    let stated = view.stated(partition);
    let committed = stated.and_then(|stated| stated.progress.latest_occurred_at);
    let uncommitted = latest.filter(|latest| Some(latest.as_millis()) > committed);
    let watermark = stated
        .and_then(|stated| watermark(options, view, stated, now))
        .max(uncommitted);
    let next = view.next_to_close();
    // Of the closed months the latest will do: what lets it be revised lets those before it be revised.
    [next.prev(), next]
        .into_iter()
        .filter(|month| *month >= options.first_month)
        .map(|month| boundary(options, month))
        .any(|boundary| {
            reached >= boundary && watermark.is_none_or(|watermark| watermark < boundary)
        })
}

/// Every input partition that exists.
pub fn all_partitions(partition_counts: &[u32]) -> impl Iterator<Item = InputPartition> {
    partition_counts
        .iter()
        .zip(0_u8..)
        .flat_map(|(count, kind)| {
            (0..*count).map(move |partition| InputPartition {
                kind: KindId(kind),
                partition,
            })
        })
}
