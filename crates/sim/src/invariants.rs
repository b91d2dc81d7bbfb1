//! What must be true of everything that is committed, checked at the moment it is.
//!
//! The checker sees what brokers decide, transaction by transaction, and knows the exact answer to every
//! prefix of the input. The first thing that is not as it must be ends the world.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use engine::Options;
use engine::ports::{DeadLetter, LeaderRecord, Partial};
use model::{InputPartition, KindId, Offset};
use prost::Message as _;
use sketch::Precision;
use wire::partials::PartialKey;
use wire::v1;

use crate::civil::{self, MonthNo};
use crate::oracle::{Oracle, Snapshot};
use crate::places;

mod pieces;
mod releases;
mod views;

pub(crate) use releases::Decided;
pub(crate) use views::Contents;

/// Something that must not happen has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, in a few words.
    pub invariant: &'static str,
    /// What was found instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.found)
    }
}

pub(crate) type Checked = Result<(), Violation>;

pub(crate) fn violated(invariant: &'static str, found: impl fmt::Display) -> Violation {
    Violation {
        invariant,
        found: found.to_string(),
    }
}

fn ensure(holds: bool, invariant: &'static str, found: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(violated(invariant, found()))
    }
}

/// What was written in a transaction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    /// Each with the broker's time.
    pub(crate) partials: Vec<(Partial, i64)>,
    pub(crate) letters: Vec<DeadLetter>,
    pub(crate) offsets: Vec<(InputPartition, Offset)>,
    pub(crate) releases: Vec<LeaderRecord>,
    /// High watermarks of the input when the writer's turn began.
    pub(crate) highs: BTreeMap<InputPartition, i64>,
}

/// What is known of an input partition.
#[derive(Default)]
struct Ledger {
    /// By number of the checkpoint, since the partials were emptied last.
    history: BTreeMap<u64, Rc<Snapshot>>,
    last: Rc<Snapshot>,
    /// What the partials topic says of cells that are kept, by key.
    pieces: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub(crate) struct Checker {
    pub(crate) oracle: Oracle,
    precision: Precision,
    retention_months: MonthNo,
    revision_interval: i64,
    kinds: Vec<String>,
    ledgers: BTreeMap<InputPartition, Ledger>,
    /// Of every input record that is a committed dead letter since counting began anew last.
    letters: BTreeSet<(InputPartition, i64)>,
    releases: releases::Releases,
    /// The filling of the partials topic.
    filling: Option<Vec<u8>>,
    /// What the last recount began with, if there was one.
    recount: Option<Recount>,
}

/// What a recount begins with.
pub(crate) struct Recount {
    /// How far every input partition has to be counted before anything is released again.
    pub(crate) until: BTreeMap<InputPartition, i64>,
    /// Months before this were sealed by then, and stay so.
    pub(crate) sealed_before: MonthNo,
}

impl Checker {
    pub(crate) fn new(options: &Options) -> Self {
        let interval = options.revision_interval.as_millis();
        let names = options.kinds.iter().map(|(_, kind)| kind.name.clone());
        Self {
            oracle: Oracle::new(options),
            precision: options.precision,
            retention_months: MonthNo::try_from(options.retention_months).expect("few months"),
            revision_interval: i64::try_from(interval).expect("a short time"),
            kinds: names.collect(),
            ledgers: BTreeMap::new(),
            letters: BTreeSet::new(),
            releases: releases::Releases::default(),
            filling: None,
            recount: None,
        }
    }

    /// Everything is counted anew.
    pub(crate) fn reset(&mut self, filling: &[u8], recount: Recount) {
        self.filling = Some(filling.to_vec());
        self.ledgers.clear();
        self.letters.clear();
        self.recount = Some(recount);
    }

    /// Fewer months may be kept from now on; instances that have not heard of more keep what they did.
    pub(crate) fn note_retention(&mut self, months: u32) {
        let months = MonthNo::try_from(months).expect("few months");
        self.retention_months = self.retention_months.min(months);
    }

    /// The number of each partition's last checkpoint.
    pub(crate) fn numbers(&self) -> BTreeMap<InputPartition, u64> {
        let numbers = self.ledgers.iter();
        numbers
            .map(|(partition, ledger)| (*partition, ledger.last.number))
            .collect()
    }

    pub(crate) fn last(&self, of: InputPartition) -> Rc<Snapshot> {
        let last = self.ledgers.get(&of).map(|ledger| Rc::clone(&ledger.last));
        last.unwrap_or_default()
    }

    pub(crate) fn name(&self, of: InputPartition) -> String {
        let kind = &self.kinds[usize::from(of.kind.0)];
        format!("{kind}/{}", of.partition)
    }

    fn kind(&self, name: &str) -> Option<KindId> {
        let place = self.kinds.iter().position(|kind| kind == name)?;
        Some(KindId(u8::try_from(place).ok()?))
    }

    /// A transaction was committed.
    pub(crate) fn committed(&mut self, content: &Content) -> Checked {
        if !content.releases.is_empty() {
            return self.released(&content.releases);
        }
        let mut by_partition: BTreeMap<InputPartition, Vec<&(Partial, i64)>> = BTreeMap::new();
        for partial in &content.partials {
            let (kind, partition) = match key(&partial.0.key)? {
                PartialKey::Settings => {
                    self.begin(&partial.0)?;
                    continue;
                }
                PartialKey::Progress { kind, partition }
                | PartialKey::Window {
                    kind, partition, ..
                }
                | PartialKey::Count {
                    kind, partition, ..
                }
                | PartialKey::Page {
                    kind, partition, ..
                } => (kind, partition),
            };
            let kind = self
                .kind(kind)
                .ok_or_else(|| violated("keys name a kind", kind))?;
            let of = InputPartition { kind, partition };
            by_partition.entry(of).or_default().push(partial);
        }
        for (of, partials) in &by_partition {
            self.checkpoint(*of, partials, content)?;
        }
        let stated: Vec<InputPartition> = by_partition.keys().copied().collect();
        let committed: Vec<InputPartition> = content.offsets.iter().map(|(of, _)| *of).collect();
        ensure(
            stated == committed,
            "a checkpoint commits the group's offsets",
            || format!("state of {stated:?}, offsets of {committed:?}"),
        )
    }

    /// The settings were recorded, which a first leader does.
    fn begin(&mut self, partial: &Partial) -> Checked {
        let settings = partial.value.as_deref().map(v1::Settings::decode);
        let filling = settings
            .and_then(Result::ok)
            .map(|settings| settings.filling);
        ensure(
            self.filling.is_none(),
            "the settings are recorded once",
            || format!("{filling:?}"),
        )?;
        self.filling = filling;
        Ok(())
    }

    fn checkpoint(
        &mut self,
        of: InputPartition,
        partials: &[&(Partial, i64)],
        content: &Content,
    ) -> Checked {
        let name = self.name(of);
        let (progress, at) = progress(partials)
            .ok_or_else(|| violated("a checkpoint has progress", format!("none of {name}")))?;
        let floor = civil::month_named(&progress.floor)
            .ok_or_else(|| violated("progress names a floor", &progress.floor))?;
        let last = self.last(of);
        self.check_statement(of, &progress, floor, content)?;
        let (mut next, letters) = self.oracle.fold(of, &last, progress.position);
        next.number = progress.checkpoint;
        next.floor = floor;
        next.idle_at = progress.idle.then_some(at);
        self.check_letters(of, &letters, content)?;
        ensure(
            progress.latest_occurred_at == next.latest,
            "event time is that of what was counted",
            || {
                format!(
                    "{name}: {:?}, is {:?}",
                    progress.latest_occurred_at, next.latest
                )
            },
        )?;
        let below = next.cells.range(..(floor, 0)).map(|(_, cell)| cell.events);
        let below: u64 = below.sum();
        ensure(
            progress.all_time_below_floor == below,
            "counts below the floor are carried",
            || format!("{name}: {}, is {below}", progress.all_time_below_floor),
        )?;
        self.check_pieces(of, partials, &last, &next)?;
        let ledger = self.ledgers.entry(of).or_default();
        ledger.last = Rc::new(next);
        ledger
            .history
            .insert(progress.checkpoint, Rc::clone(&ledger.last));
        Ok(())
    }

    /// What progress states beside what was counted.
    fn check_statement(
        &self,
        of: InputPartition,
        progress: &v1::Progress,
        floor: MonthNo,
        content: &Content,
    ) -> Checked {
        let name = self.name(of);
        self.check_floor(&name, floor)?;
        let last = self.last(of);
        ensure(
            progress.checkpoint == last.number + 1,
            "checkpoints of a partition are numbered without a gap",
            || format!("{} of {name} follows {}", progress.checkpoint, last.number),
        )?;
        ensure(
            progress.position >= last.position && floor >= last.floor,
            "positions and floors of a partition never fall",
            || {
                let from = (last.position, last.floor);
                format!("{name} from {from:?} to {} {floor}", progress.position)
            },
        )?;
        ensure(
            progress.idle || progress.position > last.position || floor > last.floor,
            "a checkpoint says something new",
            || format!("{name} at {}", progress.position),
        )?;
        ensure(
            content
                .offsets
                .iter()
                .all(|(partition, to)| *partition != of || to.0 == progress.position),
            "the group's offset is the position of the state",
            || {
                format!(
                    "{name} at {}, offsets {:?}",
                    progress.position, content.offsets
                )
            },
        )?;
        if progress.idle {
            let high = content.highs.get(&of).copied().unwrap_or(0);
            ensure(
                progress.position >= high,
                "an idle partition has been read to its end",
                || format!("{name} at {} of {high}", progress.position),
            )?;
        }
        Ok(())
    }

    /// The floor may leave only months that no release will need again.
    fn check_floor(&self, name: &str, floor: MonthNo) -> Checked {
        if floor <= 0 {
            return Ok(());
        }
        let latest = self.releases.latest_closed();
        ensure(
            latest.is_some_and(|latest| floor <= latest - self.retention_months)
                && (0..floor + 11).all(|month| self.releases.is_closed(month)),
            "a floor rises only above months that nobody needs",
            || format!("{name} to {floor} with {latest:?} closed"),
        )
    }

    fn check_letters(
        &mut self,
        of: InputPartition,
        letters: &[(i64, model::Reason)],
        content: &Content,
    ) -> Checked {
        let sent = content
            .letters
            .iter()
            .filter(|letter| letter.partition == of);
        let sent: Vec<_> = sent
            .map(|letter| (letter.offset.0, letter.reason))
            .collect();
        ensure(
            sent == letters,
            "dead letters are those of the checkpoint's records",
            || format!("{}: {sent:?}, should be {letters:?}", self.name(of)),
        )?;
        for (offset, _) in letters {
            self.letters.insert((of, *offset));
        }
        Ok(())
    }

    /// The group's offsets, where they are known and no transaction is pending.
    pub(crate) fn offsets(&self, committed: &[(InputPartition, Offset)]) -> Checked {
        for (partition, offset) in committed {
            let position = self.last(*partition).position;
            ensure(
                offset.0 == position,
                "the group's offset is the position of the state",
                || format!("{}: {offset}, is {position}", self.name(*partition)),
            )?;
        }
        Ok(())
    }

    /// The committed dead letters, those from before a recount left out.
    pub(crate) fn dead_letters(&self, letters: &[DeadLetter]) -> Checked {
        let mut seen = BTreeSet::new();
        for letter in letters {
            ensure(
                seen.insert((letter.partition, letter.offset.0)),
                "a record is a dead letter once",
                || format!("{} {}", self.name(letter.partition), letter.offset),
            )?;
        }
        ensure(
            seen.is_subset(&self.letters),
            "dead letters are those of committed checkpoints",
            || format!("{:?}", seen.difference(&self.letters).next()),
        )
    }
}

impl Checker {
    /// All committed dead letters, once everything is at rest.
    pub(crate) fn all_dead_letters(&self, letters: &[DeadLetter]) -> Checked {
        ensure(
            letters.len() == self.letters.len(),
            "dead letters are those of committed checkpoints",
            || format!("{} of {}", letters.len(), self.letters.len()),
        )
    }
}

fn progress(partials: &[&(Partial, i64)]) -> Option<(v1::Progress, i64)> {
    let (partial, at) = partials.iter().find(|(partial, _)| {
        matches!(
            PartialKey::decode(&partial.key),
            Ok(PartialKey::Progress { .. })
        )
    })?;
    let progress = v1::Progress::decode(partial.value.as_deref()?).ok()?;
    Some((progress, *at))
}

fn key(bytes: &[u8]) -> Result<PartialKey<'_>, Violation> {
    PartialKey::decode(bytes).map_err(|error| violated("keys can be read", error))
}

fn month(number: MonthNo) -> model::Month {
    let name = civil::month_name(number);
    name.parse().expect("a month of a simulated time")
}

fn cell_of(month: model::Month, lineage: &str) -> Option<(MonthNo, u8)> {
    let place = places::LINEAGES
        .iter()
        .position(|row| row.text == lineage)?;
    let month = civil::month_named(&month.to_string())?;
    Some((month, u8::try_from(place).ok()?))
}

/// Whether pages hold exactly these registers; none of them if the cell has none.
fn has_registers(precision: Precision, exact: &[u8], page: impl Fn(u8) -> Option<Vec<u8>>) -> bool {
    let len = precision.page_len();
    let mut decoded = vec![0; len];
    (0..precision.pages()).all(|number| {
        let stored = page(u8::try_from(number).expect("at most 64 pages"));
        match (stored, exact.chunks(len).nth(number)) {
            (Some(bytes), Some(exact)) => {
                sketch::decode_page(&bytes, &mut decoded).is_ok() && decoded == exact
            }
            (None, Some(exact)) => exact.iter().all(|register| *register == 0),
            (stored, None) => stored.is_none(),
        }
    })
}
