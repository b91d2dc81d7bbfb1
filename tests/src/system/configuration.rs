//! A configuration file that tests change key by key.

use std::fmt::Write as _;

use kafka::Topics;
use model::{Kind, Kinds};

/// The text of a configuration: sections in the order in which they were first set.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    sections: Vec<(String, Vec<(String, String)>)>,
    rows: String,
}

impl Configuration {
    /// Sets a key, `months.grace`, to a value in TOML, `"\"72h\""`. The key stands behind the last dot.
    ///
    /// # Panics
    /// If the key is in no section.
    pub fn set(&mut self, key: &str, value: &str) {
        let (section, name) = key.rsplit_once('.').expect("every key is in a section");
        self.put(section, name, value);
    }

    /// Sets a key to a text.
    pub fn set_text(&mut self, key: &str, text: &str) {
        self.set(key, &quoted(text));
    }

    /// Sets a property of the clients.
    pub fn set_property(&mut self, name: &str, value: &str) {
        self.put("kafka.properties", &quoted(name), &quoted(value));
    }

    /// Leaves a property of the clients to its default.
    pub fn unset_property(&mut self, name: &str) {
        let of_clients = self
            .sections
            .iter_mut()
            .filter(|(section, _)| section == "kafka.properties");
        for (_, keys) in of_clients {
            keys.retain(|(key, _)| *key != quoted(name));
        }
    }

    /// Names the topics, and adds the kinds that are not built in.
    pub(crate) fn set_topics(&mut self, topics: &Topics, kinds: &Kinds) {
        self.set_text("topics.partials", &topics.partials);
        self.set_text("topics.month_close", &topics.month_close);
        self.set_text("topics.dead_letters", &topics.dead_letters);
        for ((_, kind), topic) in kinds.iter().zip(&topics.inputs) {
            if Kinds::builtin().by_name(&kind.name).is_some() {
                self.set_text(&format!("topics.{}", kind.name), topic);
            } else {
                self.add_kind(kind, topic);
            }
            if kind.all_time.is_some() {
                self.set(
                    &format!("{}.baseline", kind.name),
                    &kind.baseline.to_string(),
                );
            }
        }
    }

    /// Adds a `[[kinds]]` entry.
    pub fn add_kind(&mut self, kind: &Kind, topic: &str) {
        self.rows.push_str("[[kinds]]\n");
        let keys = [
            ("name", Some(kind.name.as_str())),
            ("topic", Some(topic)),
            ("event_type", Some(&kind.event_type)),
            ("users", kind.users.as_deref()),
            ("users_12_months", kind.users_12_months.as_deref()),
            ("all_time", kind.all_time.as_deref()),
        ];
        for (key, value) in keys {
            if let Some(value) = value {
                let _ = writeln!(self.rows, "{key} = {}", quoted(value));
            }
        }
    }

    fn put(&mut self, section: &str, name: &str, value: &str) {
        let place = match self.sections.iter().position(|(of, _)| of == section) {
            Some(place) => place,
            None => {
                self.sections.push((section.to_owned(), Vec::new()));
                self.sections.len() - 1
            }
        };
        let keys = &mut self.sections[place].1;
        keys.retain(|(key, _)| key != name);
        keys.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.sections {
            let _ = writeln!(text, "[{section}]");
            for (key, value) in keys {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        text + &self.rows
    }
}

/// A basic string of TOML; tests have no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
