//! Which ids an event carries: everything follows from its number, so a second record of it says the same.

use super::options::{Options, Rates};
use crate::encode;
use crate::item::Identity;
use crate::rng::{mix, within};

/// The ids of events.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    seed: u64,
    rates: Rates,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Protobuf,
    Confluent,
    CloudEvent,
}

impl Ids {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            seed: mix(options.seed ^ 0x1D5),
            rates: options.rates,
        }
    }

    /// A hash of an event's number, for whatever else is decided about it.
    pub(super) fn hash(&self, original: u64, purpose: u64) -> u64 {
        mix(mix(self.seed ^ purpose) ^ original)
    }

    /// Whether a second record of the event can be told as one.
    pub(super) fn has_identity(&self, original: u64) -> bool {
        !within(self.hash(original, 1), self.rates.without_identity)
    }

    /// Whether the event, if it is a login, says its session.
    pub(super) fn has_session(&self, original: u64) -> bool {
        self.has_identity(original) && !within(self.hash(original, 2), self.rates.without_session)
    }

    /// A CloudEvent can't be without an id, so what has none is a message.
    pub(super) fn form(&self, original: u64) -> Form {
        let hash = self.hash(original, 3);
        if within(hash, self.rates.cloud_events) && self.has_identity(original) {
            Form::CloudEvent
        } else if within(
            hash,
            self.rates.cloud_events.saturating_add(self.rates.confluent),
        ) {
            Form::Confluent
        } else {
            Form::Protobuf
        }
    }

    /// The ids that the record carries, and which of them identifies the event. `written` is the serial that the event
    /// id is made from: another than `original` if the event was resent under a new id.
    pub(super) fn of(
        &self,
        original: u64,
        written: u64,
        is_login: bool,
    ) -> (encode::Ids, Identity) {
        let (event, session) = (self.hash(written, 4), self.hash(original, 5));
        if is_login && self.has_session(original) {
            let ids = encode::Ids {
                event: Some(event),
                session: Some(session),
            };
            return (ids, Identity::Session(session));
        }
        let identity = match self.form(original) {
            _ if !self.has_identity(original) => Identity::None,
            Form::CloudEvent => Identity::CloudEvent(event),
            Form::Protobuf | Form::Confluent => Identity::Event(event),
        };
        (encode::Ids::of(identity), identity)
    }
}
