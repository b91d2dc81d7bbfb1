//! Events as protobuf messages, read in place.
//!
//! One reader for all event messages: they share their first five fields, and a sixth only matters
//! where the kind has sessions. What it makes of a message is what prost would make of it, with one
//! difference: only strings that are used have to be UTF-8. The codes of practice and board are
//! looked up as bytes, and an identity that a session id outranks is never looked at.

use std::borrow::Cow;

use model::Reason;

use super::fields::{Fields, Malformed};
use super::{Event, Identity, confluent, instant};

/// Decodes an event message, bare or in Confluent framing.
pub(super) fn decode(payload: &[u8], has_session: bool) -> Result<Event<'_>, Reason> {
    let message = confluent::message(payload)?;
    Message::read(message, has_session)?.into_event()
}

/// The fields of an event message, as they are in its bytes. An absent string is an empty one.
#[derive(Default)]
struct Message<'a> {
    event_id: &'a [u8],
    account_id: &'a [u8],
    occurred_at: Option<Instant>,
    gp_practice_code: &'a [u8],
    icb_code: &'a [u8],
    session_id: &'a [u8],
}

/// A `google.protobuf.Timestamp`, unchecked.
#[derive(Default)]
struct Instant {
    seconds: i64,
    nanos: i32,
}

impl<'a> Message<'a> {
    /// Of a string that comes twice the last one counts; a time that comes twice is merged.
    fn read(message: &'a [u8], has_session: bool) -> Result<Self, Malformed> {
        let mut read = Self::default();
        let mut fields = Fields::of(message);
        while let Some((number, wire_type)) = fields.key()? {
            match number {
                1 => read.event_id = fields.bytes(wire_type)?,
                2 => read.account_id = fields.bytes(wire_type)?,
                3 => {
                    let occurred_at = read.occurred_at.get_or_insert_default();
                    occurred_at.merge(fields.message(wire_type)?)?;
                }
                4 => read.gp_practice_code = fields.bytes(wire_type)?,
                5 => read.icb_code = fields.bytes(wire_type)?,
                6 if has_session => read.session_id = fields.bytes(wire_type)?,
                _ => fields.skip(number, wire_type)?,
            }
        }
        Ok(read)
    }

    fn into_event(self) -> Result<Event<'a>, Reason> {
        let account_id = text(self.account_id)?;
        let identity = match (self.session_id, self.event_id) {
            ([], []) => Identity::None,
            ([], event_id) => Identity::Event(text(event_id)?),
            (session_id, _) => Identity::Session(text(session_id)?),
        };
        let occurred_at = self
            .occurred_at
            .map(|Instant { seconds, nanos }| instant(seconds, nanos).ok_or(Reason::Undecodable))
            .transpose()?;
        if account_id.is_empty() {
            return Err(Reason::NoAccount);
        }
        Ok(Event {
            account_id,
            occurred_at: occurred_at.ok_or(Reason::NoTime)?,
            practice: Cow::Borrowed(self.gp_practice_code),
            icb: Cow::Borrowed(self.icb_code),
            identity,
        })
    }
}

impl Instant {
    fn merge(&mut self, mut fields: Fields<'_>) -> Result<(), Malformed> {
        while let Some((number, wire_type)) = fields.key()? {
            match number {
                1 => self.seconds = fields.varint(wire_type)?.cast_signed(),
                2 => self.nanos = low_half(fields.varint(wire_type)?),
                _ => fields.skip(number, wire_type)?,
            }
        }
        Ok(())
    }
}

/// An `int32` field: negative numbers come sign-extended to 64 bits, and what is above 32 bits is
/// dropped, as the encoding demands of readers.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the upper half is dropped on purpose"
)]
const fn low_half(varint: u64) -> i32 {
    varint as i32
}

fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Reason> {
    str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|_| Reason::Undecodable)
}

impl From<Malformed> for Reason {
    fn from(Malformed: Malformed) -> Self {
        Self::Undecodable
    }
}

#[cfg(test)]
mod tests;
