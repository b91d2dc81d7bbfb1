//! An operator who counts anew, as `appmi reset` does it: with a record behind all that was published so far.

use std::time::Duration;

use engine::ports::{Journal as _, Published, PublishedRecord};
use engine::recount::{self, Former, InputLog};
use engine::settings;
use memlog::{MemJournal, Producer};
use model::Offset;
use wire::v1;

use super::World;
use crate::civil;
use crate::invariants::Recount;
use crate::transactions::RELEASE_ID;

impl World {
    /// Forgets the group, which has no members, fences the former leader and publishes the settings of a new filling.
    pub(super) fn count_anew(&self) {
        self.cluster.forget_group();
        drop(Producer::take(&self.cluster, RELEASE_ID));
        self.write_all_markers();
        let former = self.former();
        let inputs: Vec<InputLog> = self
            .highs()
            .into_iter()
            .map(|(partition, high)| InputLog {
                partition,
                low: Offset(0),
                high: Offset(high),
                begins_at: None,
            })
            .collect();
        let begins = self.ends().into_iter().filter_map(|(at, end)| match at {
            Published::Partials(_) => Some(Offset(end)),
            Published::MonthClose(_) => None,
        });
        let filling = self.filling();
        let plan = recount::plan(
            &self.plan.options,
            &self.own_settings(),
            &former,
            &inputs,
            begins.collect(),
            (filling, self.cluster.now()),
        );
        let plan = plan.expect("the group and the first month stay");
        self.note(|| format!("is counted anew, as settings {}", plan.settings.number));
        let sealed_before = plan.settings.recount.as_ref();
        let sealed_before =
            sealed_before.and_then(|recount| civil::month_named(&recount.sealed_before));
        let with_records = inputs.iter().filter(|log| log.high > log.low);
        let recount = Recount {
            until: with_records
                .map(|log| (log.partition, log.high.0))
                .collect(),
            sealed_before: sealed_before.unwrap_or(0),
        };
        self.write_settings(&plan.settings);
        self.checker.borrow_mut().reset(&filling, recount);
        self.letters_before.set(self.cluster.dead_letters().len());
    }

    /// Puts settings in force. Instances that run are told others from now on.
    pub(super) fn write_settings(&self, settings: &v1::Settings) {
        self.settings_changes.set(self.settings_changes.get() + 1);
        let record = settings::record(settings);
        let Published::Partials(partition) = record.to else {
            unreachable!("settings are in the partials topic")
        };
        self.cluster.write_partial(&engine::ports::Partial {
            partition,
            key: record.key,
            value: record.value,
        });
    }

    /// The settings in force; none before the first leader, and none while a transaction hides what is behind it: a
    /// command waits for its end.
    pub(super) fn settings_in_force(&self) -> Option<v1::Settings> {
        let stable = self.cluster.published_stable();
        if stable.iter().any(|at| !self.ends().contains(at)) {
            return None;
        }
        self.former().settings().cloned()
    }

    /// What counting anew has to know of what was published.
    fn former(&self) -> Former {
        let mut former = Former::default();
        for record in self.published() {
            let noted = former.note(&record);
            noted.expect("what was published is of this version");
        }
        former
    }

    /// The ends of the owned topics.
    fn ends(&self) -> Vec<(Published, i64)> {
        let ends = MemJournal::new(&self.cluster).ends();
        let ends = ends.expect("it is in memory").expect("it is known");
        ends.into_iter().map(|(at, end)| (at, end.0)).collect()
    }

    /// What an instance would record now.
    fn own_settings(&self) -> v1::Settings {
        let (partials, month_close) = (self.plan.partials, self.plan.month_close);
        let own = settings::of(&self.plan.options, partials, month_close);
        v1::Settings {
            retention_months: self.retention_months.get(),
            ..own
        }
    }

    /// All that a read_committed reader finds in the owned topics.
    fn published(&self) -> Vec<PublishedRecord> {
        let mut journal = MemJournal::new(&self.cluster);
        let mut records = Vec::new();
        let begun = journal.start(&[]);
        begun.expect("it is in memory");
        loop {
            let batch = journal.poll(Duration::ZERO).expect("it is in memory");
            if batch.positions.is_empty() {
                return records;
            }
            records.extend(batch.records);
        }
    }
}
