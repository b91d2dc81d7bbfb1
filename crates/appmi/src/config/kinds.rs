//! The table of kinds: topics and baselines of the built-in ones, and rows that a deployment adds.
//!
//! No kind is named here. What can be configured of the built-in kinds follows from the table.

use std::collections::BTreeMap;

use model::{Kind, Kinds};

use super::reader::Reader;
use super::tree::{Key, Value};
use super::{Topics, values};

/// Far more than there are people to register.
const BASELINE_MAX: u64 = 1_000_000_000_000;

/// Asks for everything about kinds.
pub(super) fn kinds(reader: &mut Reader, topics: &Topics) -> Kinds {
    let mut uses = Uses::default();
    for (name, topic) in [
        ("topics.partials", &topics.partials),
        ("topics.month_close", &topics.month_close),
        ("topics.dead_letters", &topics.dead_letters),
    ] {
        uses.add(reader, &Key::new(name), topic);
    }
    let mut kinds = builtin(reader, &mut uses);
    for row in reader.rows(&Key::new("kinds")) {
        add_row(reader, &mut uses, &mut kinds, &row);
    }
    set_baselines(reader, &mut kinds);
    kinds
}

/// Which key each topic was given to.
#[derive(Debug, Default)]
struct Uses(BTreeMap<String, Key>);

impl Uses {
    /// Notes a use of a topic, which must be its only one.
    fn add(&mut self, reader: &mut Reader, key: &Key, topic: &str) -> bool {
        if let Some(other) = self.0.get(topic) {
            reader.refuse(
                key,
                format!("is the topic of {other} already; a topic has one use"),
            );
            return false;
        }
        self.0.insert(topic.to_owned(), key.clone());
        true
    }
}

fn builtin(reader: &mut Reader, uses: &mut Uses) -> Kinds {
    let mut kinds = Kinds::builtin();
    let mut changes = Vec::new();
    let mut all_free = true;
    for (id, kind) in Kinds::builtin().iter() {
        let key = format!("topics.{}", kind.name);
        let topic = reader.setting(&key, kind.topic.as_str(), values::topic);
        all_free &= uses.add(reader, &Key::new(&key), &topic);
        if topic != kind.topic {
            changes.push((id, Key::new(&key), topic));
        }
    }
    if !all_free {
        return kinds;
    }
    // Out of each other's way first, so that two kinds can swap their topics.
    for (id, ..) in &changes {
        let aside = format!("appmi.no-topic-yet.{}", id.0);
        kinds
            .set_topic(*id, aside)
            .expect("nobody has a topic of that name");
    }
    for (id, key, topic) in changes {
        if let Err(message) = kinds.set_topic(id, topic) {
            reader.refuse(&key, format!("cannot stand: {message}"));
        }
    }
    kinds
}

fn add_row(reader: &mut Reader, uses: &mut Uses, kinds: &mut Kinds, row: &Key) {
    let mut required = |name: &str, parse: fn(&Value) -> Result<String, String>, what: &str| {
        reader.required(&row.join(name), what, parse)
    };
    let name = required("name", values::nonempty, "write the name of its count");
    let topic = required("topic", values::topic, "write the topic of its events");
    let what = "write the CloudEvents type of its events";
    let event_type = required("event_type", values::nonempty, what);
    let [users, users_12_months, all_time] = ["users", "users_12_months", "all_time"]
        .map(|measure| reader.optional(&row.join(measure), values::text));
    let is_free = topic
        .as_ref()
        .is_some_and(|topic| uses.add(reader, &row.join("topic"), topic));
    let (Some(name), Some(topic), Some(event_type), true) = (name, topic, event_type, is_free)
    else {
        return;
    };
    let kind = Kind {
        name,
        topic,
        event_type,
        has_session: false,
        users,
        users_12_months,
        all_time,
        baseline: 0,
    };
    if let Err(message) = kinds.push(kind) {
        reader.refuse(&row.join("name"), format!("cannot be added: {message}"));
    }
}

/// `[<kind>] baseline`, for every kind with an all-time count.
fn set_baselines(reader: &mut Reader, kinds: &mut Kinds) {
    let with_all_time: Vec<_> = kinds
        .iter()
        .filter(|(_, kind)| kind.all_time.is_some())
        .map(|(id, kind)| (id, format!("{}.baseline", kind.name)))
        .collect();
    for (id, key) in with_all_time {
        let baseline = reader.setting(&key, 0, values::integer(0..=BASELINE_MAX));
        kinds.set_baseline(id, baseline);
    }
}
