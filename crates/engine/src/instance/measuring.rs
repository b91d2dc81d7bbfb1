//! Where the partitions that are counted here stand in their logs: for the metrics, and to state those idle that
//! have nothing more to say.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{InputPartition, Timestamp};

use super::Instance;
use crate::ports::{Bounds, Error, Ports};
use crate::{Occurrence, closing};

/// How often the ends of a partition are measured, one partition at a time.
const MEASURE_INTERVAL: Duration = Duration::from_millis(500);
/// How often silent partitions are looked for.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

impl Instance {
    /// The bounds of partitions, unless a question of this turn was not answered: each may take seconds, and
    /// everything else waits for the turn to end.
    pub(super) fn bounds(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &[InputPartition],
    ) -> Result<Option<Vec<Bounds>>, Error> {
        if self.is_unanswered || partitions.is_empty() {
            return Ok(None);
        }
        let bounds = ports.source.bounds(partitions)?;
        self.is_unanswered = bounds.is_none();
        Ok(bounds)
    }

    /// Measures the ends of one owned partition, in turn.
    pub(super) fn measure(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        if self.owned.is_empty() || now < self.measured_at.saturating_add(MEASURE_INTERVAL) {
            return Ok(());
        }
        self.measured_at = now;
        let next = self.measured_last.and_then(|last| {
            self.owned
                .keys()
                .find(|partition| **partition > last)
                .copied()
        });
        let Some(partition) = next.or_else(|| self.owned.keys().next().copied()) else {
            return Ok(());
        };
        self.measured_last = Some(partition);
        if let Some(bounds) = self.bounds(ports, &[partition])? {
            let Bounds { high, topic_id, .. } = bounds[0];
            let owned = &self.owned[&partition];
            if owned.topic_id != topic_id {
                // Clients go on reading by name and offset.
                return Err(self.another_topic(partition));
            }
            let position = owned.aggregate.position;
            ports.host.observe(&Occurrence::Measured {
                partition,
                position,
                high,
            });
        }
        let stated = self.view.stated(partition);
        let watermark =
            stated.and_then(|stated| closing::watermark(&self.options, &self.view, stated, now));
        ports.host.observe(&Occurrence::Watermark {
            partition,
            watermark,
        });
        Ok(())
    }

    /// States partitions to be idle where that would let a month close.
    pub(super) fn note_idle(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        if now < self.idle_at.saturating_add(IDLE_INTERVAL) {
            return Ok(());
        }
        self.idle_at = now;
        let silent = self.owned.iter().filter(|(partition, owned)| {
            let stated = self.view.stated(**partition);
            // A checkpoint of which it is not known yet when it was appended.
            let is_on_its_way = stated.is_some_and(|stated| stated.appended_at.is_none());
            let latest = owned.aggregate.latest;
            !owned.idle_is_due
                && !is_on_its_way
                && owned.is_silent(now, self.options.idle_timeout)
                && closing::would_idle_help(&self.options, &self.view, **partition, latest, now)
        });
        let silent: Vec<InputPartition> = silent.map(|(partition, _)| *partition).collect();
        for partition in self.at_their_ends(ports, &silent)? {
            if let Some(owned) = self.owned.get_mut(&partition) {
                owned.idle_is_due = true;
                owned.is_idle = true;
            }
        }
        Ok(())
    }

    /// Which of these partitions stand at their high watermark; none of them if that can't be known now.
    pub(super) fn at_their_ends(
        &mut self,
        ports: &mut Ports<'_>,
        partitions: &[InputPartition],
    ) -> Result<BTreeSet<InputPartition>, Error> {
        let bounds = self.bounds(ports, partitions)?.unwrap_or_default();
        let at_end = partitions.iter().zip(bounds).filter(|(partition, bounds)| {
            let owned = self.owned.get(partition);
            owned.is_some_and(|owned| owned.aggregate.position == bounds.high)
        });
        Ok(at_end.map(|(partition, _)| *partition).collect())
    }
}
