//! The leader: records the settings, closes months, revises them.
//!
//! Every step begins by taking the release transactional id anew, which fences a former leader, and by
//! reading the owned topics to their ends as they are then; only then is decided what to publish, and
//! one transaction publishes it. An error throws the decision away.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Month, Offset, Timestamp};
use prost::Message as _;
use wire::releases::{self, ReleaseId};
use wire::{headers, v1};

use super::Instance;
use crate::ports::{CommitError, Error, LeaderRecord, Ports, Published};
use crate::view::{Closed, keys};
use crate::{Occurrence, closing, release, settings};

/// Pause after a release that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the leader is doing.
#[derive(Debug, Default)]
pub(super) struct Lead {
    /// Ends that the view has to reach before it is decided; none if nothing is under way.
    reading: Option<Vec<(Published, Offset)>>,
    not_before: Option<Timestamp>,
    /// How often a month's window had changed when it was last found to need no revision.
    examined: BTreeMap<Month, u64>,
}

impl Lead {
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// The clock was set back.
    pub(super) fn note_clock(&mut self, now: Timestamp) {
        self.not_before = self.not_before.map(|not_before| not_before.min(now));
    }
}

/// What the leader publishes.
struct Decision {
    records: Vec<LeaderRecord>,
    /// The release, none if it is the settings.
    release: Option<(Month, u32, &'static str)>,
}

impl Instance {
    pub(super) fn lead(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        if !self.is_leader() {
            self.lead.reading = None;
            return Ok(());
        }
        if self
            .lead
            .not_before
            .is_some_and(|not_before| now < not_before)
        {
            return Ok(());
        }
        self.lead.not_before = None;
        let done = match self.lead.reading.take() {
            None if self.is_release_due(now) => self.begin_release(ports),
            None => return Ok(()),
            Some(ends) if self.view.has_read(&ends) => self.release(ports, now)?,
            Some(ends) => {
                self.lead.reading = Some(ends);
                return Ok(());
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(CommitError::Fatal(error)) => Err(error),
            Err(error) => {
                ports
                    .host
                    .observe(&Occurrence::ReleaseFailed(&error.to_string()));
                self.lead.not_before = Some(now.saturating_add(RETRY_PAUSE));
                Ok(())
            }
        }
    }

    fn begin_release(&mut self, ports: &mut Ports<'_>) -> Result<(), CommitError> {
        ports.host.observe(&Occurrence::ReleaseBegins);
        ports.releases.take()?;
        self.lead.reading = ports.journal.ends()?;
        Ok(())
    }

    /// Decides and publishes. The outer error ends the process, the inner one the attempt.
    fn release(
        &mut self,
        ports: &mut Ports<'_>,
        now: Timestamp,
    ) -> Result<Result<(), CommitError>, Error> {
        let Some(counts) = ports.source.partition_counts()? else {
            return Ok(Ok(()));
        };
        self.partition_counts = Some(counts);
        let Some(Decision { records, release }) = self.decide(ports, now)? else {
            return Ok(Ok(()));
        };
        if let Err(error) = ports.releases.publish(&records) {
            return Ok(Err(error));
        }
        // The next step reads this one back before it decides anything.
        match release {
            None => ports.host.observe(&Occurrence::SettingsRecorded),
            Some((month, revision, reason)) => {
                let records = records.len();
                ports.host.observe(&Occurrence::MonthReleased {
                    month,
                    revision,
                    reason,
                    records,
                });
            }
        }
        Ok(Ok(()))
    }

    /// Whether something is to be released, as far as the view knows now.
    fn is_release_due(&self, now: Timestamp) -> bool {
        if self.view.settings().is_none() {
            return true;
        }
        let Some(low) = self.low_watermark(now) else {
            return false;
        };
        self.is_close_due(low) || self.revisable(low, now).next().is_some()
    }

    fn low_watermark(&self, now: Timestamp) -> Option<Timestamp> {
        if self.agreed_settings.is_none()
            || self.view.is_recounting()
            || !closing::is_anything_counted(&self.view)
        {
            return None;
        }
        closing::low_watermark(
            &self.options,
            &self.view,
            self.partition_counts.as_ref()?,
            now,
        )
    }

    fn is_close_due(&self, low: Timestamp) -> bool {
        low >= closing::boundary(&self.options, self.view.next_to_close())
    }

    /// Why a month that was released then says something else now: settings came into force since, by the first
    /// record of a filling or by a change, or else events came late.
    fn revision_reason(&self, released_at: Timestamp) -> &'static str {
        let is_first = self
            .view
            .settings()
            .is_some_and(|settings| settings.number == settings::first_number(settings));
        match self.view.settings_at() {
            Some(at) if at > released_at && is_first => "recount",
            Some(at) if at > released_at => "settings",
            _ => "late_events",
        }
    }

    /// Closed months that changed since they were last looked at and may be revised by now.
    fn revisable(&self, low: Timestamp, now: Timestamp) -> impl Iterator<Item = (Month, Closed)> {
        let sealed_before = self.view.sealed_before();
        self.view.all_closed().filter(move |(month, closed)| {
            *month >= sealed_before
                && now
                    >= closed
                        .released_at
                        .saturating_add(self.options.revision_interval)
                && low >= closing::boundary(&self.options, *month)
                && self.lead.examined.get(month) != Some(&self.changes(*month))
        })
    }

    /// Counts up with every change of a cell that a month's release shows: its all-time counts reach back to
    /// the first month.
    fn changes(&self, month: Month) -> u64 {
        self.view.changes(self.options.first_month, month)
    }

    fn decide(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<Option<Decision>, Error> {
        if self.view.settings().is_none() {
            self.check_nothing_closed()?;
            let id = ports.host.random_id();
            let first = v1::Settings {
                number: 1,
                filling: id.to_vec(),
                ..self.own_settings.clone()
            };
            return Ok(Some(Decision {
                records: vec![settings::record(&first)],
                release: None,
            }));
        }
        let Some(low) = self.low_watermark(now) else {
            return Ok(None);
        };
        if self.is_close_due(low) {
            let month = self.view.next_to_close();
            self.check_unsealed(month)?;
            let records = self.records(ports, month, 0, "close", now)?;
            return Ok(Some(self.to_decision(month, 0, "close", &records)));
        }
        let revisable: Vec<(Month, Closed)> = self.revisable(low, now).collect();
        for (month, last) in revisable {
            let next = last.revision + 1;
            let reason = self.revision_reason(last.released_at);
            let records = self.records(ports, month, next, reason, now)?;
            if self.differs(ports, &records)? {
                return Ok(Some(self.to_decision(month, next, reason, &records)));
            }
            self.lead.examined.insert(month, self.changes(month));
        }
        Ok(None)
    }

    /// Whoever has released a month has recorded settings before.
    fn check_nothing_closed(&self) -> Result<(), Error> {
        let Some(month) = self.view.latest_closed() else {
            return Ok(());
        };
        Err(Error::Contradiction(format!(
            "the partials topic has no settings, though months up to {month} were released: it lost its records or is \
             another topic. Restore it, or count anew from the input topics with appmi reset"
        )))
    }

    /// A sealed month was released before it was sealed: what its figures need may be dropped.
    fn check_unsealed(&self, month: Month) -> Result<(), Error> {
        if month >= self.view.sealed_before() {
            return Ok(());
        }
        Err(Error::Contradiction(format!(
            "the month-close topic has no release of {month}, which is sealed: it lost records or is another topic. \
             Restore it from a copy; or count anew with appmi reset, which releases every month again, of what the \
             input topics still have"
        )))
    }

    fn records(
        &self,
        ports: &Ports<'_>,
        month: Month,
        revision: u32,
        reason: &'static str,
        now: Timestamp,
    ) -> Result<Vec<v1::MonthClose>, Error> {
        let (options, view) = (&self.options, &self.view);
        release::records(options, view, ports.store, month, revision, reason, now)
    }

    fn to_decision(
        &self,
        month: Month,
        revision: u32,
        reason: &'static str,
        messages: &[v1::MonthClose],
    ) -> Decision {
        let partitions = i64::from(self.month_close_partitions);
        let months = i64::from(month.year()) * 12 + i64::from(month.month());
        let partition = u32::try_from(months.rem_euclid(partitions)).expect("less than a u32");
        let format = self.options.release_format;
        let records = messages
            .iter()
            .map(|message| LeaderRecord {
                to: Published::MonthClose(partition),
                key: release::key(message),
                value: Some(releases::encode(message, format)),
                headers: vec![
                    (headers::CONTENT_TYPE, format.content_type().to_owned()),
                    (headers::RELEASE, ReleaseId { month, revision }.to_string()),
                    (headers::RECORDS, messages.len().to_string()),
                ],
            })
            .collect();
        Decision {
            records,
            release: Some((month, revision, reason)),
        }
    }

    /// Whether any record says something else than the last release.
    fn differs(&self, ports: &Ports<'_>, records: &[v1::MonthClose]) -> Result<bool, Error> {
        let mut stored = Vec::new();
        for record in records {
            let key = keys::release(&release::key(record));
            let found = ports.store.get(&key, &mut stored)?;
            let last = v1::MonthClose::decode(stored.as_slice())
                .ok()
                .filter(|_| found);
            let is_same = last.is_some_and(|last| {
                last.measures == record.measures
                    && last.name == record.name
                    && last.region_code == record.region_code
                    && last.region_name == record.region_name
            });
            if !is_same {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
