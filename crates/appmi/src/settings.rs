//! `appmi settings`: the settings in force beside the configured ones, and putting these in force.

use engine::ports::{CommitError, Journal as _, Releases as _};
use engine::{Error, settings};
use kafka::{Cluster, Journal, Releases, Topics};
use wire::partials::PartialKey;
use wire::v1::Settings;

use crate::config::Config;
use crate::exit::Exit;
use crate::pipeline::{engine_options, exit_of};
use crate::run;
use crate::{output, owned};

/// What is recorded in the partials topic, beside what this configuration would record.
#[derive(Debug)]
pub struct Recorded {
    /// None before the first leader.
    pub in_force: Option<Settings>,
    /// Without number and filling.
    pub configured: Settings,
}

impl Recorded {
    /// How they differ; not at all where nothing is recorded yet.
    #[must_use]
    pub fn differences(&self) -> settings::Differences {
        let in_force = self.in_force.as_ref();
        in_force
            .map(|in_force| settings::differences(in_force, &self.configured))
            .unwrap_or_default()
    }
}

/// Reads the settings in force, and lays those beside them that this configuration would record. Where it is not
/// known how many partitions the month-close topic has, it is taken to be as recorded.
///
/// # Errors
/// If the partials topic can't be read.
pub fn recorded(
    journal: &mut Journal,
    config: &Config,
    month_close: Option<u32>,
) -> Result<Recorded, Error> {
    let in_force = in_force(journal)?;
    let (partials, _) = journal.partition_counts();
    let recorded = in_force.as_ref().map(|of| of.month_close_partitions);
    let month_close = month_close.or(recorded).unwrap_or_default();
    let configured = settings::of(&engine_options(config), partials, month_close);
    Ok(Recorded {
        in_force,
        configured,
    })
}

/// Reads the settings in force; none before the first leader.
///
/// # Errors
/// If the partials topic can't be read.
pub fn in_force(journal: &mut Journal) -> Result<Option<Settings>, Error> {
    let mut in_force = None;
    owned::read(
        journal,
        |at| at != settings::AT,
        |record| {
            if let (Ok(PartialKey::Settings), Some(value)) =
                (PartialKey::decode(&record.key), &record.value)
            {
                in_force = Some(settings::read(value)?);
            }
            Ok(())
        },
    )?;
    Ok(in_force)
}

/// Shows the settings, or puts the configured ones in force.
#[must_use]
pub fn settings(config: &Config, apply: bool) -> Exit {
    let (cluster, topics) = match run::reach(config) {
        Ok(reached) => reached,
        Err(exit) => return exit,
    };
    let recorded = Journal::new(&cluster, topics.clone()).and_then(|mut journal| {
        let (_, month_close) = journal.partition_counts();
        recorded(&mut journal, config, Some(month_close))
    });
    let recorded = match recorded {
        Ok(recorded) => recorded,
        Err(error) => return exit_of(&error),
    };
    let differences = recorded.differences();
    let Some(in_force) = &recorded.in_force else {
        return say(
            "no settings are recorded yet: the first `appmi run` records the configured ones\n",
        );
    };
    if differences.is_empty() {
        let number = in_force.number;
        return say(&format!(
            "settings {number} are in force, the configured ones are the same\n"
        ));
    }
    if !apply {
        output::refuse(
            "the configured settings are not in force",
            &[differences.to_text()],
        );
        return Exit::Configuration;
    }
    if !differences.fixed.is_empty() {
        output::refuse("these settings can't change", &[differences.to_text()]);
        return Exit::Configuration;
    }
    match put_in_force(&cluster, &topics, &recorded, in_force) {
        Ok(number) => say(&format!(
            "settings {number} are in force: {}\ninstances with the former ones stop; start them with these\n",
            differences.changeable.join("; ")
        )),
        Err(error) => exit_of(&error),
    }
}

fn put_in_force(
    cluster: &Cluster,
    topics: &Topics,
    recorded: &Recorded,
    in_force: &Settings,
) -> Result<u64, Error> {
    let number = in_force.number + 1;
    let settings = Settings {
        number,
        filling: in_force.filling.clone(),
        recount: in_force.recount.clone(),
        ..recorded.configured.clone()
    };
    let record = settings::record(&settings);
    let mut releases = Releases::new(cluster, topics.clone());
    let published = releases.take().and_then(|()| releases.publish(&[record]));
    published.map(|()| number).map_err(|error| match error {
        CommitError::Fatal(error) => error,
        other => Error::World(format!(
            "the settings were not recorded ({other}); try again"
        )),
    })
}

fn say(text: &str) -> Exit {
    match output::answer(text) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::World,
    }
}
