//! What stands in the partials topic: text keys ([`PartialKey`]) and protobuf values.
//!
//! | key | value |
//! |---|---|
//! | `settings` | [`v1::Settings`](crate::v1::Settings) |
//! | `{kind}/{partition}/progress` | [`v1::Progress`](crate::v1::Progress) |
//! | `{kind}/{partition}/window/{parity}/{slice}` | [`v1::WindowSlice`](crate::v1::WindowSlice) |
//! | `{kind}/{partition}/{month}/{lineage}/count` | [`v1::Count`](crate::v1::Count) |
//! | `{kind}/{partition}/{month}/{lineage}/{page}` | [`v1::Page`](crate::v1::Page) |
//!
//! Kinds are named, never numbered, so that the table of kinds may change. A key has exactly one
//! spelling, since compaction goes by its bytes.

mod key;

use prost::{Message, Name};

pub use key::{PAGES_MAX, PartialKey, UnknownKey};

use crate::Malformed;

/// Format of keys and values. A change to either that an older appmi would misread counts it up.
pub const FORMAT: u32 = 1;

/// A value: one of the messages of `partials.proto`.
pub trait Value: Message + Name + Default {}

impl<M: Message + Name + Default> Value for M {}

/// The bytes of a value.
#[must_use]
pub fn encode<M: Message + Name>(value: &M) -> Vec<u8> {
    value.encode_to_vec()
}

/// Reads a value.
///
/// # Errors
///
/// [`Malformed`] if the bytes are not that message. Fields that this version does not know are passed over.
pub fn decode<M: Message + Name + Default>(bytes: &[u8]) -> Result<M, Malformed> {
    crate::message::decode(bytes)
}

#[cfg(test)]
mod tests;
