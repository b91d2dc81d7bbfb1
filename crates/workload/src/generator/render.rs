//! Writes a planned record: which codes it names, its bytes, its partition.

use model::{KindId, Reason, Timestamp};

use super::ids::{Form, Ids};
use super::options::Options;
use super::planned::{Fault, Feature, Planned};
use super::rhythm::{DAY, Days};
use crate::accounts::Population;
use crate::encode;
use crate::item::{Code, Item, Truth};
use crate::partitioner::partition_of;
use crate::practices::{Zone, Zones, succession};
use crate::rng::place;

/// What does not change from record to record.
#[derive(Debug)]
pub(super) struct Renderer {
    ids: Ids,
    zones: Zones,
    /// When the boards of 2026 begin.
    succession: i64,
    topics: [Topic; 3],
    payload_bytes_max: usize,
}

#[derive(Debug)]
struct Topic {
    kind: KindId,
    event_type: String,
    partitions: u32,
    /// The id of its schema in Confluent framing.
    schema: u32,
}

/// A practice code that no list has: "not known" in NHS data.
const UNKNOWN_PRACTICE: &str = "V81999";
/// A board that never was.
const NO_BOARD: &str = "QZZ";
/// A board that exists from April 2026 on.
const LATER_BOARD: &str = "S1Y5D";

impl Renderer {
    pub(super) fn new(zones: Zones, options: &Options) -> Self {
        let partitions = options.partitions;
        let topic = |name: &str, partitions: u32, schema: u32| {
            let kind = options
                .kinds
                .by_name(name)
                .expect("the built-in kinds are in the table");
            assert!(partitions > 0, "the topic of {name} has a partition");
            Topic {
                kind,
                event_type: options.kinds.get(kind).event_type.clone(),
                partitions,
                schema,
            }
        };
        Self {
            ids: Ids::new(options),
            zones,
            succession: Days::of(succession()).days[0].start,
            topics: [
                topic("logins", partitions.logins, 1),
                topic("prescription_orders", partitions.prescription_orders, 2),
                topic("registrations", partitions.registrations, 3),
            ],
            payload_bytes_max: options.payload_bytes_max,
        }
    }

    /// The record itself.
    pub(super) fn item(&self, planned: &Planned, population: &Population) -> Item {
        let topic = &self.topics[planned.feature as usize];
        let is_login = planned.feature == Feature::Login;
        let written = if planned.fault == Fault::Resent {
            planned.serial
        } else {
            planned.original
        };
        let (ids, identity) = self.ids.of(planned.original, written, is_login);
        let (practice, icb) = self.codes(planned, population);
        let truth = Truth {
            account: population.id(planned.account),
            occurred_at: Timestamp::from_millis(planned.occurred),
            practice,
            icb,
            identity,
            defect: defect(planned.fault),
        };
        let form = self.ids.form(planned.original);
        let mut key = Vec::with_capacity(encode::ACCOUNT_ID_LEN);
        encode::account_id(truth.account, &mut key);
        let (mut payload, mut content_type) = write(form, topic, &truth, &ids);
        self.spoil(planned, &mut payload, &mut content_type);
        let ahead = if planned.fault == Fault::AheadOfClock {
            3_653 * DAY
        } else {
            0
        };
        Item {
            kind: topic.kind,
            partition: partition_of(&key, topic.partitions),
            key,
            timestamp: Timestamp::from_millis(planned.arrival + ahead),
            content_type,
            payload,
            truth,
        }
    }

    fn spoil(
        &self,
        planned: &Planned,
        payload: &mut Vec<u8>,
        content_type: &mut Option<&'static str>,
    ) {
        match planned.fault {
            Fault::TooLarge => {
                // A message with a field more; of JSON, the space behind it.
                if self.ids.form(planned.original) == Form::CloudEvent {
                    payload.resize(self.payload_bytes_max + 1, b' ');
                } else {
                    encode::unknown_field(self.payload_bytes_max, payload);
                }
            }
            Fault::Empty => payload.clear(),
            Fault::Cut => payload.truncate(payload.len() / 2),
            Fault::Garbage => {
                payload.clear();
                payload.resize(16, 0xFF);
            }
            Fault::ForeignType => *content_type = Some("text/csv"),
            _ => {}
        }
    }

    /// The practice and the board that the record names.
    fn codes(&self, planned: &Planned, population: &Population) -> (Code, Code) {
        let number = usize::from(planned.zone);
        let zone = &self.zones.zones[number];
        let is_new = planned.occurred >= self.succession;
        let hash = self.ids.hash(planned.original, 6);
        if zone.is_unknown() {
            return self.unplaceable(hash, is_new);
        }
        let practice =
            zone.practices[population.practice(planned.account, number, zone.practices.len())];
        let icb = if is_new { zone.new } else { zone.old };
        let has_only_successor = is_new && zone.is_whole;
        // Shares of the ways in which producers name where somebody belongs (an assumption).
        match place(hash, 100) {
            0..58 => (practice, Code::EMPTY),
            58..84 => (practice, icb),
            // The practice wins over a board that contradicts it.
            84 => (practice, self.neighbour(number, is_new)),
            85 => (untidy(practice), untidy(icb)),
            86..93 => (Code::EMPTY, icb),
            93..96 => (code(UNKNOWN_PRACTICE), icb),
            96..98 => (Code::EMPTY, untidy(icb)),
            // A producer that has not heard of the succession, where the old code still says enough.
            _ => (Code::EMPTY, if has_only_successor { zone.old } else { icb }),
        }
    }

    /// Codes that say nothing, in all the ways there are.
    fn unplaceable(&self, hash: u64, is_new: bool) -> (Code, Code) {
        let pick = |codes: &[Code]| {
            codes
                .get(place(self.ids.hash(hash, 7), codes.len().max(1)))
                .copied()
                .unwrap_or_default()
        };
        match place(hash, 6) {
            0 | 1 => (Code::EMPTY, Code::EMPTY),
            2 => (code(UNKNOWN_PRACTICE), Code::EMPTY),
            // A practice that is known to have no board wins over any board.
            3 if !self.zones.boardless.is_empty() => {
                (pick(&self.zones.boardless), self.neighbour(0, is_new))
            }
            4 if !is_new => (Code::EMPTY, code(LATER_BOARD)),
            4 if !self.zones.split.is_empty() => (Code::EMPTY, pick(&self.zones.split)),
            _ => (Code::EMPTY, code(NO_BOARD)),
        }
    }

    /// The board of another zone.
    fn neighbour(&self, zone: usize, is_new: bool) -> Code {
        let others: &[Zone] = &self.zones.zones;
        let other = &others[(zone + 7) % (others.len() - 1)];
        if is_new { other.new } else { other.old }
    }
}

fn write(
    form: Form,
    topic: &Topic,
    truth: &Truth,
    ids: &encode::Ids,
) -> (Vec<u8>, Option<&'static str>) {
    if form == Form::CloudEvent {
        let mut payload = Vec::with_capacity(encode::CLOUD_EVENTS_LEN);
        encode::cloud_event(truth, ids, &topic.event_type, &mut payload);
        return (payload, Some(encode::CLOUD_EVENTS));
    }
    let mut payload = Vec::with_capacity(encode::PROTOBUF_LEN);
    if form == Form::Confluent {
        encode::confluent_frame(topic.schema, &mut payload);
    }
    encode::protobuf(truth, ids, &mut payload);
    (
        payload,
        (form == Form::Confluent).then_some(encode::PROTOBUF),
    )
}

/// The reason that the bytes themselves give.
fn defect(fault: Fault) -> Option<Reason> {
    match fault {
        Fault::TooLarge => Some(Reason::TooLarge),
        Fault::Empty => Some(Reason::Empty),
        Fault::Cut | Fault::Garbage | Fault::ForeignType => Some(Reason::Undecodable),
        Fault::NoAccount => Some(Reason::NoAccount),
        Fault::NoTime => Some(Reason::NoTime),
        Fault::None
        | Fault::Resent
        | Fault::AheadOfRecord
        | Fault::BeforeFirstMonth
        | Fault::AheadOfClock
        | Fault::TooOld => None,
    }
}

/// The code as a careless producer sends it.
fn untidy(tidy: Code) -> Code {
    code(&format!(" {} ", tidy.as_str().to_ascii_lowercase()))
}

fn code(text: &str) -> Code {
    Code::new(text).unwrap_or_default()
}
