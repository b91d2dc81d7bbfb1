//! Taking partitions that the group assigned: counting goes on from the group's stable committed
//! offset, once the view's progress says the same.
//!
//! That they are equal is not enough: a checkpoint may leave the position where it was (an idle
//! statement, a floor), and has a number all the same. So the view first reads the partials up to
//! where they ended after the stable offset was fetched; whatever the former owner committed is below. So are the
//! settings of a new filling, if the topic was filled anew meanwhile.

use std::time::Duration;

use model::{InputPartition, Offset, Timestamp};

use super::Instance;
use super::owned::Owned;
use crate::aggregate::Aggregate;
use crate::delta::Delta;
use crate::ports::{Bounds, Error, Ports, Published};
use crate::view::Stated;
use crate::window::Window;
use crate::{Occurrence, Options, checkpoint, settings};

/// Pause after a question about claims that was not answered. It may have taken seconds, in which nothing was counted.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// An assigned partition that is not counted yet.
#[derive(Debug, Default)]
pub(super) struct Claim {
    pub(super) seen: Option<Seen>,
}

/// What was fetched for a claim, in this order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// The group's offset.
    pub(super) committed: Option<Offset>,
    /// The ends of the partials partitions that hold the partition's records and the settings: those of a new
    /// filling make everything that was read before meaningless.
    pub(super) ends: [(Published, Offset); 2],
    /// Whether the group's offset was the same when it was fetched again.
    is_confirmed: bool,
}

/// What is to be done with a claim.
enum Verdict {
    /// Count from here, none for the beginning of the log.
    Take(Option<Offset>),
    /// The view may still be behind.
    Wait,
}

/// A claim that can be taken, and where counting goes on: none for the beginning of the log.
type Ready = (InputPartition, Option<Offset>);

impl Instance {
    /// Takes the partitions that can be taken.
    pub(super) fn take(&mut self, ports: &mut Ports<'_>, now: Timestamp) -> Result<(), Error> {
        if self.claims.is_empty() || self.agreed_settings.is_none() {
            self.asked_alone = None;
            return Ok(());
        }
        if now < self.take_not_before {
            return Ok(());
        }
        let unknown: Vec<InputPartition> = self
            .claims
            .iter()
            .filter(|(partition, claim)| self.is_to_be_asked(**partition, claim))
            .map(|(partition, _)| *partition)
            .collect();
        // Not known is no reason to wait for those that are.
        if let Some(committed) = ports.source.committed(&unknown)? {
            let offsets: Vec<_> = unknown.into_iter().zip(committed).collect();
            self.look(ports, &offsets)?;
        }
        let mut ready = Vec::new();
        for partition in self.claims.keys() {
            if let Verdict::Take(position) = self.judge(ports, *partition)? {
                ready.push((*partition, position));
            }
        }
        let mut taken = Vec::new();
        for ((partition, position), bounds) in self.with_bounds(ports, ready)? {
            let position = position.unwrap_or(bounds.low);
            self.check_log(partition, position, bounds)?;
            let owned = self.restore(ports, partition, position, bounds.topic_id, now)?;
            self.owned.insert(partition, owned);
            self.claims.remove(&partition);
            taken.push((partition, position));
        }
        if self.is_unanswered {
            self.take_not_before = now.saturating_add(RETRY_PAUSE);
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

    /// Asks for the bounds of claims that are ready, all at once. Brokers answer nothing about any if one of them has
    /// no leader: from then on it is one at a time, in turn, until none are left.
    fn with_bounds(
        &mut self,
        ports: &mut Ports<'_>,
        mut ready: Vec<Ready>,
    ) -> Result<Vec<(Ready, Bounds)>, Error> {
        if self.is_unanswered {
            return Ok(Vec::new());
        }
        if let Some(last) = self.asked_alone {
            let next = ready.iter().find(|(partition, _)| *partition > last);
            ready = next.or(ready.first()).copied().into_iter().collect();
        }
        let asked: Vec<InputPartition> = ready.iter().map(|(partition, _)| *partition).collect();
        let bounds = self.bounds(ports, &asked)?;
        if bounds.is_none() || self.asked_alone.is_some() {
            self.asked_alone = asked.last().copied().or(self.asked_alone);
        }
        Ok(ready.into_iter().zip(bounds.unwrap_or_default()).collect())
    }

    /// Whether the group's offset of a claim is not known, or contradicts a view that has read all there was when it
    /// was fetched: once is enough otherwise, for nobody else commits while the partition is assigned here.
    fn is_to_be_asked(&self, partition: InputPartition, claim: &Claim) -> bool {
        claim.seen.is_none_or(|seen| {
            let position = self.view.stated(partition).map(Stated::position);
            self.view.has_read(&seen.ends) && seen.committed.is_some() && seen.committed != position
        })
    }

    /// Fetches the ends of the partials for claims of which the group's offset is news.
    fn look(
        &mut self,
        ports: &mut Ports<'_>,
        offsets: &[(InputPartition, Option<Offset>)],
    ) -> Result<(), Error> {
        let mut ends = None;
        for (partition, committed) in offsets {
            let partials = Published::Partials(self.partials_partition(*partition));
            let claim = self.claims.entry(*partition).or_default();
            match &mut claim.seen {
                Some(seen) if seen.committed == *committed => {
                    seen.is_confirmed = true;
                    continue;
                }
                seen => *seen = None,
            }
            if ends.is_none() && !self.is_unanswered {
                ends = ports.journal.ends()?;
                self.is_unanswered = ends.is_none();
            }
            let end = |of: Published| {
                let found = ends.iter().flatten().find(|(at, _)| *at == of);
                found.copied()
            };
            let (Some(of_records), Some(of_settings)) = (end(partials), end(settings::AT)) else {
                continue;
            };
            let ends = [of_records, of_settings];
            claim.seen = Some(Seen {
                committed: *committed,
                ends,
                is_confirmed: false,
            });
            if !self.view.has_read(&ends) {
                ports.host.observe(&Occurrence::Waiting {
                    partition: *partition,
                    committed: *committed,
                    position: self.view.stated(*partition).map(Stated::position),
                });
            }
        }
        Ok(())
    }

    fn judge(&self, ports: &mut Ports<'_>, partition: InputPartition) -> Result<Verdict, Error> {
        let Some(seen) = self.claims.get(&partition).and_then(|claim| claim.seen) else {
            return Ok(Verdict::Wait);
        };
        if !self.view.has_read(&seen.ends) {
            return Ok(Verdict::Wait);
        }
        let position = self.view.stated(partition).map(Stated::position);
        match seen.committed {
            // Brokers forget a group that was away for long: what was published rules.
            None => Ok(Verdict::Take(position)),
            committed if committed == position => Ok(Verdict::Take(committed)),
            Some(_) if !seen.is_confirmed || !ports.source.is_member() => Ok(Verdict::Wait),
            Some(committed) => Err(Error::Contradiction(format!(
                "the group's committed offset of {} is {committed}, the partials topic says {}: has the \
                 group id been used by something else, or the partials topic been changed by hand?",
                self.name(partition),
                position.map_or_else(|| "nothing".to_owned(), |position| position.to_string()),
            ))),
        }
    }

    fn partials_partition(&self, partition: InputPartition) -> u32 {
        let kind = self.view.kind_name(partition);
        checkpoint::partials_partition(kind, partition.partition, self.partials_partitions)
    }

    /// The input topic was deleted and created anew.
    pub(super) fn another_topic(&self, partition: InputPartition) -> Error {
        Error::Contradiction(format!(
            "the topic of {} is another one of the same name than the one counted so far: its records can't \
             be told from those already counted; recount with `appmi reset`",
            self.name(partition)
        ))
    }

    /// Records came that are counted: to go on would count them twice. Whoever starts again goes on from what is committed.
    pub(super) fn counted_already(
        &self,
        partition: InputPartition,
        offset: Offset,
        position: Offset,
    ) -> Error {
        Error::World(format!(
            "{} was read from {offset} on, but is counted up to {position}: its records would count twice; start it again",
            self.name(partition)
        ))
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
            return Err(self.another_topic(partition));
        }
        if position < bounds.low {
            return Err(Error::Contradiction(format!(
                "the log of {name} was truncated: it begins at {}, counted was only up to {position}; events \
                 between them are gone. Lengthen the topic's retention and recount what is left with `appmi reset`",
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
        let mut owned = Owned::new(aggregate, number, topic_id, now);
        // What the former owner stated holds for as long as nothing is counted.
        owned.is_idle = stated.is_some_and(|stated| stated.progress.idle);
        Ok(owned)
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
