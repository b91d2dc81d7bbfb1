//! `appmi inspect`: what a state directory holds, without Kafka, also while another process uses it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use engine::ports::{Error, Store};
use engine::view::{self, Stated, keys};
use model::{Month, Timestamp};
use serde_json::{Value, json};
use store::RocksStore;
use wire::partials::decode;
use wire::v1::{MonthClose, Progress, Settings};

/// `months.idle_timeout` where no configuration is at hand: its default.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// What a state directory holds.
#[derive(Debug)]
pub struct Inspection {
    /// What watermarks are told with.
    idle_timeout: Duration,
    now: Timestamp,
    settings: Option<Settings>,
    newest_append: Option<Timestamp>,
    read: Vec<(String, i64)>,
    partitions: Vec<Partition>,
    months: BTreeMap<Month, MonthState>,
    bytes: u64,
}

#[derive(Debug)]
struct Partition {
    kind: String,
    partition: u32,
    stated: Stated,
}

#[derive(Debug, Default)]
struct MonthState {
    kinds: BTreeMap<String, Cells>,
    release: Option<MonthClose>,
    records: u64,
}

/// Cells of a kind in a month, over all input partitions.
#[derive(Debug, Default)]
struct Cells {
    events: u64,
    cells: u64,
    pages: u64,
    page_bytes: u64,
}

/// Looks into a directory. `idle_timeout` and the time say how far an idle partition's event time has come.
///
/// # Errors
/// There is no state in it, it can't be read, no version wrote it, or a newer one did.
pub fn inspect(dir: &Path, idle_timeout: Duration, now: Timestamp) -> Result<Inspection, Error> {
    let store = RocksStore::open_to_read(dir).map_err(|error| Error::World(error.to_string()))?;
    let mut inspection = read(&store, idle_timeout, now)?;
    inspection.bytes = store.usage().disk;
    Ok(inspection)
}

fn read(store: &dyn Store, idle_timeout: Duration, now: Timestamp) -> Result<Inspection, Error> {
    view::check_format(store)?;
    let mut inspection = Inspection::empty(idle_timeout, now);
    let mut value = Vec::new();
    if store.get(keys::SETTINGS_KEY, &mut value)? {
        inspection.settings = decode(&value).ok();
    }
    if store.get(keys::APPEND_KEY, &mut value)? {
        inspection.newest_append = number(&value).map(Timestamp::from_millis);
    }
    scan(store, "read/", |key, value| {
        let text = String::from_utf8_lossy(key).into_owned();
        inspection
            .read
            .push((text.trim_start_matches("read/").to_owned(), number(value)?));
        Some(())
    })?;
    scan(store, "progress/", |key, value| {
        let (kind, partition) = keys::progress_of(key)?;
        let (appended_at, progress) = value.split_at_checked(8)?;
        inspection.partitions.push(Partition {
            kind: kind.to_owned(),
            partition,
            stated: stated(decode(progress).ok()?, number(appended_at)?)?,
        });
        Some(())
    })?;
    scan(store, "count/", |key, value| {
        let (_, month, _) = keys::count_of(key)?;
        let cells = inspection.cells(month, key);
        cells.events += u64::from_be_bytes(value.try_into().ok()?);
        cells.cells += 1;
        Some(())
    })?;
    scan(store, "page/", |key, value| {
        let (month, _, _) = keys::page_of(key)?;
        let cells = inspection.cells(month, key);
        cells.pages += 1;
        cells.page_bytes += value.len() as u64;
        Some(())
    })?;
    scan(store, "release/", |_, value| {
        let release: MonthClose = decode(value).ok()?;
        let state = inspection
            .months
            .entry(release.month.parse().ok()?)
            .or_default();
        state.records += 1;
        state.release = Some(release);
        Some(())
    })?;
    Ok(inspection)
}

/// Visits the keys with a prefix that ends in `/`.
fn scan(
    store: &dyn Store,
    prefix: &str,
    mut visit: impl FnMut(&[u8], &[u8]) -> Option<()>,
) -> Result<(), Error> {
    let end = format!("{}0", prefix.trim_end_matches('/'));
    let mut strange = None;
    store.scan(prefix.as_bytes(), end.as_bytes(), &mut |key, value| {
        if visit(key, value).is_none() {
            strange = Some(String::from_utf8_lossy(key).into_owned());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    match strange {
        None => Ok(()),
        Some(key) => Err(Error::Contradiction(format!(
            "`{key}` of the state directory can't be understood: was it written by a newer version?"
        ))),
    }
}

fn number(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_be_bytes)
}

fn stated(progress: Progress, appended_at: i64) -> Option<Stated> {
    Some(Stated {
        floor: progress.floor.parse().ok()?,
        progress,
        appended_at: (appended_at != i64::MIN).then(|| Timestamp::from_millis(appended_at)),
    })
}

impl Inspection {
    fn empty(idle_timeout: Duration, now: Timestamp) -> Self {
        Self {
            idle_timeout,
            now,
            settings: None,
            newest_append: None,
            read: Vec::new(),
            partitions: Vec::new(),
            months: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// How far event time has come in a partition, as the leader would see it now.
    fn watermark(&self, of: &Partition) -> Option<Timestamp> {
        of.stated
            .watermark(self.idle_timeout, self.newest_append, self.now)
    }

    /// Records that are still to be counted anew before anything is released, at most.
    fn recount_records_left(&self) -> u64 {
        let recount = self.settings.iter().flat_map(|settings| &settings.recount);
        let left = recount.flat_map(|recount| &recount.until).map(|until| {
            let counted = self
                .partitions
                .iter()
                .find(|of| (&of.kind, of.partition) == (&until.kind, until.partition));
            let position = counted.map_or(0, |of| of.stated.progress.position);
            u64::try_from(until.position - position).unwrap_or(0)
        });
        left.sum()
    }

    /// Months before this are sealed; none if none is.
    fn sealed_before(&self) -> Option<Month> {
        let settings = self.settings.as_ref()?;
        let first_month = settings.first_month.parse().ok()?;
        let floors = self.partitions.iter().map(|of| of.stated.floor);
        let floor = floors.max().unwrap_or(first_month);
        Some(view::sealed_before(first_month, floor, Some(settings)))
    }

    fn state(&self, month: Month, state: &MonthState) -> &'static str {
        if self.sealed_before().is_some_and(|sealed| month < sealed) {
            "sealed"
        } else if state.release.is_some() {
            "closed"
        } else {
            "open"
        }
    }

    fn cells(&mut self, month: Month, key: &[u8]) -> &mut Cells {
        let kind = key.split(|byte| *byte == b'/').nth(1).unwrap_or_default();
        let kind = String::from_utf8_lossy(kind).into_owned();
        self.months
            .entry(month)
            .or_default()
            .kinds
            .entry(kind)
            .or_default()
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let time = |at: Timestamp| at.to_string();
        json!({
            "state_bytes": self.bytes,
            "newest_append": self.newest_append.map(time),
            "idle_timeout_seconds": self.idle_timeout.as_secs(),
            "recount_records_left": self.recount_records_left(),
            "settings": self.settings.as_ref().map(|settings| json!({
                "number": settings.number,
                "filling": hex(&settings.filling),
                "first_month": settings.first_month,
                "time_zone": settings.time_zone,
                "precision": settings.precision,
                "key_fingerprint": settings.key_fingerprint,
                "group_id": settings.group_id,
                "retention_months": settings.retention_months,
            })),
            "read": self.read.iter().map(|(at, position)| json!({"at": at, "position": position}))
                .collect::<Vec<_>>(),
            "partitions": self.partitions.iter().map(|of| json!({
                "kind": of.kind,
                "partition": of.partition,
                "position": of.stated.progress.position,
                "checkpoint": of.stated.progress.checkpoint,
                "latest_occurred_at": latest(&of.stated).map(time),
                "watermark": self.watermark(of).map(time),
                "idle": of.stated.progress.idle,
                "stated_at": of.stated.appended_at.map(time),
                "floor": of.stated.progress.floor,
                "all_time_below_floor": of.stated.progress.all_time_below_floor,
                "identities": identities(&of.stated.progress),
            })).collect::<Vec<_>>(),
            "months": self.months.iter().map(|(month, state)| json!({
                "month": month.to_string(),
                "state": self.state(*month, state),
                "revision": state.release.as_ref().map(|release| release.revision),
                "reason": state.release.as_ref().map(|release| release.reason.clone()),
                "records": state.records,
                "kinds": state.kinds.iter().map(|(kind, cells)| (kind.clone(), json!({
                    "events": cells.events,
                    "cells": cells.cells,
                    "pages": cells.pages,
                    "page_bytes": cells.page_bytes,
                }))).collect::<serde_json::Map<_, _>>(),
            })).collect::<Vec<_>>(),
        })
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        match &self.settings {
            None => text.push_str("no settings have been recorded yet\n"),
            Some(settings) => {
                let _ = writeln!(
                    text,
                    "settings {}, filling {}: first month {}, {}, precision {}, key {}, group {}",
                    settings.number,
                    hex(&settings.filling),
                    settings.first_month,
                    settings.time_zone,
                    settings.precision,
                    settings.key_fingerprint,
                    settings.group_id
                );
            }
        }
        let left = self.recount_records_left();
        if left > 0 {
            let _ = writeln!(
                text,
                "counting anew after a reset: at most {left} records left, nothing is released until then"
            );
        }
        let _ = writeln!(
            text,
            "{} bytes on disk\n\ninput partitions (watermarks with an idle_timeout of {} s)",
            self.bytes,
            self.idle_timeout.as_secs()
        );
        let _ = writeln!(text, "{}\n\nmonths", self.partitions_table());
        let _ = writeln!(text, "{}\n\nread of the owned topics", self.months_table());
        for (at, position) in &self.read {
            let _ = writeln!(text, "  {at}  {position}");
        }
        text
    }

    fn partitions_table(&self) -> Table {
        let mut table = table(&[
            "kind",
            "partition",
            "position",
            "latest event",
            "watermark",
            "idle",
            "stated at",
            "floor",
            "checkpoint",
        ]);
        let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        for of in &self.partitions {
            let progress = &of.stated.progress;
            table.add_row([
                of.kind.clone(),
                of.partition.to_string(),
                progress.position.to_string(),
                time(latest(&of.stated)),
                time(self.watermark(of)),
                if progress.idle { "yes" } else { "no" }.to_owned(),
                time(of.stated.appended_at),
                progress.floor.clone(),
                progress.checkpoint.to_string(),
            ]);
        }
        table
    }

    fn months_table(&self) -> Table {
        let mut table = table(&[
            "month",
            "state",
            "revision",
            "kind",
            "events",
            "cells",
            "pages",
            "page bytes",
        ]);
        for (month, state) in &self.months {
            let revision = state
                .release
                .as_ref()
                .map(|release| release.revision.to_string());
            let named = self.state(*month, state);
            let revision = revision.unwrap_or_else(|| "-".to_owned());
            if state.kinds.is_empty() {
                table.add_row([month.to_string(), named.to_owned(), revision.clone()]);
            }
            for (kind, cells) in &state.kinds {
                table.add_row([
                    month.to_string(),
                    named.to_owned(),
                    revision.clone(),
                    kind.clone(),
                    cells.events.to_string(),
                    cells.cells.to_string(),
                    cells.pages.to_string(),
                    cells.page_bytes.to_string(),
                ]);
            }
        }
        table
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(header);
    for (index, name) in header.iter().enumerate() {
        if [
            "position",
            "checkpoint",
            "revision",
            "events",
            "cells",
            "pages",
            "page bytes",
        ]
        .contains(name)
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn latest(stated: &Stated) -> Option<Timestamp> {
    stated
        .progress
        .latest_occurred_at
        .map(Timestamp::from_millis)
}

fn identities(progress: &Progress) -> u32 {
    progress
        .window
        .map_or(0, |window| window.current + window.previous)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
