//! Taking partitions that the group assigned: counting goes on from the group's stable committed
//! offset, once the view's progress says the same.

use model::{InputPartition, Offset, Timestamp};

use super::Instance;
use super::owned::Owned;
use crate::aggregate::Aggregate;
use crate::delta::Delta;
use crate::ports::{Bounds, Error, Ports, Published};
use crate::view::Stated;
use crate::window::Window;
use crate::{Occurrence, Options};

/// An assigned partition that is not counted yet.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// The group's offset when the ends below were fetched.
    committed: Option<Offset>,
    /// Ends of the owned topics, fetched after the group's offset; none if they have not been fetched.
    ends: Option<Vec<(Published, Offset)>>,
}

/// What is to be done with a claim.
enum Verdict {
    /// Count from here, none for the beginning of the log.
    Take(Option<Offset>),
    /// The view may still be behind.
    Wait,
}

impl Instance {
    /// Takes the partitions that can be taken.
    pub(super) fn take(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        if self.claims.is_empty() || self.agreed_settings.is_none() {
            return Ok(());
        }
        let waiting: Vec<InputPartition> = self.claims.keys().copied().collect();
        let Some(committed) = ports.source.committed(&waiting)? else {
            return Ok(());
        };
        let mut taken = Vec::new();
        for (partition, committed) in waiting.into_iter().zip(committed) {
            let position = match self.judge(ports, partition, committed)? {
                Verdict::Take(position) => position,
                Verdict::Wait => continue,
            };
            let Some(bounds) = ports.source.bounds(partition)? else {
                continue;
            };
            let position = position.unwrap_or(bounds.low);
            self.check_log(partition, position, bounds)?;
            let owned = self.restore(ports, partition, position, bounds.topic_id, now)?;
            self.owned.insert(partition, owned);
            self.claims.remove(&partition);
            taken.push((partition, position));
        }
        if !taken.is_empty() {
            ports.source.assign(&taken)?;
            for (partition, position) in taken {
                ports.host.observe(&Occurrence::Took {
                    partition,
                    position,
                });
            }
        }
        Ok(())
    }

    fn judge(
        &mut self,
        ports: &mut Ports<'_>,
        partition: InputPartition,
        committed: Option<Offset>,
    ) -> Result<Verdict, Error> {
        let position = self.view.stated(partition).map(Stated::position);
        if committed.is_some() && committed == position {
            return Ok(Verdict::Take(committed));
        }
        let claim = self.claims.entry(partition).or_default();
        let Some(ends) = claim.ends.as_ref().filter(|_| claim.committed == committed) else {
            claim.committed = committed;
            claim.ends = ports.journal.ends()?;
            ports.host.observe(&Occurrence::Waiting {
                partition,
                committed,
                position,
            });
            return Ok(Verdict::Wait);
        };
        if !self.view.has_read(ends) {
            return Ok(Verdict::Wait);
        }
        match committed {
            // Brokers forget a group that was away for long: what was published rules.
            None => Ok(Verdict::Take(position)),
            Some(_) if !ports.source.is_member() => Ok(Verdict::Wait),
            Some(committed) => Err(Error::Contradiction(format!(
                "the group's committed offset of {} is {committed}, the partials topic says {}: has the \
                 group id been used by something else, or the partials topic been changed by hand?",
                self.name(partition),
                position.map_or_else(|| "nothing".to_owned(), |position| position.to_string()),
            ))),
        }
    }

    fn check_log(
        &self,
        partition: InputPartition,
        position: Offset,
        bounds: Bounds,
    ) -> Result<(), Error> {
        let name = self.name(partition);
        let recorded = self
            .view
            .stated(partition)
            .map(|stated| &stated.progress.topic_id);
        if recorded.is_some_and(|recorded| *recorded != bounds.topic_id) {
            return Err(Error::Contradiction(format!(
                "the topic of {name} is another one of the same name than the one counted so far: its \
                 records can't be told from those already counted; count anew with other owned topics and group id"
            )));
        }
        if position < bounds.low {
            return Err(Error::Contradiction(format!(
                "the log of {name} was truncated: it begins at {}, counted was only up to {position}; events \
                 between them are gone. Lengthen the topic's retention and count anew",
                bounds.low
            )));
        }
        if position > bounds.high {
            return Err(Error::Contradiction(format!(
                "the log of {name} ends at {}, but was counted up to {position}: was the topic truncated \
                 or restored from a backup?",
                bounds.high
            )));
        }
        Ok(())
    }

    fn restore(
        &self,
        ports: &Ports<'_>,
        partition: InputPartition,
        position: Offset,
        topic_id: [u8; 16],
        now: Timestamp,
    ) -> Result<Owned, Error> {
        let stated = self.view.stated(partition);
        let options = &self.options;
        let floor = stated.map_or(options.first_month, |stated| stated.floor);
        let aggregate = Aggregate {
            partition,
            position,
            latest: stated
                .and_then(|stated| stated.progress.latest_occurred_at)
                .map(Timestamp::from_millis),
            floor,
            window: self.restore_window(ports, partition)?,
            delta: new_delta(options, partition),
            dead_letters: Vec::new(),
        };
        let number = stated.map_or(0, |stated| stated.progress.checkpoint);
        Ok(Owned::new(aggregate, number, topic_id, now))
    }

    fn restore_window(
        &self,
        ports: &Ports<'_>,
        partition: InputPartition,
    ) -> Result<Window, Error> {
        let length = self.options.deduplication_window;
        let events_max = self.options.deduplication_events_max;
        let Some(window) = self
            .view
            .stated(partition)
            .and_then(|stated| stated.progress.window)
        else {
            return Ok(Window::new(length, events_max));
        };
        let (previous, current) = self.view.window(ports.store, partition)?;
        let began_at = Timestamp::from_millis(window.began_at);
        Ok(Window::restore(
            length,
            events_max,
            window.generation,
            began_at,
            previous,
            current,
        ))
    }

    /// The name of an input partition in messages: topic and partition.
    fn name(&self, partition: InputPartition) -> String {
        format!(
            "{}/{}",
            self.options.kinds.get(partition.kind).topic,
            partition.partition
        )
    }
}

fn new_delta(options: &Options, partition: InputPartition) -> Delta {
    let has_users = options.kinds.get(partition.kind).has_users();
    let lineages = options.geography.lineages();
    Delta::new(options.precision, has_users, lineages, options.first_month)
}
