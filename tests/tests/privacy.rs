//! No account id, session id or event id is anywhere but in the input topics: all of them bear a mark here, and the
//! mark is looked for in everything that is left behind.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use engine::ports::Store as _;
use engine::view::keys;
use kafka::{LoadRecord, Loader};
use model::{Kinds, Timestamp};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use store::{RocksStore, Sizes};
use tests::system::{Deployment, MARCH_2025, Operator, SOON};
use tests::{Broker, installation_or_skip, wait_until};
use wire::events::{Draft, encode_cloudevent, encode_protobuf};

/// Nine bytes, so that a mark in base64 has eight letters in it whatever stands before.
const MARK: &[u8] = b"Xq7-MARK!";

const JSON: Option<&str> = Some("application/cloudevents+json");

/// The mark as it is and as somebody might write it. All of base64's three alignments, without what depends on
/// neighbours.
fn forms() -> Vec<Vec<u8>> {
    let hex: String = MARK.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        MARK.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    for skipped in 0..3 {
        let whole = &MARK[skipped..skipped + 6];
        forms.push(base64(whole));
    }
    let utf16: Vec<u8> = MARK.iter().flat_map(|byte| [*byte, 0]).collect();
    forms.push(utf16);
    forms.push(MARK.iter().rev().copied().collect());
    forms
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let threes = bytes.chunks(3).map(|three| {
        three
            .iter()
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    });
    let letters =
        threes.flat_map(|number| [18, 12, 6, 0].map(|shift| LETTERS[number >> shift & 63]));
    letters.collect()
}

fn is_marked(bytes: &[u8]) -> bool {
    forms()
        .iter()
        .any(|form| bytes.windows(form.len()).any(|window| window == form))
}

/// How much was looked at.
#[derive(Debug, Default)]
struct Searched {
    bytes: usize,
    marks: Vec<String>,
}

impl Searched {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.bytes += bytes.len();
        if is_marked(bytes) {
            self.marks.push(place.to_owned());
        }
    }
}

#[test]
fn the_mark_is_found_in_every_form() {
    for form in forms() {
        assert!(is_marked(
            &[b"before ", form.as_slice(), b" after"].concat()
        ));
    }
    assert_eq!(base64(b"Man is"), b"TWFuIGlz");
    assert!(!is_marked(b"Xq7-MARK?"));
}

/// Puts events of every kind and in every encoding in, good ones and one for every kind of dead letter.
fn put(deployment: &Deployment) -> u64 {
    let kinds = Kinds::builtin();
    let mark = String::from_utf8(MARK.to_vec()).unwrap();
    let mut loader = Loader::new(&deployment.cluster).unwrap();
    let mut records = 0;
    for (id, kind) in kinds.iter() {
        let mut send =
            |account: &str, payload: Vec<u8>, content_type: Option<&str>, at: Timestamp| {
                let headers = content_type.map(|value| [("content-type", value)]);
                let record = LoadRecord {
                    topic: &deployment.topics.inputs[usize::from(id.0)],
                    partition: Some(0),
                    key: Some(account.as_bytes()),
                    value: Some(&payload),
                    headers: headers.as_ref().map_or(&[], |headers| headers.as_slice()),
                    timestamp: Some(at),
                };
                loader.send(&record).unwrap();
                records += 1;
            };
        for number in 0..300 {
            let at = MARCH_2025.saturating_add(Duration::from_secs(number));
            let text = |of: &str| format!("{of}-{mark}-{number}");
            let (account, event, session) = (text("account"), text("event"), text("session"));
            let good = Draft {
                event_id: &event,
                account_id: &account,
                occurred_at: at,
                gp_practice_code: "A81001",
                icb_code: "QE1",
                session_id: if id.0 == 0 { &session } else { "" },
            };
            let bytes = encode_protobuf(&good, kind);
            match number % 10 {
                0 => send(&account, encode_cloudevent(&good, &mark, kind), JSON, at),
                1 => send(
                    &account,
                    encode_protobuf(
                        &Draft {
                            account_id: "",
                            ..good
                        },
                        kind,
                    ),
                    None,
                    at,
                ),
                2 => send(&account, bytes[..bytes.len() - 3].to_vec(), None, at),
                3 => send(&account, bytes, Some(&mark), at),
                4 => send(
                    &account,
                    format!("{{\"id\": \"{mark}\"").into_bytes(),
                    JSON,
                    at,
                ),
                5 => {
                    let ahead = at.saturating_add(Duration::from_secs(86_400));
                    let early = Draft {
                        occurred_at: ahead,
                        ..good
                    };
                    send(&account, encode_protobuf(&early, kind), None, at);
                }
                6 => send(&account, [bytes, vec![0; 70_000]].concat(), None, at),
                // Twice: the second one is a duplicate.
                7 => (0..2).for_each(|_| send(&account, bytes.clone(), None, at)),
                _ => send(&account, bytes, None, at),
            }
        }
    }
    loader.flush().unwrap();
    records
}

/// Reads every topic but those that `skip` names from its beginning to its end: the brokers' own too.
fn search_topics(bootstrap: &str, is_read: impl Fn(&str) -> bool) -> (Searched, Vec<String>) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "searcher")
        .set("isolation.level", "read_uncommitted")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(None, SOON).unwrap();
    let mut list = TopicPartitionList::new();
    let mut names = Vec::new();
    for topic in metadata
        .topics()
        .iter()
        .filter(|topic| is_read(topic.name()))
    {
        names.push(topic.name().to_owned());
        for partition in topic.partitions() {
            list.add_partition_offset(topic.name(), partition.id(), Offset::Beginning)
                .unwrap();
        }
    }
    let mut left = list.count();
    consumer.assign(&list).unwrap();
    let mut searched = Searched::default();
    wait_until("all topics were read to their ends", SOON, || {
        while let Some(read) = consumer.poll(Duration::from_millis(50)) {
            match read {
                Ok(message) => {
                    let topic = message.topic();
                    searched.look(topic, message.key().unwrap_or_default());
                    searched.look(topic, message.payload().unwrap_or_default());
                    for header in message.headers().into_iter().flat_map(|all| all.iter()) {
                        searched.look(topic, header.key.as_bytes());
                        searched.look(topic, header.value.unwrap_or_default());
                    }
                }
                Err(KafkaError::PartitionEOF(_)) => left -= 1,
                Err(error) => panic!("{error}"),
            }
        }
        left == 0
    });
    names.sort();
    (searched, names)
}

/// Every file as it is, and every key and value as RocksDB gives them, for on disk they may be compressed.
fn search_state(dir: &Path) -> Searched {
    let mut searched = Searched::default();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        searched.look(path.to_str().unwrap(), &fs::read(&path).unwrap());
    }
    let store = RocksStore::open(dir, Sizes::default()).unwrap();
    let mut look = |key: &[u8], value: &[u8]| {
        let name = String::from_utf8_lossy(key).into_owned();
        searched.look(&name, key);
        searched.look(&name, value);
        ControlFlow::Continue(())
    };
    store.scan(b"", keys::END, &mut look).unwrap();
    searched
}

#[test]
fn no_id_is_left_behind_anywhere() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    // A broker of its own: all of its topics are read.
    let broker = Broker::start(kafka, &[]);
    let mut deployment = Deployment::new(&broker, &Kinds::builtin(), &[1, 1, 1]);
    deployment
        .configuration
        .set_property("debug", "cgrp,topic,fetch,msg,eos,consumer");
    let operator = Operator::new(&broker, &deployment);
    let records = put(&deployment);
    let mut instance = deployment.run_with(&["--log-level", "trace"]);
    instance.until("everything is counted and released", |instance| {
        let metrics = instance.metrics();
        operator.has_counted_all()
            && metrics.sum("appmi_releases_total", &[]) > 12.0
            && metrics.sum("appmi_events_total", &[]) >= f64::from(u32::try_from(records).unwrap())
    });
    let mut said = Searched::default();
    let metrics = instance.metrics();
    for outcome in ["counted", "dead_letter", "duplicate"] {
        let labels = [("outcome", outcome)];
        assert!(
            metrics.sum("appmi_events_total", &labels) >= 90.0,
            "{outcome}"
        );
    }
    for path in ["/metrics", "/readyz", "/healthz"] {
        said.look(path, instance.get(path).2.as_bytes());
    }
    said.look("the log", instance.log().as_bytes());
    assert!(instance.log().contains("TRACE") || instance.log().contains("DEBUG"));
    assert_eq!(instance.stop(), Some(0));
    for command in [
        &["inspect", "--json"][..],
        &["check"],
        &["settings"],
        &["reset"],
    ] {
        let answer = deployment.appmi(command);
        said.look(command[0], answer.stdout.as_bytes());
        said.look(command[0], answer.stderr.as_bytes());
    }
    let state = search_state(&deployment.state_dir());
    let inputs = deployment.topics.inputs.clone();
    let bootstrap = broker.bootstrap();
    let is_input = |topic: &str| inputs.iter().any(|input| input == topic);
    let (topics, names) = search_topics(&bootstrap, |topic| !is_input(topic));
    assert!(names.contains(&deployment.topics.dead_letters), "{names:?}");
    assert!(
        names.contains(&"__consumer_offsets".to_owned()),
        "{names:?}"
    );
    for (place, searched) in [
        ("what is said", &said),
        ("the state", &state),
        ("the topics", &topics),
    ] {
        assert!(searched.marks.is_empty(), "{place}: {:?}", searched.marks);
        assert!(searched.bytes > 10_000, "{place}: {}", searched.bytes);
    }
    // The mark is in every record that was put in, so it would have been found.
    let (inputs_searched, _) = search_topics(&bootstrap, is_input);
    assert!(inputs_searched.marks.len() as u64 >= records);
}

#[test]
fn payloads_of_dead_letters_are_kept_only_if_the_operator_asks_for_them() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let mut deployment = Deployment::new(broker, &Kinds::builtin(), &[1, 1, 1]);
    deployment
        .configuration
        .set("dead_letters.include_payload", "true");
    let operator = Operator::new(broker, &deployment);
    put(&deployment);
    let mut instance = deployment.run();
    instance.until("everything is in checkpoints", |_| {
        operator.has_counted_all()
    });
    assert_eq!(instance.stop(), Some(0));
    let letters = deployment.dead_letters().read_to_end();
    assert!(letters.iter().any(|letter| is_marked(&letter.value)));
    let state = search_state(&deployment.state_dir());
    assert!(state.marks.is_empty(), "{:?}", state.marks);
    assert!(letters.iter().all(|letter| letter.key.is_none()));
}
