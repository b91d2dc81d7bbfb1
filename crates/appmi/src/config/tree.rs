//! A configuration before anything is known about its keys: values by path, each with its origin.
//!
//! The tree is kept flat, from the whole path to the value, so that laying the environment over the
//! file is an insertion, and what nobody asked for is what is left.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problem};

/// The path to a value: table by table. A row of an array of tables counts as a table named by its
/// place, from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<String>);

impl Key {
    /// A path of names that contain no dots themselves.
    pub(super) fn new(dotted: &str) -> Self {
        Self(dotted.split('.').map(str::to_owned).collect())
    }

    /// The path that goes on from here.
    pub(super) fn join(&self, name: impl Into<String>) -> Self {
        let mut path = self.0.clone();
        path.push(name.into());
        Self(path)
    }

    /// The names on the way.
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether the other path begins with this one and goes on.
    pub(super) fn contains(&self, other: &Self) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }

    /// The tables on the way.
    pub(super) fn parents(&self) -> impl Iterator<Item = Self> {
        (1..self.0.len()).map(|depth| Self(self.0[..depth].to_vec()))
    }

    /// Whether the value may be a password: those of client properties may.
    pub(super) fn is_secret(&self) -> bool {
        Self::new(super::PROPERTIES).contains(self)
    }
}

/// As TOML would write it, with `kinds[0].name` for a row.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        for (depth, name) in self.0.iter().enumerate() {
            match name.parse::<usize>() {
                Ok(row) if depth > 0 => {
                    write!(f, "[{row}]")?;
                    continue;
                }
                _ if depth > 0 => f.write_str(".")?,
                _ => {}
            }
            if !name.is_empty() && name.bytes().all(bare) {
                f.write_str(name)?;
            } else {
                write!(f, "{name:?}")?;
            }
        }
        Ok(())
    }
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A string.
    Text(String),
    /// An integer of the file.
    Integer(i64),
    /// A boolean of the file.
    Flag(bool),
    /// A value of the environment, which has no type of its own.
    Untyped(String),
    /// A table without keys.
    EmptyTable,
    /// Anything else of TOML, which no key takes: as written.
    Other(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Untyped(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::EmptyTable => f.write_str("{}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// All values, by path.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<Key, Leaf>);

impl Tree {
    /// The values of a TOML text, as far as it can be read; what cannot be read becomes problems.
    pub(super) fn from_toml(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Self {
        let lines = Lines { path, text };
        let (table, mut errors) = DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        for error in errors {
            let start = error.span().map_or(0, |span| span.start);
            problems.push(Problem::at(lines.origin(start), error.message()));
        }
        let mut tree = Self::default();
        tree.add_table(&lines, &Key(Vec::new()), table.get_ref());
        tree
    }

    /// Sets a value, over what was there.
    pub(super) fn set(&mut self, key: Key, leaf: Leaf) {
        self.0.insert(key, leaf);
    }

    /// Takes a value out.
    pub(super) fn take(&mut self, key: &Key) -> Option<Leaf> {
        self.0.remove(key)
    }

    /// The names directly below a path, in order of their bytes.
    pub(super) fn names_below(&self, key: &Key) -> Vec<String> {
        let mut names: Vec<String> = self
            .0
            .keys()
            .filter(|other| key.contains(other))
            .map(|other| other.names()[key.names().len()].clone())
            .collect();
        names.dedup();
        names
    }

    /// What is left.
    pub(super) fn into_rest(self) -> impl Iterator<Item = (Key, Leaf)> {
        self.0.into_iter()
    }

    fn add_table(&mut self, lines: &Lines<'_>, at: &Key, table: &DeTable<'_>) {
        for (name, value) in table {
            self.add(
                lines,
                at.join(name.get_ref().as_ref()),
                name.span().start,
                value,
            );
        }
    }

    fn add(&mut self, lines: &Lines<'_>, key: Key, start: usize, value: &Spanned<DeValue<'_>>) {
        let as_written = || Value::Other(lines.text[value.span()].to_owned());
        let leaf = match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => {
                return self.add_table(lines, &key, table);
            }
            DeValue::Table(_) => Value::EmptyTable,
            DeValue::Array(rows)
                if rows.iter().all(|row| row.get_ref().is_table()) && !rows.is_empty() =>
            {
                for (row, value) in rows.iter().enumerate() {
                    self.add(lines, key.join(row.to_string()), value.span().start, value);
                }
                return;
            }
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| as_written(), Value::Integer),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Array(_) | DeValue::Float(_) | DeValue::Datetime(_) => as_written(),
        };
        self.set(
            key,
            Leaf {
                value: leaf,
                origin: lines.origin(start),
            },
        );
    }
}

/// Finds the line of a place in a text.
struct Lines<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Lines<'_> {
    fn origin(&self, start: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(start);
        Origin::File {
            path: self.path.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
        }
    }
}
