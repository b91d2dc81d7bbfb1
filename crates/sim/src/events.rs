//! What producers send, each record with the answer: what has to become of it.
//!
//! The answers are known by construction. A duplicate is sent either while its partition must still remember the
//! event, or once it must have forgotten it; what lies between depends on where generations of the window end, and
//! is not sent. Whether an event is too old depends on the floor, which the oracle looks up.

use std::collections::{BTreeMap, VecDeque};

use memlog::InputRecord;
use model::{InputPartition, Kind, KindId, Reason, Timestamp};
use prost::Message as _;
use wire::events::{Draft, encode_cloudevent, encode_protobuf};
use wire::v1;

use crate::civil::{self, DAY, HOUR, MINUTE, MonthNo, SECOND};
use crate::places;
use crate::plan::Plan;
use crate::rng::Rng;

/// Largest payload that is decoded.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 600;
/// Different accounts.
pub(crate) const ACCOUNTS: u32 = 40;

/// What has to become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// Its transaction is aborted.
    Invisible,
    Dead(Reason),
    Event(Event),
}

/// An event, if its month is not below the floor by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) month: MonthNo,
    pub(crate) lineage: u8,
    pub(crate) account: u32,
    pub(crate) occurred_at: i64,
    pub(crate) is_duplicate: bool,
}

/// Something that producers or operators do.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) at: i64,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Send {
        to: InputPartition,
        record: InputRecord,
        truth: Truth,
        in_transaction: bool,
    },
    Begin,
    /// Whether it is committed.
    End(bool),
    AddPartition(KindId),
}

pub(crate) fn account_id(account: u32) -> String {
    format!("{}{account:04}", String::from_utf8_lossy(ACCOUNT))
}

const ACCOUNT: &[u8] = b"account-";

/// Whether an account id stands in there.
pub(crate) fn names_an_account(bytes: &[u8]) -> bool {
    bytes.windows(ACCOUNT.len()).any(|window| window == ACCOUNT)
}

pub(crate) fn plan(plan: &Plan, rng: &mut Rng) -> VecDeque<Operation> {
    let mut producers = Producers {
        plan,
        rng,
        streams: BTreeMap::new(),
        counts: plan.counts.clone(),
        next_id: 0,
        open: None,
        operations: VecDeque::new(),
    };
    for month in 0..plan.months {
        producers.send_month(month);
    }
    producers.end_transaction(civil::month_start(plan.months) - 1);
    producers.operations
}

/// What a partition's consumers can know at a place of its log.
#[derive(Default)]
struct Stream {
    /// Events with an identity that were sent, in the order of their last counting.
    sent: Vec<Sent>,
    /// Identities that were counted.
    remembered: u32,
    /// Latest time of a counted event.
    latest: i64,
}

#[derive(Clone)]
struct Sent {
    record: InputRecord,
    event: Event,
    /// [`Stream::remembered`] and [`Stream::latest`], itself included.
    remembered: u32,
    latest: i64,
}

struct Producers<'a> {
    plan: &'a Plan,
    rng: &'a mut Rng,
    streams: BTreeMap<InputPartition, Stream>,
    counts: Vec<u32>,
    next_id: u64,
    /// A transaction: how many records are still to come, and whether it will be committed.
    open: Option<(u32, bool)>,
    operations: VecDeque<Operation>,
}

impl Producers<'_> {
    fn send_month(&mut self, month: MonthNo) {
        let (begin, end) = (civil::month_start(month), civil::month_start(month + 1));
        let events = self.rng.index(30) + 1;
        let mut times: Vec<i64> = (0..events)
            .map(|_| self.rng.between(begin, end - 1))
            .collect();
        if self.rng.chance(300) {
            // All at once.
            let at = times[0];
            times = times
                .iter()
                .map(|_| at + self.rng.between(0, MINUTE))
                .collect();
            times.retain(|at| *at < end);
            times.push(at);
        }
        times.sort_unstable();
        for at in times {
            self.step(at, month);
        }
        if self.rng.chance(40) {
            let kind = self.rng.index(3);
            self.counts[kind] += 1;
            let kind = KindId(u8::try_from(kind).expect("three kinds"));
            self.push(end - 1, What::AddPartition(kind));
        }
    }

    fn step(&mut self, at: i64, month: MonthNo) {
        match self.open {
            None if self.rng.chance(60) => {
                let records = self.rng.small(1, 5);
                self.open = Some((records, self.rng.chance(600)));
                self.push(at, What::Begin);
            }
            Some((0, _)) if self.rng.chance(400) => self.end_transaction(at),
            _ => {}
        }
        let committed = match &mut self.open {
            Some((left, committed)) if *left > 0 && self.rng.chance(600) => {
                *left -= 1;
                Some(*committed)
            }
            _ => None,
        };
        let kind = KindId([0, 0, 1, 2][self.rng.index(4)]);
        let partition = self.rng.below(u64::from(self.counts[usize::from(kind.0)]));
        let partition = u32::try_from(partition).expect("few partitions");
        let to = InputPartition { kind, partition };
        let (record, truth) = if committed == Some(false) {
            let (record, _) = self.fresh(to, at, month);
            (record, Truth::Invisible)
        } else {
            self.record(to, at, month)
        };
        let in_transaction = committed.is_some();
        self.push(
            at,
            What::Send {
                to,
                record,
                truth,
                in_transaction,
            },
        );
    }

    fn end_transaction(&mut self, at: i64) {
        if let Some((_, committed)) = self.open.take() {
            self.push(at, What::End(committed));
        }
    }

    fn push(&mut self, at: i64, what: What) {
        self.operations.push_back(Operation { at, what });
    }

    /// A record that will be read, and what has to become of it.
    fn record(&mut self, to: InputPartition, at: i64, month: MonthNo) -> (InputRecord, Truth) {
        if self.rng.chance(80) {
            return self.dead(to, at, month);
        }
        if self.rng.chance(120)
            && let Some(found) = self.again(to, at, month)
        {
            return found;
        }
        let (record, event) = self.fresh(to, at, month);
        let has_identity = event.has_identity;
        let event = event.event;
        if event.month < 0 {
            return (record, Truth::Dead(Reason::BeforeFirstMonth));
        }
        let stream = self.streams.entry(to).or_default();
        stream.latest = stream.latest.max(event.occurred_at);
        if has_identity {
            stream.remembered += 1;
            stream.sent.push(Sent {
                record: record.clone(),
                event,
                remembered: stream.remembered,
                latest: stream.latest,
            });
        }
        (record, Truth::Event(event))
    }

    /// An event that was sent before, once more.
    fn again(
        &mut self,
        to: InputPartition,
        at: i64,
        month: MonthNo,
    ) -> Option<(InputRecord, Truth)> {
        let events_max = self.plan.options.deduplication_events_max;
        let window = self.plan.options.deduplication_window.as_millis();
        let window = i64::try_from(window).expect("a short time");
        let stream = self.streams.get_mut(&to)?;
        let is_near = |sent: &Sent| {
            stream.remembered - sent.remembered < events_max && stream.latest - sent.latest < window
        };
        // A generation and the one behind it are full by then.
        let is_far = |sent: &Sent| {
            stream.remembered - sent.remembered > 2 * events_max + 1
                && sent.event.month >= month - 9
        };
        let fit: Vec<usize> = (0..stream.sent.len())
            .filter(|index| is_near(&stream.sent[*index]) || is_far(&stream.sent[*index]))
            .collect();
        if fit.is_empty() {
            return None;
        }
        let index = fit[self.rng.index(fit.len())];
        let is_duplicate = is_near(&stream.sent[index]);
        let mut record = stream.sent[index].record.clone();
        record.timestamp = Timestamp::from_millis(at);
        let event = Event {
            is_duplicate,
            ..stream.sent[index].event
        };
        if !is_duplicate {
            let mut sent = stream.sent.remove(index);
            stream.remembered += 1;
            sent.remembered = stream.remembered;
            sent.latest = stream.latest;
            stream.sent.push(sent);
        }
        Some((record, Truth::Event(event)))
    }

    fn fresh(&mut self, to: InputPartition, at: i64, month: MonthNo) -> (InputRecord, Fresh) {
        let occurred_at = self.occurred_at(at, month);
        let of = civil::month_of(occurred_at);
        let (practice, icb, lineage) = places::NAMED[self.rng.index(places::NAMED.len())];
        let account = self.rng.small(0, ACCOUNTS - 1);
        // An event that may be too old leaves no trace in the window, or duplicates could not be foretold.
        let has_identity = of >= (month - 9).max(0) && self.rng.chance(850);
        self.next_id += 1;
        let id = if has_identity {
            format!("id-{}", self.next_id)
        } else {
            String::new()
        };
        let is_session = self.rng.chance(500);
        let draft = Draft {
            event_id: if is_session { "" } else { &id },
            account_id: &account_id(account),
            occurred_at: Timestamp::from_millis(occurred_at),
            gp_practice_code: practice,
            icb_code: icb,
            session_id: if is_session { &id } else { "" },
        };
        let kind = self.plan.options.kinds.get(to.kind);
        let has_identity = has_identity && (kind.has_session || !is_session);
        let is_cloud_event = !draft.event_id.is_empty() && self.rng.chance(300);
        let record = self.encode(&draft, kind, at, is_cloud_event);
        let event = Event {
            month: of,
            lineage,
            account,
            occurred_at,
            is_duplicate: false,
        };
        (
            record,
            Fresh {
                event,
                has_identity,
            },
        )
    }

    fn encode(&self, draft: &Draft<'_>, kind: &Kind, at: i64, is_cloud_event: bool) -> InputRecord {
        let payload = if is_cloud_event {
            encode_cloudevent(draft, "sim", kind)
        } else {
            encode_protobuf(draft, kind)
        };
        InputRecord {
            timestamp: Timestamp::from_millis(at),
            content_type: is_cloud_event.then_some("application/cloudevents+json"),
            payload,
        }
    }

    /// When an event occurred that arrives then.
    fn occurred_at(&mut self, at: i64, month: MonthNo) -> i64 {
        match self.rng.below(100) {
            0..55 => at - self.rng.between(0, 10 * MINUTE),
            55..70 => at - self.rng.between(0, 2 * DAY),
            70..80 => at - self.rng.between(0, 20 * DAY),
            80..89 => at - self.rng.between(20 * DAY, 90 * DAY),
            89..93 => at - self.rng.between(120 * DAY, 420 * DAY),
            93..98 => civil::month_start(month) - self.rng.between(0, 1),
            _ => at + self.rng.between(0, 15 * MINUTE),
        }
    }

    fn dead(&mut self, to: InputPartition, at: i64, month: MonthNo) -> (InputRecord, Truth) {
        let (mut record, _) = self.fresh(to, at, month);
        let reasons = &Reason::ALL[..8];
        let reason = reasons[self.rng.index(reasons.len())];
        let moment = |millis: i64| {
            let seconds = millis.div_euclid(SECOND);
            Some(prost_types::Timestamp { seconds, nanos: 0 })
        };
        let event = |account: &str, occurred_at| {
            let event = v1::UsageEvent {
                account_id: account.into(),
                occurred_at,
                ..v1::UsageEvent::default()
            };
            event.encode_to_vec()
        };
        record.content_type = None;
        match reason {
            Reason::TooLarge => record.payload = vec![8; PAYLOAD_BYTES_MAX + 1],
            Reason::Empty => record.payload.clear(),
            Reason::Undecodable if self.rng.chance(500) => record.content_type = Some("text/plain"),
            Reason::Undecodable => record.payload = vec![0xFF; 9],
            Reason::NoAccount => record.payload = event("", moment(at)),
            Reason::NoTime => record.payload = event("somebody", None),
            Reason::AheadOfRecord => record.payload = event("somebody", moment(at + HOUR)),
            Reason::AheadOfClock => {
                record.payload = event("somebody", moment(at));
                record.timestamp = Timestamp::from_millis(at + 4000 * DAY);
            }
            Reason::BeforeFirstMonth | Reason::TooOld => {
                let early = civil::month_start(0) - self.rng.between(SECOND, DAY);
                record.payload = event("somebody", moment(early));
                return (record, Truth::Dead(Reason::BeforeFirstMonth));
            }
        }
        (record, Truth::Dead(reason))
    }
}

struct Fresh {
    event: Event,
    has_identity: bool,
}
