//! Releases, as the month-close topic has them: keys, headers, and values in two formats.
//!
//! The topic is the record of what has been released, so appmi reads it too, and in whichever format
//! it was written: a deployment may change its format at any time.

pub(crate) mod json;
mod key;
mod release_id;

use prost::Message;

pub use key::{ENGLAND, Level, ReleaseKey, UNKNOWN, UnknownLevel, UnknownReleaseKey};
pub use release_id::{BadReleaseId, ReleaseId};

use crate::v1::MonthClose;
use crate::{headers, message};

/// How the values of a release are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The protobuf message.
    Protobuf,
    /// The same message in proto3 JSON, with the field names of the contract (snake_case) and default
    /// values written out.
    Json,
}

impl Format {
    /// The content type that names it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => headers::PROTOBUF,
            Self::Json => headers::JSON,
        }
    }
}

/// Bytes that are no record of a release.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They are no protobuf message.
    #[error("a value of the month-close topic cannot be read as protobuf")]
    Protobuf(#[from] crate::Malformed),
    /// They begin like JSON and are not the message.
    #[error("a value of the month-close topic cannot be read as JSON")]
    Json(#[from] serde_json::Error),
}

/// The bytes of a record's value. For the HTTP API, [`MonthClose`] itself serialises to the same JSON.
#[must_use]
pub fn encode(record: &MonthClose, format: Format) -> Vec<u8> {
    match format {
        Format::Protobuf => record.encode_to_vec(),
        Format::Json => {
            serde_json::to_vec(record).expect("strings, numbers and arrays always have a JSON form")
        }
    }
}

/// Reads a record's value, in either format.
///
/// The first byte tells them apart: `{` is the key of a group with the number 15, which is not in the message.
///
/// # Errors
///
/// If it is of neither format. Fields that this version does not know are passed over.
pub fn decode(value: &[u8]) -> Result<MonthClose, Error> {
    if value.first() == Some(&b'{') {
        return Ok(serde_json::from_slice(value)?);
    }
    Ok(message::decode(value)?)
}

#[cfg(test)]
mod tests;
