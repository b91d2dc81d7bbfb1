//! What is wrong with a configuration: which key, where it was set, to what, and what to do.

use std::fmt;
use std::path::PathBuf;

use super::tree::{Key, Leaf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file, counted from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// Nobody set it.
    Default,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    origin: Origin,
    key: String,
    value: Option<String>,
    message: String,
}

impl Problem {
    /// A value that cannot stand. Values of client properties are left out: they may be secrets.
    pub(super) fn of(key: &Key, leaf: &Leaf, message: impl Into<String>) -> Self {
        Self {
            origin: leaf.origin.clone(),
            key: key.to_string(),
            value: (!key.is_secret()).then(|| leaf.value.to_string()),
            message: message.into(),
        }
    }

    /// A key that nobody set, but somebody must.
    pub(super) fn missing(key: &Key, message: impl Into<String>) -> Self {
        Self {
            origin: Origin::Default,
            key: key.to_string(),
            value: None,
            message: message.into(),
        }
    }

    /// Something about a whole place, not a key of it.
    pub(super) fn at(origin: Origin, message: impl Into<String>) -> Self {
        Self {
            origin,
            key: String::new(),
            value: None,
            message: message.into(),
        }
    }

    /// The key, as TOML writes it; empty if the problem is not about one.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// `appmi.toml:12: months.grace = "3": ...` or `months.grace = "3" (from APPMI_MONTHS__GRACE): ...`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Origin::File { path, line } = &self.origin {
            write!(f, "{}:{line}: ", path.display())?;
        }
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        match &self.origin {
            Origin::File { .. } if self.key.is_empty() => {}
            Origin::File { .. } => f.write_str(": ")?,
            Origin::Environment { variable } if self.key.is_empty() => write!(f, "{variable}: ")?,
            Origin::Environment { variable } => write!(f, " (from {variable}): ")?,
            Origin::Default if self.key.is_empty() => {}
            Origin::Default if self.value.is_some() => f.write_str(" (the default): ")?,
            Origin::Default => f.write_str(": ")?,
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a configuration, in the order in which it was found. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);
