//! What is told of how things stand: the gauges, and log lines that stay few however often it is looked at.

use std::time::{Duration, Instant};

use engine::unknown::Sample;
use engine::{Lowest, Standing, WaitsFor};
use model::{InputPartition, Kinds, Month};

use super::name;
use crate::metrics::Metrics;

/// Most often that a line says which partition holds a month open.
const HELD_OPEN_EVERY: Duration = Duration::from_mins(1);
/// How long the same partition has to hold the same month open for another line, a warning.
const HELD_OPEN_LONG: Duration = Duration::from_mins(10);

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Teller {
    is_recounting: bool,
    held_open: HeldOpen,
}

impl Teller {
    pub(super) fn note(
        &mut self,
        standing: &Standing<'_>,
        kinds: &Kinds,
        metrics: &Metrics,
        now: Instant,
    ) {
        for ((id, _), count) in kinds.iter().zip(standing.partition_counts) {
            metrics.kind(id).set_partitions(*count);
        }
        let low = standing.lowest.and_then(|lowest| lowest.watermark);
        metrics.releases.set_low_watermark(low);
        metrics
            .releases
            .set_closed_until(Some(standing.closed_until));
        self.note_recount(standing.recount_records_left, metrics);
        let held = standing.lowest.and_then(|lowest| {
            let month = lowest.holds_open?;
            Some((month, lowest))
        });
        let what = held.map(|(month, lowest)| (month, lowest.partition));
        if let (Some((month, lowest)), Some(held_for)) = (held, self.held_open.due(what, now)) {
            tell_held_open(month, &lowest, &name(kinds, lowest.partition), held_for);
        }
    }

    fn note_recount(&mut self, records_left: u64, metrics: &Metrics) {
        metrics.instance.set_recount_records_left(records_left);
        let was_recounting = std::mem::replace(&mut self.is_recounting, records_left > 0);
        if self.is_recounting && !was_recounting {
            tracing::info!(
                records_left,
                "what was counted before a reset is counted anew; nothing is released until that is done"
            );
        } else if was_recounting && !self.is_recounting {
            tracing::info!(
                "everything that was counted before a reset has been counted anew; releases go on"
            );
        }
    }
}

/// When a line on what holds a month open is due.
#[derive(Debug, Default)]
struct HeldOpen {
    /// What holds which, and since when.
    held: Option<((Month, InputPartition), Instant)>,
    /// What the last line said, and when.
    told: Option<((Month, InputPartition), Instant)>,
}

impl HeldOpen {
    /// For how long it has been held open, if a line is due.
    fn due(&mut self, what: Option<(Month, InputPartition)>, now: Instant) -> Option<Duration> {
        let Some(what) = what else {
            self.held = None;
            return None;
        };
        let since = match self.held {
            Some((held, since)) if held == what => since,
            _ => now,
        };
        self.held = Some((what, since));
        let is_due = self.told.is_none_or(|(told, at)| {
            let pause = if told == what {
                HELD_OPEN_LONG
            } else {
                HELD_OPEN_EVERY
            };
            now.saturating_duration_since(at) >= pause
        });
        if !is_due {
            return None;
        }
        self.told = Some((what, now));
        Some(now.saturating_duration_since(since))
    }
}

fn tell_held_open(month: Month, lowest: &Lowest, partition: &str, held_for: Duration) {
    let month = month.to_string();
    let watermark = lowest
        .watermark
        .map_or_else(|| "none".to_owned(), |watermark| watermark.to_string());
    let counted_here = lowest.is_counted_here;
    let says = if lowest.watermark.is_some() {
        "holds the month open: its watermark has not passed the month's end and grace"
    } else {
        "holds the month open: it has no watermark, no event was counted and it was not stated to be idle"
    };
    if held_for >= HELD_OPEN_LONG {
        let minutes = held_for.as_secs() / 60;
        tracing::warn!(partition, month, watermark, counted_here, minutes, "{says}");
    } else {
        tracing::info!(partition, month, watermark, counted_here, "{says}");
    }
}

/// Says that an assigned partition is not counted yet, and what is missing.
pub(super) fn tell_waiting(partition: &str, waited: Duration, waits_for: WaitsFor) {
    let waits_for = match waits_for {
        WaitsFor::Settings => {
            "the settings in force, which the leader records first: has partition 0 of the first kind's topic an owner?"
                .to_owned()
        }
        WaitsFor::GroupOffset => {
            "the group's committed offset: it is pending in an open transaction, or the broker does not answer"
                .to_owned()
        }
        WaitsFor::View { records_left } => {
            format!("the view, which has {records_left} records of the partials topic still to read")
        }
        WaitsFor::Confirmation {
            committed,
            position,
        } => format!(
            "certainty: the group's committed offset is {}, the partials topic says {}, and the offset is to be \
             fetched again by a valid member of the group",
            committed.map_or_else(|| "none".to_owned(), |offset| offset.to_string()),
            position.map_or_else(|| "nothing".to_owned(), |offset| offset.to_string()),
        ),
        WaitsFor::Bounds => "the bounds of its log, which the broker does not say".to_owned(),
    };
    let waited_seconds = waited.as_secs();
    tracing::warn!(
        partition,
        waited_seconds,
        waits_for,
        "assigned and still not counted"
    );
}

/// Says which codes the reference data lacks.
pub(super) fn tell_unknown(sample: &Sample) {
    let codes = sample.codes.iter();
    let codes: Vec<String> = codes
        .map(|(code, events)| format!("{code} ({events})"))
        .collect();
    let Sample {
        events,
        without_code,
        malformed,
        ..
    } = *sample;
    let codes = codes.join(", ");
    tracing::info!(
        events,
        codes,
        without_code,
        malformed,
        "a sample of the events of unknown geography, by practice or else board; the next one follows in an hour or later"
    );
}

#[cfg(test)]
mod tests {
    use model::KindId;

    use super::*;

    fn what(month: &str, partition: u32) -> Option<(Month, InputPartition)> {
        let kind = KindId(0);
        Some((month.parse().unwrap(), InputPartition { kind, partition }))
    }

    #[test]
    fn what_holds_a_month_open_is_told_when_it_changes_and_at_most_once_a_minute() {
        let mut held = HeldOpen::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(held.due(None, at(0)), None);
        assert_eq!(held.due(what("2025-03", 1), at(5)), Some(Duration::ZERO));
        assert_eq!(held.due(what("2025-03", 1), at(6)), None, "said already");
        // A backlog: another one every second.
        let lines = (7..127).filter(|second| {
            let partition = u32::try_from(second % 5).unwrap();
            held.due(what("2025-03", partition), at(*second)).is_some()
        });
        assert_eq!(lines.count(), 2);
    }

    #[test]
    fn what_holds_a_month_open_for_long_is_told_again() {
        let mut held = HeldOpen::default();
        let start = Instant::now();
        let lines: Vec<u64> = (0..=1300)
            .filter(|second| {
                let now = start + Duration::from_secs(*second);
                let held_for = held.due(what("2025-03", 1), now);
                assert!(held_for.is_none_or(|held_for| held_for.as_secs() == *second));
                held_for.is_some()
            })
            .collect();
        assert_eq!(lines, [0, 600, 1200]);
    }
}
