//! Events made by hand.

use engine::Options;
use memlog::InputRecord;
use model::{InputPartition, KindId, Timestamp};
use wire::events::{Draft, encode_cloudevent, encode_protobuf};

/// An instant in RFC 3339, or a day's midnight in UTC.
pub(crate) fn at(text: &str) -> Timestamp {
    let text = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{text}T00:00:00Z")
    };
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(instant.as_millisecond())
}

/// An event without an identity, from no known place, that arrives when it occurred.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) to: InputPartition,
    pub(crate) occurred_at: Timestamp,
    pub(crate) arrived_at: Timestamp,
    account: String,
    practice: String,
    icb: String,
    id: String,
    session: String,
    cloud_event_from: Option<&'static str>,
}

pub(crate) fn event(kind: u8, occurred_at: &str, account: u64) -> Event {
    Event {
        to: InputPartition {
            kind: KindId(kind),
            partition: 0,
        },
        occurred_at: at(occurred_at),
        arrived_at: at(occurred_at),
        account: workload::account_id(account),
        practice: String::new(),
        icb: String::new(),
        id: String::new(),
        session: String::new(),
        cloud_event_from: None,
    }
}

pub(crate) fn login(occurred_at: &str, account: u64) -> Event {
    event(0, occurred_at, account)
}

pub(crate) fn order(occurred_at: &str, account: u64) -> Event {
    event(1, occurred_at, account)
}

pub(crate) fn registration(occurred_at: &str, account: u64) -> Event {
    event(2, occurred_at, account)
}

impl Event {
    pub(crate) fn arriving(mut self, at_: &str) -> Self {
        self.arrived_at = at(at_);
        self
    }

    pub(crate) fn partition(mut self, partition: u32) -> Self {
        self.to.partition = partition;
        self
    }

    pub(crate) fn icb(mut self, icb: &str) -> Self {
        self.icb = icb.into();
        self
    }

    pub(crate) fn practice(mut self, practice: &str) -> Self {
        self.practice = practice.into();
        self
    }

    pub(crate) fn id(mut self, id: &str) -> Self {
        self.id = id.into();
        self
    }

    pub(crate) fn session(mut self, session: &str) -> Self {
        self.session = session.into();
        self
    }

    pub(crate) fn account(mut self, account: &str) -> Self {
        self.account = account.into();
        self
    }

    pub(crate) fn no_account(mut self) -> Self {
        self.account.clear();
        self
    }

    /// As a CloudEvent of that source instead of protobuf.
    pub(crate) fn cloud_event(mut self, source: &'static str) -> Self {
        self.cloud_event_from = Some(source);
        self
    }

    pub(crate) fn record(&self, options: &Options) -> InputRecord {
        let kind = options.kinds.get(self.to.kind);
        let draft = Draft {
            event_id: &self.id,
            account_id: &self.account,
            occurred_at: self.occurred_at,
            gp_practice_code: &self.practice,
            icb_code: &self.icb,
            session_id: &self.session,
        };
        InputRecord {
            timestamp: self.arrived_at,
            content_type: self
                .cloud_event_from
                .map(|_| "application/cloudevents+json"),
            payload: match self.cloud_event_from {
                Some(source) => encode_cloudevent(&draft, source, kind),
                None => encode_protobuf(&draft, kind),
            },
        }
    }
}
