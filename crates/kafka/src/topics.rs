//! The topics of a deployment: what each is for, how it must be set, and what is wrong with one.

use engine::Error;
use model::InputPartition;

/// Names of the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// The input topics, by kind.
    pub inputs: Vec<String>,
    /// Checkpoints, compacted.
    pub partials: String,
    /// Releases, compacted.
    pub month_close: String,
    /// Records that can't be counted, with retention.
    pub dead_letters: String,
}

impl Topics {
    /// The topic of an input partition.
    pub(crate) fn input(&self, partition: InputPartition) -> &str {
        &self.inputs[usize::from(partition.kind.0)]
    }

    /// Every topic with what it is for: inputs by kind, then appmi's own.
    pub fn all(&self) -> impl Iterator<Item = (Role, &str)> {
        let inputs = self.inputs.iter().map(|name| (Role::Input, name.as_str()));
        inputs.chain([
            (Role::Partials, self.partials.as_str()),
            (Role::MonthClose, self.month_close.as_str()),
            (Role::DeadLetters, self.dead_letters.as_str()),
        ])
    }
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Events; appmi only reads it.
    Input,
    /// Checkpoints.
    Partials,
    /// Releases.
    MonthClose,
    /// Records that can't be counted.
    DeadLetters,
}

/// Records have up to 512 KiB; Kafka's default of this is a little over 1 MiB.
const MESSAGE_BYTES_MIN: u64 = 600_000;

/// Kafka's names of what is looked at.
const CLEANUP: &str = "cleanup.policy";
const TIMESTAMP: &str = "message.timestamp.type";
const MESSAGE_BYTES: &str = "max.message.bytes";
const RETENTION: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";
const IN_SYNC_MIN: &str = "min.insync.replicas";

/// What the promises of docs/reliability.md rest on.
const COPIES: usize = 3;
const IN_SYNC: usize = 2;

impl Role {
    /// The settings that a topic of this role is created with, beside the broker's defaults.
    pub(crate) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Past months are loaded with their own timestamps, and brokers delete by those.
            Self::Input => &[(RETENTION, "-1")],
            Self::Partials => &[
                (CLEANUP, "compact"),
                (TIMESTAMP, "LogAppendTime"),
                (MESSAGE_BYTES, "1048588"),
                // Only closed segments are compacted: small ones, and at least one a day, keep a full read
                // of the topic close to what is current in it.
                ("segment.bytes", "67108864"),
                ("segment.ms", "86400000"),
                ("min.cleanable.dirty.ratio", "0.2"),
            ],
            Self::MonthClose => &[
                (CLEANUP, "compact"),
                (MESSAGE_BYTES, "1048588"),
                ("segment.bytes", "67108864"),
            ],
            // Thirty days.
            Self::DeadLetters => &[(CLEANUP, "delete"), (RETENTION, "2592000000")],
        }
    }

    /// Whether appmi reads topics of this role, and whether it writes them.
    pub(crate) fn reads_and_writes(self) -> (bool, bool) {
        match self {
            Self::Input => (true, false),
            Self::Partials | Self::MonthClose => (true, true),
            Self::DeadLetters => (false, true),
        }
    }

    /// What is wrong with a topic of this role, each with what it should be. `value` gives a setting of the
    /// topic, where the broker tells it.
    pub(crate) fn faults<'a>(self, value: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
        let mut faults = Vec::new();
        let cleanup = value(CLEANUP).unwrap_or_default();
        let wanted = match self {
            Self::Input => None,
            Self::Partials | Self::MonthClose => Some("compact"),
            Self::DeadLetters => Some("delete"),
        };
        match wanted {
            Some(wanted) if cleanup != wanted => {
                faults.push(format!("{CLEANUP} is \"{cleanup}\" and must be \"{wanted}\""));
            }
            None if cleanup.contains("compact") => faults.push(format!(
                "{CLEANUP} is \"{cleanup}\" and must be \"delete\": compaction removes events that were not counted yet"
            )),
            _ => {}
        }
        let timestamp = value(TIMESTAMP).unwrap_or_default();
        if self == Self::Partials && timestamp != "LogAppendTime" {
            faults.push(format!(
                "{TIMESTAMP} is \"{timestamp}\" and must be \"LogAppendTime\": months close by the brokers' clock"
            ));
        }
        if self == Self::DeadLetters && [RETENTION, RETENTION_BYTES].map(&value) == [Some("-1"); 2]
        {
            faults.push(format!(
                "{RETENTION} and {RETENTION_BYTES} are -1, which keeps dead letters for ever: set {RETENTION}, to \
                 2592000000 for thirty days"
            ));
        }
        let bytes = value(MESSAGE_BYTES).and_then(|value| value.parse::<u64>().ok());
        if matches!(self, Self::Partials | Self::MonthClose)
            && let Some(bytes) = bytes.filter(|bytes| *bytes < MESSAGE_BYTES_MIN)
        {
            faults.push(format!(
                "{MESSAGE_BYTES} is {bytes} and must be {MESSAGE_BYTES_MIN} or more"
            ));
        }
        faults
    }
}

/// What is allowed of a topic with so many copies of each partition and is less than reliability needs.
pub(crate) fn remark<'a>(copies: usize, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let in_sync = value(IN_SYNC_MIN)?;
    let is_enough = in_sync
        .parse()
        .is_ok_and(|in_sync: usize| in_sync >= IN_SYNC);
    (copies < COPIES || !is_enough).then(|| {
        format!(
            "the replication factor is {copies} and {IN_SYNC_MIN} is {in_sync}; {COPIES} and {IN_SYNC} outlive the loss of \
             a broker"
        )
    })
}

/// What a topic was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is not there.
    Missing,
    /// The brokers do not tell.
    Unknown,
    /// It is there.
    There {
        /// How many partitions it has.
        partitions: u32,
    },
}

/// A topic, and what it was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its name.
    pub topic: String,
    /// What it is for.
    pub role: Role,
    /// What it is.
    pub found: Found,
    /// What has to be done before appmi can run, and what could not be looked at; none if it is good.
    pub faults: Vec<Error>,
    /// What is allowed and not wise.
    pub remarks: Vec<String>,
}

impl Inspection {
    pub(crate) fn new(topic: &str, role: Role, found: Found) -> Self {
        Self {
            topic: topic.to_owned(),
            role,
            found,
            faults: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub(crate) fn missing(topic: &str, role: Role) -> Self {
        let what_to_do = if role == Role::Input {
            format!(
                "the input topic {topic} is missing: create it, or correct its name under [topics]"
            )
        } else {
            format!("the topic {topic} is missing: create it with appmi topics --create")
        };
        Self {
            faults: vec![Error::Configuration(what_to_do)],
            ..Self::new(topic, role, Found::Missing)
        }
    }

    /// How many partitions it has; none where it is missing or the brokers do not tell.
    #[must_use]
    pub fn partitions(&self) -> Option<u32> {
        match self.found {
            Found::There { partitions } => Some(partitions),
            Found::Missing | Found::Unknown => None,
        }
    }

    /// How many partitions the first topic of a role has, if that is known.
    #[must_use]
    pub fn partitions_of(inspections: &[Self], role: Role) -> Option<u32> {
        let mut inspections = inspections.iter();
        inspections.find(|of| of.role == role)?.partitions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(role: Role, settings: &[(&str, &str)]) -> Vec<String> {
        role.faults(|key| {
            settings
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| *value)
        })
    }

    #[test]
    fn a_topic_as_it_is_created_has_no_faults() {
        for role in [
            Role::Input,
            Role::Partials,
            Role::MonthClose,
            Role::DeadLetters,
        ] {
            assert!(faults(role, role.settings()).is_empty(), "{role:?}");
        }
    }

    #[test]
    fn every_fault_says_what_is_and_what_must_be() {
        let found = faults(
            Role::Partials,
            &[
                (CLEANUP, "compact,delete"),
                (TIMESTAMP, "CreateTime"),
                (MESSAGE_BYTES, "1000"),
            ],
        );
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("\"compact,delete\" and must be \"compact\""));
        assert!(found[1].contains("LogAppendTime"));
        assert!(found[2].contains("600000 or more"));
    }

    #[test]
    fn dead_letters_that_nothing_deletes_are_a_fault() {
        let faults = |millis, bytes| {
            let settings = [
                (CLEANUP, "delete"),
                (RETENTION, millis),
                (RETENTION_BYTES, bytes),
            ];
            faults(Role::DeadLetters, &settings)
        };
        let for_ever = faults("-1", "-1");
        assert_eq!(for_ever.len(), 1, "{for_ever:?}");
        assert!(for_ever[0].contains("set retention.ms"), "{for_ever:?}");
        assert!(faults("604800000", "-1").is_empty());
        assert!(faults("-1", "1073741824").is_empty());
    }

    #[test]
    fn fewer_copies_than_reliability_needs_are_a_remark() {
        let remark =
            |copies, in_sync| remark(copies, |key| (key == IN_SYNC_MIN).then_some(in_sync));
        assert_eq!(remark(3, "2"), None);
        assert!(remark(2, "2").is_some_and(|text| text.contains("factor is 2")));
        assert!(remark(3, "1").is_some_and(|text| text.contains("replicas is 1")));
    }

    #[test]
    fn a_compacted_input_loses_events() {
        assert_eq!(faults(Role::Input, &[(CLEANUP, "compact")]).len(), 1);
        assert!(faults(Role::Input, &[(CLEANUP, "delete")]).is_empty());
    }
}
