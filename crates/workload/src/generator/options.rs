//! What a caller chooses about a workload.

use model::{Kinds, Month};

use crate::practices::Practices;

/// Everything that a workload depends on, beside the profile. Equal options give equal bytes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where chance comes from.
    pub seed: u64,
    /// The scale: one in so many of the national figures, at least 1.
    pub one_in: u64,
    /// The first month with events, and the first that is published.
    pub first_month: Month,
    /// How many months have events, at least 1.
    pub months: u32,
    /// How many partitions each topic has.
    pub partitions: Partitions,
    /// The practices that events name.
    pub practices: Practices,
    /// The table that has `logins`, `prescription_orders` and `registrations`.
    pub kinds: Kinds,
    /// The longest value that is accepted, in bytes; values that are too large are longer.
    pub payload_bytes_max: usize,
    /// How often things are out of the ordinary.
    pub rates: Rates,
}

/// Partitions of each input topic, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions {
    /// Of the logins topic.
    pub logins: u32,
    /// Of the prescription orders topic.
    pub prescription_orders: u32,
    /// Of the registrations topic.
    pub registrations: u32,
}

/// Rates in parts per million. The defaults are assumptions, chosen so that every path is taken at 1/100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Events sent again within ten minutes.
    pub duplicates: u32,
    /// Events that arrive one to sixty hours late.
    pub late: u32,
    /// Events that arrive four to fifteen days late: beyond a grace of 72 hours.
    pub beyond_grace: u32,
    /// Events that say that they occurred up to two minutes after they arrived: a sender's clock is ahead.
    pub ahead: u32,
    /// Additional records that can't be counted, of logins; shared among the reasons that need no clock and no floor.
    pub bad: u32,
    /// Additional records whose timestamp is ten years ahead, of logins.
    pub ahead_of_clock: u32,
    /// Additional logins that occurred in the first month, once that was seventeen months ago.
    pub too_old: u32,
    /// Users who move to another board, a month.
    pub movers: u32,
    /// Events as CloudEvents in JSON.
    pub cloud_events: u32,
    /// Events in Confluent framing.
    pub confluent: u32,
    /// Logins without a session id.
    pub without_session: u32,
    /// Events without any identity: never sent twice.
    pub without_identity: u32,
}

impl Default for Options {
    /// The published quarter at 1/100, twelve partitions for logins and four for the others.
    fn default() -> Self {
        Self {
            seed: 1,
            one_in: 100,
            first_month: Month::new(2025, 3).expect("a month"),
            months: 3,
            partitions: Partitions {
                logins: 12,
                prescription_orders: 4,
                registrations: 4,
            },
            practices: Practices::synthetic(),
            kinds: Kinds::builtin(),
            payload_bytes_max: 65_536,
            rates: Rates::default(),
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            duplicates: 3_000,
            late: 5_000,
            beyond_grace: 0,
            ahead: 1_000,
            bad: 1_000,
            ahead_of_clock: 0,
            too_old: 0,
            movers: 4_000,
            cloud_events: 0,
            confluent: 0,
            without_session: 2_000,
            without_identity: 500,
        }
    }
}

impl Rates {
    /// Nothing out of the ordinary: in order, once each, nobody moves.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            duplicates: 0,
            late: 0,
            beyond_grace: 0,
            ahead: 0,
            bad: 0,
            ahead_of_clock: 0,
            too_old: 0,
            movers: 0,
            cloud_events: 0,
            confluent: 0,
            without_session: 0,
            without_identity: 0,
        }
    }
}
