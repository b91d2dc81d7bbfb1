//! The settings that shape cells: what is recorded in the partials topic, and how a process whose own
//! differ is told so.

use model::Kinds;
use wire::partials::{self, PartialKey};
use wire::v1;

use crate::Options;
use crate::ports::{Error, LeaderRecord, Published};

/// The partition that holds them.
pub const AT: Published = Published::Partials(0);

/// What would be recorded for these options, with number 0 and no filling.
#[must_use]
pub fn of(
    options: &Options,
    partials_partitions: u32,
    month_close_partitions: u32,
) -> v1::Settings {
    v1::Settings {
        number: 0,
        format: partials::FORMAT,
        filling: Vec::new(),
        precision: u32::from(options.precision.get()),
        time_zone: options.calendar.zone().to_owned(),
        first_month: options.first_month.to_string(),
        key_fingerprint: options.hash_key.fingerprint(),
        group_id: options.group_id.clone(),
        partials_partitions,
        month_close_partitions,
        retention_months: options.retention_months,
        max_skew_ms: millis(options.max_skew),
        deduplication_window_ms: millis(options.deduplication_window),
        deduplication_events_max: options.deduplication_events_max,
        geography: options.geography.digest(),
        structures: options
            .geography
            .structures()
            .iter()
            .map(ToString::to_string)
            .collect(),
        kinds: kinds(&options.kinds),
        recount: None,
        input_encoding: Some(options.encoding.as_str().to_owned()),
        input_bytes_max: u64::try_from(options.payload_bytes_max).ok(),
    }
}

/// Reads recorded settings.
///
/// # Errors
/// If they are not settings, or the topic that they stand for has a newer format than this version reads.
pub fn read(value: &[u8]) -> Result<v1::Settings, Error> {
    let settings: v1::Settings = partials::decode(value).map_err(|_| {
        Error::Contradiction(
            "the record `settings` of the partials topic can't be understood: was it written by something else?"
                .into(),
        )
    })?;
    if settings.format > partials::FORMAT {
        return Err(Error::Configuration(format!(
            "the partials topic has format {}, this version reads formats up to {}: use the version that \
             wrote it, or a newer one",
            settings.format,
            partials::FORMAT
        )));
    }
    Ok(settings)
}

/// The record of settings in the partials topic.
#[must_use]
pub fn record(settings: &v1::Settings) -> LeaderRecord {
    LeaderRecord {
        to: AT,
        key: PartialKey::Settings.encode(),
        value: Some(partials::encode(settings)),
        headers: Vec::new(),
    }
}

/// The number that the settings had when their filling began: what was counted under an earlier one is of a former
/// filling.
#[must_use]
pub fn first_number(settings: &v1::Settings) -> u64 {
    settings
        .recount
        .as_ref()
        .map_or(1, |recount| recount.settings)
}

/// How a process's settings differ from those in force, and what can be done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// A sentence for each setting that can't change while the partials topic is filled.
    pub fixed: Vec<String>,
    /// A sentence for each setting that `appmi settings --apply` can put in force.
    pub changeable: Vec<String>,
}

impl Differences {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.changeable.is_empty()
    }

    /// All of it with what to do, for an operator.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text =
            String::from("the settings differ from those recorded in the partials topic: ");
        let all: Vec<&str> = self
            .fixed
            .iter()
            .chain(&self.changeable)
            .map(String::as_str)
            .collect();
        text.push_str(&all.join("; "));
        text.push_str(if self.fixed.is_empty() {
            ". Restore the recorded value, or put the new one in force with `appmi settings --apply`"
        } else {
            ". What is recorded there can't change while the topic holds counts: restore the recorded value, \
             or count anew from the input log with `appmi reset`"
        });
        text
    }
}

/// Compares the settings in force with a process's own. A former format is no difference: it is read, and this version's
/// own is recorded with the next settings.
#[must_use]
pub fn differences(recorded: &v1::Settings, own: &v1::Settings) -> Differences {
    let mut fixed = Vec::new();
    let mut changeable = Vec::new();
    let compare = |list: &mut Vec<String>, name: &str, recorded: String, own: String| {
        if recorded != own {
            list.push(format!(
                "{name} is recorded as {recorded}, here it is {own}"
            ));
        }
    };
    macro_rules! compare {
        ($list:ident, $name:literal, $field:ident) => {
            compare(
                &mut $list,
                $name,
                format!("{:?}", recorded.$field),
                format!("{:?}", own.$field),
            );
        };
    }
    compare!(fixed, "sketch.precision", precision);
    compare!(fixed, "months.time_zone", time_zone);
    compare!(fixed, "months.first_month", first_month);
    compare!(
        fixed,
        "the fingerprint of privacy.key_file",
        key_fingerprint
    );
    compare!(fixed, "kafka.group_id", group_id);
    compare!(
        fixed,
        "the number of partitions of the partials topic",
        partials_partitions
    );
    compare!(
        fixed,
        "the number of partitions of the month-close topic",
        month_close_partitions
    );
    compare!(changeable, "months.retention_months", retention_months);
    compare!(changeable, "months.max_skew (ms)", max_skew_ms);
    compare!(
        changeable,
        "deduplication.window (ms)",
        deduplication_window_ms
    );
    compare!(
        changeable,
        "deduplication.events_max",
        deduplication_events_max
    );
    compare!(changeable, "the digest of the reference data", geography);
    if recorded.input_encoding.is_some() {
        let encoding = |of: &v1::Settings| of.input_encoding().to_owned();
        let bytes_max = |of: &v1::Settings| of.input_bytes_max().to_string();
        let (theirs, ours) = (encoding(recorded), encoding(own));
        compare(&mut changeable, "input.encoding", theirs, ours);
        let (theirs, ours) = (bytes_max(recorded), bytes_max(own));
        compare(&mut changeable, "input.max_bytes", theirs, ours);
    }
    if !own.structures.starts_with(&recorded.structures) {
        fixed.push(format!(
            "the structures of the reference data begin in {:?}, here in {:?} (new ones may only be added \
             behind the last)",
            recorded.structures, own.structures
        ));
    }
    compare_kinds(recorded, own, &mut fixed, &mut changeable);
    Differences { fixed, changeable }
}

fn compare_kinds(
    recorded: &v1::Settings,
    own: &v1::Settings,
    fixed: &mut Vec<String>,
    changeable: &mut Vec<String>,
) {
    for kind in &recorded.kinds {
        match own.kinds.iter().find(|other| other.name == kind.name) {
            None => fixed.push(format!(
                "the kind {} is recorded, here it is missing",
                kind.name
            )),
            Some(other) if has_users(other) != has_users(kind) => {
                fixed.push(format!(
                    "the kind {} differs in whether it has distinct users",
                    kind.name
                ));
            }
            Some(other) if other != kind => {
                changeable.push(format!(
                    "the kind {} is recorded as {kind:?}, here it is {other:?}",
                    kind.name
                ));
            }
            Some(_) => {}
        }
    }
    for kind in &own.kinds {
        if !recorded.kinds.iter().any(|other| other.name == kind.name) {
            changeable.push(format!("the kind {} is not recorded", kind.name));
        }
    }
    if own.kinds.first().map(|kind| &kind.name) != recorded.kinds.first().map(|kind| &kind.name) {
        fixed.push("the first kind differs".into());
    }
}

fn has_users(kind: &v1::Kind) -> bool {
    !kind.users.is_empty() || !kind.users_12_months.is_empty()
}

fn kinds(kinds: &Kinds) -> Vec<v1::Kind> {
    kinds
        .iter()
        .map(|(_, kind)| v1::Kind {
            name: kind.name.clone(),
            topic: kind.topic.clone(),
            event_type: kind.event_type.clone(),
            users: kind.users.clone().unwrap_or_default(),
            users_12_months: kind.users_12_months.clone().unwrap_or_default(),
            all_time: kind.all_time.clone().unwrap_or_default(),
            baseline: kind.baseline,
        })
        .collect()
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
