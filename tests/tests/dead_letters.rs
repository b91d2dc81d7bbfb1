//! What can't be counted, through the program on a real broker: every reason, exactly once, with coordinates,
//! and nothing else is lost by it.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka::{LoadRecord, Loader};
use model::{KindId, Kinds, Reason, Timestamp};
use tests::system::{Deployment, Instance, Operator, Received, latest_closed_month};
use tests::{Broker, installation_or_skip, wait_until};
use workload::{Code, Identity, Item, Truth, account_id};

const LOGINS: KindId = KindId(0);
const MINUTE: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(60);
/// The account of every event here: its id must come out nowhere.
const ACCOUNT: u64 = 0xA11CE;
const CLOUD_EVENTS: &str = "application/cloudevents+json";

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

fn march_2025() -> Timestamp {
    Timestamp::from_millis(1_741_608_000_000)
}

/// A record for the logins topic.
struct Case {
    reason: Option<Reason>,
    content_type: Option<&'static str>,
    timestamp: Timestamp,
    payload: Option<Vec<u8>>,
}

fn login(occurred_at: Timestamp, timestamp: Timestamp, defect: Option<Reason>) -> Item {
    let truth = Truth {
        account: ACCOUNT,
        occurred_at,
        practice: Code::EMPTY,
        icb: Code::new("QE1").unwrap(),
        identity: Identity::None,
        defect,
    };
    Item::of(LOGINS, 0, timestamp, truth)
}

impl Case {
    fn of(reason: Option<Reason>, occurred_at: Timestamp, timestamp: Timestamp) -> Self {
        let defect = reason.filter(|reason| matches!(reason, Reason::NoAccount | Reason::NoTime));
        Self {
            reason,
            content_type: None,
            timestamp,
            payload: Some(login(occurred_at, timestamp, defect).payload),
        }
    }

    fn bytes(reason: Reason, content_type: Option<&'static str>, payload: Option<&[u8]>) -> Self {
        Self {
            reason: Some(reason),
            content_type,
            timestamp: now(),
            payload: payload.map(<[u8]>::to_vec),
        }
    }

    fn good() -> Self {
        Self::of(None, now(), now())
    }
}

/// Every reason, some in several ways, between events that are counted.
fn cases() -> Vec<Case> {
    let now = now();
    let ahead = now.saturating_add(30 * 60 * MINUTE);
    let valid = Case::good().payload.unwrap();
    let mut too_large = valid.clone();
    // A field that the message does not have, of 65,536 bytes: the event in it could be read.
    too_large.extend_from_slice(&[15 << 3 | 2, 0x80, 0x80, 0x04]);
    too_large.resize(too_large.len() + 65_536, b'x');
    let february = march_2025().saturating_sub(20 * 24 * 60 * MINUTE);
    let json_without_account = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"uk.nhs.app.session.opened.v1","time":"{now}","data":{{"account_id":""}}}}"#
    );
    let bad = [
        Case::bytes(Reason::TooLarge, None, Some(&too_large)),
        Case::bytes(Reason::Empty, None, Some(b"")),
        Case::bytes(Reason::Empty, None, None),
        Case::bytes(Reason::Undecodable, None, Some(&[0xFF; 12])),
        Case::bytes(Reason::Undecodable, Some("text/plain"), Some(&valid)),
        Case::bytes(Reason::Undecodable, Some(CLOUD_EVENTS), Some(b"{\"id\":")),
        Case::of(Some(Reason::NoAccount), now, now),
        Case::bytes(
            Reason::NoAccount,
            Some(CLOUD_EVENTS),
            Some(json_without_account.as_bytes()),
        ),
        Case::of(Some(Reason::NoTime), now, now),
        Case::of(
            Some(Reason::AheadOfRecord),
            now.saturating_add(17 * MINUTE),
            now,
        ),
        Case::of(Some(Reason::AheadOfClock), ahead, ahead),
        Case::of(Some(Reason::BeforeFirstMonth), february, now),
        Case::of(Some(Reason::TooOld), march_2025(), now),
    ];
    bad.into_iter()
        .flat_map(|case| [case, Case::good()])
        .collect()
}

/// A deployment whose logins topic takes records of the future, as brokers before Kafka 4 do.
fn deployment(broker: &Broker) -> Deployment {
    let mut deployment = Deployment::new(broker, &Kinds::builtin(), &[1, 1, 1]);
    let topic = deployment.topics.inputs[0].clone();
    let settings = [
        ("retention.ms", "-1"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
    ];
    let admin = deployment.admin();
    admin.delete_topic(&topic).unwrap();
    wait_until("the topic can be created again", SOON, || {
        admin
            .create_topic(&topic, 1, Some(1), &settings)
            .unwrap_or(false)
    });
    deployment
        .configuration
        .set("months.retention_months", "11");
    deployment.configuration.set("sketch.precision", "10");
    deployment
}

fn load(deployment: &Deployment, cases: &[Case]) {
    let mut loader = Loader::new(&deployment.cluster).unwrap();
    let key = account_id(ACCOUNT);
    for case in cases {
        let headers = case.content_type.map(|value| ("content-type", value));
        let record = LoadRecord {
            topic: &deployment.topics.inputs[0],
            partition: Some(0),
            key: Some(key.as_bytes()),
            value: case.payload.as_deref(),
            headers: headers.as_slice(),
            timestamp: Some(case.timestamp),
        };
        loader.send(&record).unwrap();
    }
    loader.flush().unwrap();
}

/// One event of March 2025, and then silence: all months since are closed, and the floor rises above March.
fn raise_the_floor(deployment: &Deployment, operator: &Operator) -> Instance {
    let last = latest_closed_month();
    assert!(
        last >= "2026-03".parse().unwrap(),
        "the clock of this machine stands before April 2026"
    );
    load(deployment, &[Case::of(None, march_2025(), march_2025())]);
    let mut instance = deployment.run_with(&["--log-level", "debug"]);
    let floor = last.plus(-11).to_string();
    instance.until("the floor is where it is due", |_| {
        let progress = operator.partials().progress("logins", 0);
        progress.is_some_and(|progress| progress.floor == floor)
    });
    instance
}

fn assert_letters(deployment: &Deployment, letters: &[Received], cases: &[Case], first: i64) {
    let topic = &deployment.topics.inputs[0];
    let mut found: Vec<_> = letters
        .iter()
        .map(|letter| {
            assert_eq!(letter.key, None, "a key would be an account id");
            assert_eq!(letter.headers.len(), 4, "{:?}", letter.headers);
            assert_eq!(letter.header("appmi-topic"), topic);
            assert_eq!(letter.header("appmi-partition"), "0");
            let offset: i64 = letter.header("appmi-offset").parse().unwrap();
            (offset, letter.header("appmi-reason").to_owned())
        })
        .collect();
    found.sort();
    let expected: Vec<_> = (first..)
        .zip(cases)
        .filter_map(|(offset, case)| Some((offset, case.reason?.as_str().to_owned())))
        .collect();
    assert_eq!(found, expected);
    for reason in Reason::ALL {
        let is_there = found.iter().any(|(_, of)| of == reason.as_str());
        assert!(is_there, "no dead letter because of {}", reason.as_str());
    }
}

#[test]
fn every_reason_is_a_dead_letter_once_and_everything_around_it_is_counted() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let deployment = deployment(broker);
    let operator = Operator::new(broker, &deployment);
    let mut instance = raise_the_floor(&deployment, &operator);
    let cases = cases();
    load(&deployment, &cases);
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });

    let good = cases.iter().filter(|case| case.reason.is_none()).count() as u64;
    assert_eq!(operator.partials().events("logins"), good + 1);
    let metrics = instance.metrics();
    for reason in Reason::ALL {
        let expected = cases.iter().filter(|case| case.reason == Some(reason));
        let expected = f64::from(u32::try_from(expected.count()).unwrap());
        let labels = [("kind", "logins"), ("reason", reason.as_str())];
        let said = metrics.sum("appmi_dead_letters_total", &labels);
        assert_eq!(said, expected, "{labels:?}");
    }
    let log = instance.log();
    assert_eq!(instance.stop(), Some(0));
    let letters = deployment.dead_letters().read_to_end();
    assert_letters(&deployment, &letters, &cases, 1);
    assert!(letters.iter().all(|letter| letter.value.is_empty()));
    assert!(!log.contains(&account_id(ACCOUNT)), "no account id in logs");
}

#[test]
fn payloads_are_carried_if_asked_for_and_letters_stay_single_when_the_process_is_killed() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let mut deployment = deployment(broker);
    deployment
        .configuration
        .set("dead_letters.include_payload", "true");
    let operator = Operator::new(broker, &deployment);
    let mut instance = raise_the_floor(&deployment, &operator);
    let mut cases = cases();
    load(&deployment, &cases);
    // Killed while it is at it, wherever that is.
    let kind = [("kind", "logins")];
    instance.until("it has seen dead letters", |instance| {
        instance.metrics().sum("appmi_dead_letters_total", &kind) > 0.0
    });
    instance.kill();
    let more = [Case::bytes(Reason::Empty, None, None), Case::good()];
    load(&deployment, &more);
    cases.extend(more);
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.stop(), Some(0));

    let good = cases.iter().filter(|case| case.reason.is_none()).count() as u64;
    assert_eq!(operator.partials().events("logins"), good + 1);
    let letters = deployment.dead_letters().read_to_end();
    assert_letters(&deployment, &letters, &cases, 1);
    for letter in letters {
        let place: usize = letter.header("appmi-offset").parse().unwrap();
        let original = cases[place - 1].payload.clone().unwrap_or_default();
        assert!(letter.value == original, "offset {place}");
    }
}
