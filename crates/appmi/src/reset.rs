//! `appmi reset`: counting begins anew from the input topics; released months stay the record.
//!
//! What begins a new filling of the partials topic is one record: the settings, which say where the records of the
//! filling begin. Until it is committed nothing has happened but that the group was forgotten, as brokers do by
//! themselves after a week; so this can be interrupted and repeated at any point.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use engine::ports::{CommitError, Journal as _, Published, Releases as _, Source as _};
use engine::recount::{self, Former, InputLog, Plan};
use engine::{Error, closing, settings};
use kafka::{Admin, Cluster, Journal, Releases, Source, Topics};
use model::{InputPartition, Offset, Timestamp};
use store::RocksStore;

use crate::config::Config;
use crate::exit::Exit;
use crate::host::{random_id, wall_clock};
use crate::pipeline::{engine_options, exit_of};
use crate::{output, owned, run};

/// How long the brokers may take to tell the group's offsets: longer than a transaction that holds some is open.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Says what would happen, or does it.
#[must_use]
pub fn reset(config: &Config, is_confirmed: bool) -> Exit {
    let (cluster, topics) = match run::reach(config) {
        Ok(reached) => reached,
        Err(exit) => return exit,
    };
    if let Err(exit) = run::check_topics(&cluster, &topics) {
        return exit;
    }
    let done = Reset::new(config, &cluster, topics).and_then(|mut reset| {
        if is_confirmed {
            reset.carry_out()
        } else {
            let plan = reset.plan()?;
            Ok(reset.tell(&plan, "nothing was changed: run it again with --yes"))
        }
    });
    match done {
        Ok(text) if output::answer(&text).is_ok() => Exit::Done,
        Ok(_) => Exit::World,
        Err(error) => exit_of(&error),
    }
}

/// What is looked at, and by whom.
struct Reset<'a> {
    config: &'a Config,
    cluster: &'a Cluster,
    topics: Topics,
    journal: Journal,
    source: Source,
    former: Former,
    ends: owned::Ends,
}

impl<'a> Reset<'a> {
    /// Reads what was published.
    fn new(config: &'a Config, cluster: &'a Cluster, topics: Topics) -> Result<Self, Error> {
        let mut journal = Journal::new(cluster, topics.clone())?;
        let mut former = Former::default();
        let ends = owned::read(&mut journal, |_| false, |record| former.note(record))?;
        Ok(Self {
            source: Source::new(cluster, topics.inputs.clone())?,
            config,
            cluster,
            topics,
            journal,
            former,
            ends,
        })
    }

    fn plan(&mut self) -> Result<Plan, Error> {
        let inputs = self.inputs()?;
        let options = engine_options(self.config);
        let (partials, month_close) = self.journal.partition_counts();
        let own = settings::of(&options, partials, month_close);
        let begins = (0..partials).map(|partition| {
            let end = self.ends.get(&Published::Partials(partition));
            end.copied().unwrap_or(Offset(0))
        });
        recount::plan(
            &options,
            &own,
            &self.former,
            &inputs,
            begins.collect(),
            (random_id(), wall_clock()()),
        )
    }

    fn inputs(&mut self) -> Result<Vec<InputLog>, Error> {
        let all = input_partitions(&mut self.source)?;
        let began = Instant::now();
        let bounds = loop {
            match self.source.bounds(&all)? {
                Some(bounds) => break bounds,
                None if began.elapsed() > ANSWER_WITHIN => return Err(unknown()),
                None => {}
            }
        };
        let inputs = all.into_iter().zip(bounds);
        let mut inputs: Vec<InputLog> = inputs
            .map(|(partition, bounds)| InputLog {
                partition,
                low: bounds.low,
                high: bounds.high,
                begins_at: None,
            })
            .collect();
        let truncated: Vec<(InputPartition, Offset)> = inputs
            .iter()
            .filter(|log| log.low > Offset(0) && log.high > log.low)
            .map(|log| (log.partition, log.low))
            .collect();
        let begins: BTreeMap<InputPartition, Option<Timestamp>> =
            kafka::first_timestamps(self.cluster, &self.topics, &truncated)?;
        for log in &mut inputs {
            log.begins_at = begins.get(&log.partition).copied().flatten();
        }
        Ok(inputs)
    }

    /// The brokers refuse to forget a group that has members, so that comes first. Then the former leader is fenced,
    /// and the topics are read to ends behind which nothing of the former filling comes any more.
    fn carry_out(&mut self) -> Result<String, Error> {
        // What can't be planned is refused before anything is changed.
        self.plan()?;
        let group = self.cluster.group_id();
        Admin::new(self.cluster)?.delete_group(group)?;
        let mut releases = Releases::new(self.cluster, self.topics.clone());
        releases.take().map_err(|error| not_done(&error))?;
        let ends = owned::ends(&mut self.journal)?;
        let mut left = ends.clone();
        left.retain(|at, end| self.ends.get(at) != Some(end));
        let former = &mut self.former;
        owned::read_on(&mut self.journal, &mut left, |record| former.note(record))?;
        self.ends = ends;
        check_forgotten(&mut self.source)?;
        let plan = self.plan()?;
        releases
            .publish(&[settings::record(&plan.settings)])
            .map_err(|error| not_done(&error))?;
        if let Err(error) = RocksStore::remove(&self.config.state_dir) {
            tracing::warn!("{error}; it is emptied when it is opened next");
        }
        Ok(self.tell(
            &plan,
            "done: start the instances again, and they count anew",
        ))
    }

    fn tell(&self, plan: &Plan, outcome: &str) -> String {
        let mut text = String::new();
        let closed = self.former.closed();
        let _ = match (closed.first_key_value(), closed.last_key_value()) {
            (Some((first, _)), Some((last, _))) => writeln!(
                text,
                "released months, {first} to {last}, stay the record: after the recount those that come out \
                 differently are revised, with the reason \"recount\""
            ),
            _ => writeln!(text, "no month was released yet"),
        };
        for (log, whole) in &plan.truncated {
            let topic = &self.topics.inputs[usize::from(log.partition.kind.0)];
            let _ = writeln!(
                text,
                "{topic}/{} begins at offset {}: events are gone, and {whole} is its first whole month",
                log.partition.partition, log.low
            );
        }
        if !plan.sealed.is_empty() {
            let months: Vec<String> = plan.sealed.iter().map(ToString::to_string).collect();
            let _ = writeln!(
                text,
                "sealed, never to be revised, for the input topics no longer have all that they show: {}",
                months.join(", ")
            );
        }
        if !plan.truncated.is_empty() {
            text.push_str(
                "months that are released from now on lack the events that are gone; an all-time count can be \
                 corrected with its baseline\n",
            );
        }
        let until = plan
            .settings
            .recount
            .iter()
            .flat_map(|recount| &recount.until);
        let records: i64 = until.map(|until| until.position).sum();
        let _ = writeln!(
            text,
            "to be counted again: up to {records} records\n{outcome}"
        );
        text
    }
}

/// All of them, as the brokers tell them now.
fn input_partitions(source: &mut Source) -> Result<Vec<InputPartition>, Error> {
    let counts = source.partition_counts()?.ok_or_else(unknown)?;
    Ok(closing::all_partitions(&counts).collect())
}

fn unknown() -> Error {
    Error::World("no broker tells how the input topics stand; try again".into())
}

/// Offsets of a transaction that was under way may have come in behind; they are asked for until none is.
fn check_forgotten(source: &mut Source) -> Result<(), Error> {
    let all = input_partitions(source)?;
    let began = Instant::now();
    let committed = loop {
        match source.committed(&all)? {
            Some(committed) => break committed,
            None if began.elapsed() > ANSWER_WITHIN => {
                return Err(Error::World(
                    "no broker tells the group's offsets; run this again".into(),
                ));
            }
            None => {}
        }
    };
    if committed.iter().all(Option::is_none) {
        return Ok(());
    }
    Err(Error::World(
        "an instance has committed while the group was being forgotten: stop every instance, then run this again"
            .into(),
    ))
}

fn not_done(error: &CommitError) -> Error {
    match error {
        CommitError::Fatal(error) => error.clone(),
        other => Error::World(format!(
            "the new settings were not recorded ({other}): run this again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_no_broker_tells_of_is_not_taken_to_be_forgotten() {
        // Nobody listens there.
        let cluster = Cluster::new("127.0.0.1:1", "appmi", []).unwrap();
        let mut source = Source::new(&cluster, vec!["logins".into()]).unwrap();
        let told = check_forgotten(&mut source);
        assert!(matches!(told, Err(Error::World(_))), "{told:?}");
    }
}
