//! What an operator is told about once a second: how things stand, what holds a month open, and which
//! partitions should be counted by now and are not. It decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{InputPartition, Kind, Timestamp};

use super::Instance;
use crate::occurrence::{Lowest, Standing, WaitsFor};
use crate::ports::{Host, Ports, Record};
use crate::unknown::Look;
use crate::view::{Stated, View};
use crate::{Occurrence, Options, closing};

/// How often things are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a partition may wait to be taken before that is worth a word; usually it takes milliseconds.
const CLAIM_PATIENCE: Duration = Duration::from_secs(15);
/// How long after a word about a waiting partition the next one follows.
const CLAIM_AGAIN: Duration = Duration::from_mins(1);
/// How long events of unknown geography are gathered at least before they are told of.
const SAMPLE_PATIENCE: Duration = Duration::from_mins(1);
/// How often they are told of at most.
const SAMPLE_INTERVAL: Duration = Duration::from_hours(1);

/// What was seen when things were last looked at.
#[derive(Debug)]
pub(super) struct Watch {
    at: Timestamp,
    /// Events of unknown geography that were not told of yet.
    unknown: Look,
    /// When they may be told of.
    sample_at: Timestamp,
    /// Partitions that wait to be taken.
    waiting: BTreeMap<InputPartition, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Timestamp,
    /// When a word about it is due.
    due: Timestamp,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            at: Timestamp::MIN,
            unknown: Look::default(),
            sample_at: Timestamp::MIN,
            waiting: BTreeMap::new(),
        }
    }
}

impl Watch {
    /// The clock was set back.
    pub(super) fn note_clock(&mut self, now: Timestamp) {
        self.at = self.at.min(now);
        self.sample_at = self.sample_at.min(now.saturating_add(SAMPLE_INTERVAL));
        for waiting in self.waiting.values_mut() {
            waiting.since = waiting.since.min(now);
            waiting.due = waiting.due.min(now.saturating_add(CLAIM_AGAIN));
        }
    }

    /// Looks at a run that has events of unknown geography.
    pub(super) fn look_at(
        &mut self,
        options: &Options,
        kind: &Kind,
        records: &[Record<'_>],
        now: Timestamp,
    ) {
        if self.unknown.is_empty() {
            self.sample_at = self.sample_at.max(now.saturating_add(SAMPLE_PATIENCE));
        }
        self.unknown.look_at(options, kind, records);
    }

    fn tell_unknown(&mut self, host: &mut dyn Host, now: Timestamp) {
        if !self.unknown.is_empty() && now >= self.sample_at {
            self.sample_at = now.saturating_add(SAMPLE_INTERVAL);
            host.observe(&Occurrence::UnknownGeography(&self.unknown.take()));
        }
    }
}

impl Instance {
    /// Tells how things stand.
    pub(super) fn watch(&mut self, ports: &mut Ports<'_>, now: Timestamp) {
        if now < self.watch.at.saturating_add(INTERVAL) {
            return;
        }
        self.watch.at = now;
        let next = self.view.next_to_close();
        let counts = self.partition_counts.as_deref().unwrap_or_default();
        let standing = Standing {
            partition_counts: counts,
            recount_records_left: self.view.recount_records_left(),
            closed_until: self.options.calendar.start_of(next),
            lowest: self.lowest(counts, now),
        };
        ports.host.observe(&Occurrence::Standing(standing));
        self.watch.tell_unknown(ports.host, now);
        self.watch_claims(ports, now);
    }

    /// What only the leader looks at.
    fn lowest(&self, counts: &[u32], now: Timestamp) -> Option<Lowest> {
        if !self.is_leader() {
            return None;
        }
        let (partition, watermark) = closing::lowest(&self.options, &self.view, counts, now)?;
        let month = self.view.next_to_close();
        let boundary = closing::boundary(&self.options, month);
        let is_held = now >= boundary
            && watermark.is_none_or(|watermark| watermark < boundary)
            && !self.view.is_recounting()
            && closing::is_anything_counted(&self.view);
        Some(Lowest {
            partition,
            watermark,
            holds_open: is_held.then_some(month),
            is_counted_here: self.owned.contains_key(&partition),
        })
    }

    fn watch_claims(&mut self, ports: &mut Ports<'_>, now: Timestamp) {
        let claims = &self.claims;
        self.watch
            .waiting
            .retain(|partition, _| claims.contains_key(partition));
        for partition in claims.keys() {
            let waiting = self.watch.waiting.entry(*partition).or_insert(Waiting {
                since: now,
                due: now.saturating_add(CLAIM_PATIENCE),
            });
            if now >= waiting.due {
                waiting.due = now.saturating_add(CLAIM_AGAIN);
                let waited = now.saturating_since(waiting.since);
                ports.host.observe(&Occurrence::WaitingLong {
                    partition: *partition,
                    waited,
                    waits_for: waits_for(
                        &self.view,
                        *partition,
                        &claims[partition],
                        self.agreed_settings.is_some(),
                    ),
                });
            }
        }
    }
}

/// What keeps a claim from being taken, in the order in which the steps of taking it follow each other.
fn waits_for(
    view: &View,
    partition: InputPartition,
    claim: &super::Claim,
    are_settings_known: bool,
) -> WaitsFor {
    if !are_settings_known {
        return WaitsFor::Settings;
    }
    let Some(seen) = claim.seen else {
        return WaitsFor::GroupOffset;
    };
    if !view.has_read(&seen.ends) {
        let records_left = view.left(&seen.ends);
        return WaitsFor::View { records_left };
    }
    let position = view.stated(partition).map(Stated::position);
    if seen.committed.is_some() && seen.committed != position {
        return WaitsFor::Confirmation {
            committed: seen.committed,
            position,
        };
    }
    WaitsFor::Bounds
}
