//! The topics of a deployment: what each is for, how it must be set, and what is wrong with one.

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

impl Role {
    /// The settings that a topic of this role is created with, beside the broker's defaults.
    pub(crate) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Past months are loaded with their own timestamps, and brokers delete by those.
            Self::Input => &[("retention.ms", "-1")],
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
            Self::DeadLetters => &[(CLEANUP, "delete"), ("retention.ms", "2592000000")],
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

/// What a topic was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is not there.
    Missing,
    /// It is as it must be.
    Good {
        /// How many partitions it has.
        partitions: u32,
    },
    /// It is there and can't be used as it is; each fault with what to do.
    Wrong(Vec<String>),
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
}

impl Inspection {
    /// What has to be done before appmi can run, as sentences; none if it is good.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let topic = &self.topic;
        match &self.found {
            Found::Good { .. } => Vec::new(),
            Found::Missing if self.role == Role::Input => {
                vec![format!(
                    "the input topic {topic} is missing: create it, or correct its name under [topics]"
                )]
            }
            Found::Missing => vec![format!(
                "the topic {topic} is missing: create it with appmi topics --create"
            )],
            Found::Wrong(faults) => faults
                .iter()
                .map(|fault| format!("the topic {topic}: {fault}"))
                .collect(),
        }
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
    fn a_compacted_input_loses_events() {
        assert_eq!(faults(Role::Input, &[(CLEANUP, "compact")]).len(), 1);
        assert!(faults(Role::Input, &[(CLEANUP, "delete")]).is_empty());
    }
}
