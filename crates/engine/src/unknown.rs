//! A look at events of unknown geography: which codes they name, so that an operator can see what the reference
//! data lacks. It decodes some runs a second time, few enough not to be felt, and is nothing that counting waits for.
//! Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::Kind;
use wire::events::{self, Event};

use crate::Options;
use crate::ports::Record;

/// Most codes of a sample.
pub const CODES_MAX: usize = 5;
/// Most events of unknown geography of a sample, about.
const EVENTS_MAX: u64 = 1000;
/// Most records that are decoded a second time for a sample, about.
const RECORDS_MAX: usize = 100_000;
/// The longest code of a practice or a board; what is longer is something else that was put into the wrong field.
const CODE_LEN_MAX: usize = 6;

/// What events of unknown geography name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Events that were looked at, duplicates included.
    pub events: u64,
    /// The codes that most of them name, at most [`CODES_MAX`], with how many do.
    pub codes: Vec<(String, u64)>,
    /// How many name nothing.
    pub without_code: u64,
    /// How many name something that can't be a code; it is not repeated.
    pub malformed: u64,
}

/// A sample that is being taken.
#[derive(Debug, Default)]
pub struct Look {
    sample: Sample,
    codes: BTreeMap<String, u64>,
    records: usize,
}

impl Look {
    /// Whether nothing was found so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sample.events == 0
    }

    /// Looks at a run of a kind's records, unless enough was seen.
    pub fn look_at(&mut self, options: &Options, kind: &Kind, records: &[Record<'_>]) {
        if self.sample.events >= EVENTS_MAX || self.records >= RECORDS_MAX {
            return;
        }
        self.records += records.len();
        for record in records {
            let decoded =
                events::decode(record.payload, record.content_type, options.encoding, kind);
            if let Some(event) = decoded.ok().filter(|event| is_unknown(options, event)) {
                self.note(&event);
            }
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        self.sample.events += 1;
        match named(event) {
            b"" => self.sample.without_code += 1,
            named => match to_code(named, event) {
                Some(code) => *self.codes.entry(code).or_default() += 1,
                None => self.sample.malformed += 1,
            },
        }
    }

    /// What was found. Looking begins anew.
    #[must_use]
    pub fn take(&mut self) -> Sample {
        let Self {
            mut sample, codes, ..
        } = std::mem::take(self);
        sample.codes = codes.into_iter().collect();
        sample.codes.sort_by_key(|(_, events)| Reverse(*events));
        sample.codes.truncate(CODES_MAX);
        sample
    }
}

fn is_unknown(options: &Options, event: &Event<'_>) -> bool {
    let lineage = options.geography.place(&event.practice, &event.icb);
    let month = options.calendar.month_of(event.occurred_at);
    month >= options.first_month && options.geography.is_unknown(lineage, month)
}

/// The practice, or the board where no practice is named.
fn named<'a>(event: &'a Event<'_>) -> &'a [u8] {
    match event.practice.trim_ascii() {
        b"" => event.icb.trim_ascii(),
        practice => practice,
    }
}

/// None if it can't be a code, which begins with a letter, or is the account's id in the wrong place.
fn to_code(named: &[u8], event: &Event<'_>) -> Option<String> {
    let is_code = named.len() <= CODE_LEN_MAX
        && named.first().is_some_and(u8::is_ascii_alphabetic)
        && named.iter().all(u8::is_ascii_alphanumeric)
        && !named.eq_ignore_ascii_case(event.account_id.trim().as_bytes());
    is_code.then(|| {
        named
            .iter()
            .map(|byte| char::from(byte.to_ascii_uppercase()))
            .collect()
    })
}
