//! Counting anew from the input log: the settings of a filling that follows a former one. Pure.
//!
//! Releases stay the record. So nothing is released before everything is counted again that the input log had
//! at the time, and closed months of which the log no longer has all events are sealed.

use std::collections::BTreeMap;

use model::{InputPartition, Month, Offset, Timestamp};
use wire::partials::{self, PartialKey};
use wire::{releases, v1};

use crate::ports::{Error, Published, PublishedRecord};
use crate::{Options, settings};

/// What an input partition's log still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputLog {
    /// The partition.
    pub partition: InputPartition,
    /// The first offset that it still has.
    pub low: Offset,
    /// Its high watermark.
    pub high: Offset,
    /// The timestamp of its first record; none if it has none.
    pub begins_at: Option<Timestamp>,
}

/// What was published so far, as far as counting anew depends on it.
#[derive(Debug, Default)]
pub struct Former {
    settings: Option<v1::Settings>,
    /// Floors by kind and partition, with where they were read.
    floors: BTreeMap<(String, u32), (Published, Offset, Month)>,
    closed: BTreeMap<Month, u32>,
}

impl Former {
    /// Takes note of a record of the owned topics. What can't be understood is passed over: a topic that has
    /// such records is a reason to count anew.
    ///
    /// # Errors
    /// If the settings are of a newer format.
    pub fn note(&mut self, record: &PublishedRecord) -> Result<(), Error> {
        let Some(value) = &record.value else {
            return Ok(());
        };
        match record.at {
            Published::Partials(_) => match PartialKey::decode(&record.key) {
                Ok(PartialKey::Settings) => self.settings = Some(settings::read(value)?),
                Ok(PartialKey::Progress { kind, partition }) => {
                    let progress = partials::decode::<v1::Progress>(value).ok();
                    if let Some(floor) = progress.and_then(|progress| progress.floor.parse().ok()) {
                        let at = (record.at, record.offset, floor);
                        self.floors.insert((kind.to_owned(), partition), at);
                    }
                }
                _ => {}
            },
            Published::MonthClose(_) => {
                if let Ok(release) = releases::decode(value)
                    && let Ok(month) = release.month.parse()
                {
                    let last = self.closed.entry(month).or_default();
                    *last = release.revision.max(*last);
                }
            }
        }
        Ok(())
    }

    /// The settings in force; none if none were recorded.
    #[must_use]
    pub fn settings(&self) -> Option<&v1::Settings> {
        self.settings.as_ref()
    }

    /// The closed months with their last revisions.
    #[must_use]
    pub fn closed(&self) -> &BTreeMap<Month, u32> {
        &self.closed
    }

    /// Months before this are sealed already; none if none is.
    fn sealed_before(&self) -> Option<Month> {
        let settings = self.settings.as_ref()?;
        let recount = settings.recount.as_ref();
        let begins = |at: Published| match at {
            Published::Partials(partition) => recount
                .and_then(|recount| recount.begins.get(partition as usize))
                .map_or(0, |begin| *begin),
            Published::MonthClose(_) => 0,
        };
        let floors = self.floors.values();
        let floor = floors
            .filter(|(at, offset, _)| offset.0 >= begins(*at))
            .map(|(.., floor)| *floor)
            .max();
        let first_month: Month = settings.first_month.parse().ok()?;
        let by_floor = floor
            .filter(|floor| *floor > first_month)
            .map(|floor| floor.plus(11));
        let by_recount = recount.and_then(|recount| recount.sealed_before.parse().ok());
        by_floor.max(by_recount)
    }
}

/// What counting anew will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The settings of the new filling. Publishing them is what begins it.
    pub settings: v1::Settings,
    /// Closed months that become sealed, for the log no longer has all of their events.
    pub sealed: Vec<Month>,
    /// Input partitions whose log lacks its beginning, with the first month that it has whole.
    pub truncated: Vec<(InputLog, Month)>,
}

/// Decides how to count anew. `own` is what this process would record ([`settings::of`]), `begins` where the
/// records of the new filling will begin in every partition of the partials topic, `inputs` is every input partition.
///
/// # Errors
/// [`Error::Configuration`] if the topics belong to another group, or the first month is another than that of the
/// months that were released.
pub fn plan(
    options: &Options,
    own: &v1::Settings,
    former: &Former,
    inputs: &[InputLog],
    begins: Vec<Offset>,
    (filling, now): ([u8; 16], Timestamp),
) -> Result<Plan, Error> {
    if let Some(recorded) = former.settings() {
        refuse_others(recorded, own, former.closed.is_empty())?;
    }
    let truncated = truncated(options, inputs, now);
    let next_to_close = former
        .closed
        .last_key_value()
        .map_or(options.first_month, |(month, _)| month.next());
    let sealed_already = former.sealed_before().unwrap_or(options.first_month);
    let sealed_before = truncated
        .iter()
        .map(|(log, whole)| last_shown(options, log.partition, *whole))
        .max()
        .unwrap_or(options.first_month)
        .max(sealed_already)
        // What has no release, though it had one before the topic was lost, has to be released again.
        .min(next_to_close);
    let sealed = former
        .closed
        .range(sealed_already.min(sealed_before)..sealed_before)
        .map(|(month, _)| *month)
        .collect();
    let until = inputs
        .iter()
        .filter(|log| log.high > log.low)
        .map(|log| v1::InputPosition {
            kind: options.kinds.get(log.partition.kind).name.clone(),
            partition: log.partition.partition,
            position: log.high.0,
        })
        .collect();
    let number = former.settings().map_or(1, |recorded| recorded.number + 1);
    let recount = v1::Recount {
        begins: begins.into_iter().map(|begin| begin.0).collect(),
        settings: number,
        until,
        sealed_before: if sealed_before > options.first_month {
            sealed_before.to_string()
        } else {
            String::new()
        },
    };
    Ok(Plan {
        settings: v1::Settings {
            number,
            filling: filling.to_vec(),
            recount: Some(recount),
            ..own.clone()
        },
        sealed,
        truncated,
    })
}

fn refuse_others(
    recorded: &v1::Settings,
    own: &v1::Settings,
    is_nothing_closed: bool,
) -> Result<(), Error> {
    if recorded.group_id != own.group_id {
        return Err(Error::Configuration(format!(
            "the partials topic belongs to the group {}, and kafka.group_id is {}: correct kafka.group_id or the \
             names of the topics",
            recorded.group_id, own.group_id
        )));
    }
    if recorded.first_month != own.first_month && !is_nothing_closed {
        return Err(Error::Configuration(format!(
            "months.first_month is {}, and months were released from {} on: released months stay the record, so \
             the first one can't change; restore it",
            own.first_month, recorded.first_month
        )));
    }
    Ok(())
}

/// The partitions whose log lacks events of the months to be released, with the first month that it has whole.
fn truncated(options: &Options, inputs: &[InputLog], now: Timestamp) -> Vec<(InputLog, Month)> {
    let first_whole = |log: &InputLog| {
        // Events are recorded when they have occurred, or up to the skew before.
        let gone_until = log
            .begins_at
            .unwrap_or(now)
            .saturating_add(options.max_skew);
        options.calendar.month_of(gone_until).next()
    };
    inputs
        .iter()
        .filter(|log| log.low > Offset(0))
        .map(|log| (*log, first_whole(log)))
        .filter(|(_, whole)| *whole > options.first_month)
        .collect()
}

/// The month before which every figure shows events of months that are not whole: a 12-month measure reaches back
/// 11 months, an all-time one to the beginning.
fn last_shown(options: &Options, partition: InputPartition, whole: Month) -> Month {
    let kind = options.kinds.get(partition.kind);
    if kind.all_time.is_some() {
        Month::MAX
    } else if kind.users_12_months.is_some() {
        whole.plus(11)
    } else {
        whole
    }
}
