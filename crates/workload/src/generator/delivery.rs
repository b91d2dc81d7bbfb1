//! How what happened reaches the log: mostly at once and once, sometimes late, twice or spoiled.

use model::Month;

use super::ids::Ids;
use super::options::{Options, Rates};
use super::planned::{Fault, Feature, Planned};
use super::rhythm::{DAY, Day, Days, HOUR, MINUTE, SECOND};
use crate::rng::Rng;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) occurred: i64,
    pub(super) account: u32,
    pub(super) zone: usize,
    pub(super) feature: Feature,
}

/// Turns what happened into records.
#[derive(Debug)]
pub(super) struct Delivery {
    rates: Rates,
    ids: Ids,
    serial: u64,
    first_month: Month,
    /// Start and end of the first month.
    first: (i64, i64),
    /// Whether an event of the first month would be too old by now.
    is_first_too_old: bool,
}

/// Months that lie between the first month and an event of it that is too old.
const TOO_OLD_AFTER: i32 = 17;

impl Delivery {
    pub(super) fn new(options: &Options) -> Self {
        let days = Days::of(options.first_month).days;
        Self {
            rates: options.rates,
            ids: Ids::new(options),
            serial: 0,
            first_month: options.first_month,
            first: (days[0].start, days[days.len() - 1].end),
            is_first_too_old: false,
        }
    }

    pub(super) fn begin_month(&mut self, month: Month) {
        self.is_first_too_old = month.since(self.first_month) >= TOO_OLD_AFTER;
    }

    /// The event's record and, now and then, a second one of the same event. Nothing arrives before its day,
    /// for that is written already.
    pub(super) fn send(&mut self, event: &Event, day: &Day, rng: &mut Rng, out: &mut Vec<Planned>) {
        let sent = self.record(event, Fault::None, rng);
        let sent = Planned {
            arrival: sent.arrival.max(day.start),
            ..sent
        };
        out.push(sent);
        if rng.chance(self.rates.duplicates) && self.ids.has_identity(sent.original) {
            let is_resent = event.feature == Feature::Login
                && self.ids.has_session(sent.original)
                && rng.chance(500_000);
            let serial = self.next_serial();
            out.push(Planned {
                arrival: sent.arrival + rng.between(SECOND, 10 * MINUTE),
                serial,
                fault: if is_resent {
                    Fault::Resent
                } else {
                    Fault::None
                },
                ..sent
            });
        }
    }

    /// Now and then, a record beside the event's that can't be counted.
    pub(super) fn spoil(
        &mut self,
        event: &Event,
        day: &Day,
        rng: &mut Rng,
        out: &mut Vec<Planned>,
    ) {
        let rates = self.rates;
        if rng.chance(rates.bad) {
            let fault = Fault::BAD[rng.below(Fault::BAD.len())];
            let feature = [
                Feature::Login,
                Feature::PrescriptionOrder,
                Feature::Registration,
            ];
            let spoiled = Event {
                feature: feature[rng.below(3)],
                ..*event
            };
            self.add_spoiled(&spoiled, fault, day, rng, out);
        }
        if rng.chance(rates.ahead_of_clock) {
            self.add_spoiled(event, Fault::AheadOfClock, day, rng, out);
        }
        if self.is_first_too_old && rng.chance(rates.too_old) {
            self.add_spoiled(event, Fault::TooOld, day, rng, out);
        }
    }

    fn add_spoiled(
        &mut self,
        event: &Event,
        fault: Fault,
        day: &Day,
        rng: &mut Rng,
        out: &mut Vec<Planned>,
    ) {
        let mut record = self.record(event, fault, rng);
        record.arrival = record.arrival.max(day.start);
        record.occurred = match fault {
            // Beyond a skew of 15 minutes.
            Fault::AheadOfRecord => record.arrival + rng.between(20 * MINUTE, DAY),
            Fault::BeforeFirstMonth => self.first.0 - rng.between(1, 60 * DAY),
            Fault::TooOld => rng.between(self.first.0, self.first.1),
            _ => record.occurred,
        };
        out.push(record);
    }

    fn record(&mut self, event: &Event, fault: Fault, rng: &mut Rng) -> Planned {
        let serial = self.next_serial();
        Planned {
            arrival: event.occurred + self.delay(rng),
            occurred: event.occurred,
            serial,
            original: serial,
            account: event.account,
            zone: u16::try_from(event.zone).expect("few zones"),
            feature: event.feature,
            fault,
        }
    }

    /// Milliseconds from occurrence to arrival.
    fn delay(&self, rng: &mut Rng) -> i64 {
        if rng.chance(self.rates.late) {
            rng.between(HOUR, 60 * HOUR)
        } else if rng.chance(self.rates.beyond_grace) {
            rng.between(4 * DAY, 15 * DAY)
        } else if rng.chance(self.rates.ahead) {
            -rng.between(0, 2 * MINUTE)
        } else {
            rng.between(20, 2 * SECOND)
        }
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
