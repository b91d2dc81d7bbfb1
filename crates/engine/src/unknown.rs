//! A look at events of unknown geography: which codes they name, so that an operator can see what the reference
//! data lacks. It decodes a run a second time, now and then, and is nothing that counting waits for. Pure.

use std::collections::BTreeMap;

use model::Kind;
use wire::events::{self, Event};

use crate::Options;
use crate::ports::Record;

/// Most codes of a sample.
pub const CODES_MAX: usize = 5;
/// The longest code of a practice or a board; what is longer is something else that was put into the wrong field.
const CODE_LEN_MAX: usize = 6;

/// What a run's events of unknown geography name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Events of unknown geography, duplicates included.
    pub events: u64,
    /// The codes that most of them name, at most [`CODES_MAX`], with how many do.
    pub codes: Vec<(String, u64)>,
    /// How many name nothing.
    pub without_code: u64,
    /// How many name something that can't be a code; it is not repeated.
    pub malformed: u64,
}

/// Looks at a run of a kind's records.
#[must_use]
pub fn sample(options: &Options, kind: &Kind, records: &[Record<'_>]) -> Sample {
    let mut sample = Sample {
        events: 0,
        codes: Vec::new(),
        without_code: 0,
        malformed: 0,
    };
    let mut codes = BTreeMap::<String, u64>::new();
    for record in records {
        let decoded = events::decode(record.payload, record.content_type, options.encoding, kind);
        let Some(event) = decoded.ok().filter(|event| is_unknown(options, event)) else {
            continue;
        };
        sample.events += 1;
        match named(&event) {
            b"" => sample.without_code += 1,
            named => match to_code(named, &event) {
                Some(code) => *codes.entry(code).or_default() += 1,
                None => sample.malformed += 1,
            },
        }
    }
    sample.codes = codes.into_iter().collect();
    sample
        .codes
        .sort_by_key(|(_, events)| std::cmp::Reverse(*events));
    sample.codes.truncate(CODES_MAX);
    sample
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
        && named != event.account_id.trim().as_bytes();
    is_code.then(|| {
        named
            .iter()
            .map(|byte| char::from(byte.to_ascii_uppercase()))
            .collect()
    })
}
