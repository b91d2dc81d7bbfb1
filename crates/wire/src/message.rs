//! Whole prost messages, as bytes and back, with an error that names the message.

use prost::{DecodeError, Message, Name};

/// Bytes that are not the message that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {message} of appmi.v1")]
pub struct Malformed {
    /// Name of the message, `Progress`.
    pub message: &'static str,
    /// What prost says.
    #[source]
    pub source: DecodeError,
}

/// Decodes a message that stands alone in the bytes.
pub(crate) fn decode<M: Message + Name + Default>(bytes: &[u8]) -> Result<M, Malformed> {
    M::decode(bytes).map_err(|source| Malformed {
        message: M::NAME,
        source,
    })
}
