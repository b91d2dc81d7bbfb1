//! Reading the view: up to the ends that the owned topics had at the start before the group is joined, and from
//! then on whatever is published.
//!
//! A view that knows no settings looks for them first. Where counting began anew behind older records, they say
//! from where on the topic is to be read; what stands before may be of another precision, or of kinds that are
//! gone, and is not looked at.

use std::time::Duration;

use model::{Offset, Timestamp};
use wire::partials::PartialKey;
use wire::v1;

use super::leading::Lead;
use super::{Instance, WAIT_MAX};
use crate::ports::{Error, Ports, Published, PublishedBatch};
use crate::{Occurrence, settings};

/// How far the view is being read before the group is joined.
#[derive(Debug)]
pub(super) enum Restoring {
    /// The ends of the owned topics are to be fetched.
    Begun,
    /// The settings are looked for.
    Seeking(Box<Seeking>),
    /// Up to these ends, which the topics had when it began.
    To(Vec<(Published, Offset)>),
    /// They have been read.
    Done,
}

/// The search for the settings in force.
#[derive(Debug)]
pub(super) struct Seeking {
    ends: Vec<(Published, Offset)>,
    position: Offset,
    found: Option<(v1::Settings, Timestamp)>,
}

impl Seeking {
    fn end(&self) -> Offset {
        let end = self.ends.iter().find(|(at, _)| *at == settings::AT);
        end.map_or(Offset(0), |(_, end)| *end)
    }

    /// Looks at what was read; true at the end of the partition.
    fn look_at(&mut self, batch: PublishedBatch) -> Result<bool, Error> {
        for record in batch.records {
            if let (settings::AT, Some(value), Ok(PartialKey::Settings)) =
                (record.at, &record.value, PartialKey::decode(&record.key))
            {
                self.found = Some((settings::read(value)?, record.timestamp));
            }
        }
        for (at, position) in batch.positions {
            if at == settings::AT {
                self.position = position;
            }
        }
        Ok(self.position >= self.end())
    }
}

impl Instance {
    /// Reads what was published; true if there was something.
    pub(super) fn read_view(&mut self, ports: &mut Ports<'_>) -> Result<bool, Error> {
        match &mut self.restoring {
            Restoring::Begun => {
                self.begin_restoring(ports)?;
                Ok(false)
            }
            Restoring::Seeking(seeking) => {
                let is_over = seeking.look_at(ports.journal.poll(WAIT_MAX)?)?;
                let records_left = self.view.left(&seeking.ends);
                ports.host.observe(&Occurrence::Restoring { records_left });
                if is_over {
                    self.end_seeking(ports)?;
                }
                Ok(false)
            }
            Restoring::To(_) => self.read_on(ports, WAIT_MAX),
            Restoring::Done => self.read_on(ports, Duration::ZERO),
        }
    }

    fn begin_restoring(&mut self, ports: &mut Ports<'_>) -> Result<(), Error> {
        let Some(ends) = ports.journal.ends()? else {
            return Ok(());
        };
        let others = ends.clone();
        let seeking = Seeking {
            ends,
            position: Offset(0),
            found: None,
        };
        let is_known = self.view.settings().is_some() || seeking.end() == Offset(0);
        self.restoring = Restoring::Seeking(Box::new(seeking));
        if is_known {
            return self.end_seeking(ports);
        }
        let others: Vec<_> = others
            .into_iter()
            .filter(|(at, _)| *at != settings::AT)
            .collect();
        ports.journal.start(&others)
    }

    /// Begins to read from where the view stands, or from where its filling begins.
    fn end_seeking(&mut self, ports: &mut Ports<'_>) -> Result<(), Error> {
        let Restoring::Seeking(seeking) = std::mem::replace(&mut self.restoring, Restoring::Begun)
        else {
            return Ok(());
        };
        // Also where nothing stands before them: should others follow while the rest is read, and compaction take these,
        // only the view can tell that it holds a former filling.
        if let Some((settings, appended_at)) = seeking.found {
            self.view.enter(ports.store, settings, appended_at)?;
        }
        let positions: Vec<_> = self.view.positions().collect();
        ports.journal.start(&positions)?;
        self.restoring = Restoring::To(seeking.ends);
        Ok(())
    }

    fn read_on(&mut self, ports: &mut Ports<'_>, wait: Duration) -> Result<bool, Error> {
        let batch = ports.journal.poll(wait)?;
        let has_read = !batch.records.is_empty() || !batch.positions.is_empty();
        if has_read && self.view.apply(ports.store, batch)? {
            self.begin_anew(ports)?;
        }
        if let Restoring::To(ends) = &self.restoring {
            let records_left = self.view.left(ends);
            ports.host.observe(&Occurrence::Restoring { records_left });
            if records_left == 0 {
                self.restoring = Restoring::Done;
            }
        }
        Ok(has_read)
    }

    /// The partials topic was filled anew: what is known of the former filling is thrown away.
    fn begin_anew(&mut self, ports: &mut Ports<'_>) -> Result<(), Error> {
        if !self.owned.is_empty() {
            return Err(Error::World(
                "the partials topic was emptied and filled anew while this process counted: start it again".into(),
            ));
        }
        ports.host.observe(&Occurrence::ViewDiscarded(
            "it belongs to another filling of the partials topic",
        ));
        self.view.discard(ports.store)?;
        self.restoring = Restoring::Begun;
        self.agreed_settings = None;
        self.lead = Lead::default();
        Ok(())
    }
}
