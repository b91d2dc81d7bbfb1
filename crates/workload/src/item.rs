//! One record of an input topic, and what was meant by it.
//!
//! What was meant travels beside the bytes, so that the oracle needs no decoder: it judges the
//! meaning, and that the bytes say the same is a test of the encoding.

use model::{InputPartition, KindId, Reason, Timestamp};

use crate::encode;
use crate::rng::mix;

/// A record as a producer would send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whose topic it goes to.
    pub kind: KindId,
    /// The partition of that topic.
    pub partition: u32,
    /// The record's key: the account id.
    pub key: Vec<u8>,
    /// The record's own timestamp, when it arrived.
    pub timestamp: Timestamp,
    /// The `content-type` header, if it has one.
    pub content_type: Option<&'static str>,
    /// The value.
    pub payload: Vec<u8>,
    /// What was meant.
    pub truth: Truth,
}

impl Item {
    /// A record as protobuf, without a content type, that says `truth`: for cases made by hand.
    #[must_use]
    pub fn of(kind: KindId, partition: u32, timestamp: Timestamp, truth: Truth) -> Self {
        let mut payload = Vec::new();
        encode::protobuf(&truth, &encode::Ids::of(truth.identity), &mut payload);
        Self {
            kind,
            partition,
            key: account_id(truth.account).into_bytes(),
            timestamp,
            content_type: None,
            payload,
            truth,
        }
    }

    /// The topic and partition that it goes to.
    #[must_use]
    pub fn input_partition(&self) -> InputPartition {
        InputPartition {
            kind: self.kind,
            partition: self.partition,
        }
    }
}

/// What an event says, or was to say before something was done to its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// The account, as a number: one to one with its id, see [`account_id`].
    pub account: u64,
    /// When it occurred.
    pub occurred_at: Timestamp,
    /// The GP practice code as sent, untidy and wrong ones too; may be empty.
    pub practice: Code,
    /// The ICB code as sent; may be empty.
    pub icb: Code,
    /// What makes it the same event as another.
    pub identity: Identity,
    /// What is wrong with the bytes, as far as that was decided when they were made: `too_large`,
    /// `empty`, `undecodable`, `no_account` or `no_time`. The other reasons are for the oracle to find.
    pub defect: Option<Reason>,
}

/// What identifies an event. The numbers stand for ids, one to one, see [`event_id`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Nothing does: it is never a duplicate.
    None,
    /// A login's session id.
    Session(u64),
    /// The event id.
    Event(u64),
    /// A CloudEvents id; all share one source.
    CloudEvent(u64),
}

/// The id of an account in text, shaped like a version 4 UUID. Different accounts have different ids.
#[must_use]
pub fn account_id(account: u64) -> String {
    let mut text = Vec::with_capacity(encode::ACCOUNT_ID_LEN);
    encode::account_id(account, &mut text);
    String::from_utf8(text).expect("hexadecimal digits and hyphens")
}

/// The id of an event or session in text: 16 hexadecimal digits.
#[must_use]
pub fn event_id(number: u64) -> String {
    format!("{number:016x}")
}

/// What fills the bits of an account's id that are not the account's own.
pub(crate) fn account_tail(account: u64) -> u64 {
    mix(account ^ 0xACC0_ACC0_ACC0_ACC0)
}

/// A short code, kept inline so that an item costs few allocations. At most [`Code::LEN_MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Code {
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

impl Code {
    /// Bytes that fit.
    pub const LEN_MAX: usize = 15;
    /// No code.
    pub const EMPTY: Self = Self {
        bytes: [0; Self::LEN_MAX],
        len: 0,
    };

    /// The code with this text; none if it is too long.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::LEN_MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).ok()?;
        Some(Self { bytes, len })
    }

    /// Its text, as sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("made from text")
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_is_shaped_like_a_version_4_uuid() {
        let id = account_id(0x0123_4567_89AB_CDEF);
        assert_eq!(id.len(), 36);
        assert!(id.starts_with("01234567-89ab-4"), "{id}");
        assert!(
            id[19..20].chars().all(|variant| "89ab".contains(variant)),
            "{id}"
        );
    }

    #[test]
    fn accounts_that_differ_anywhere_have_different_ids() {
        let ids: std::collections::BTreeSet<String> = (0..64)
            .map(|bit| account_id(1 << bit))
            .chain([account_id(0)])
            .collect();
        assert_eq!(ids.len(), 65);
    }

    #[test]
    fn a_code_is_its_text_or_none() {
        assert_eq!(Code::new(" qm7 ").unwrap().as_str(), " qm7 ");
        assert!(Code::new("").unwrap().is_empty() && Code::EMPTY.is_empty());
        assert_eq!(Code::new("0123456789abcdef"), None);
    }
}
