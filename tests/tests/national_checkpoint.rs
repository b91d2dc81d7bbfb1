//! A checkpoint of national size on a real broker: what an instance that owns everything commits when every
//! cell has changed everywhere.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use engine::aggregate::Aggregate;
use engine::checkpoint::{self, Checkpoint, Statement};
use engine::delta::Delta;
use engine::ports::{Checkpoints as _, Input, Source as _, Transaction};
use engine::window::Window;
use engine::{Options, View};
use kafka::{Checkpoints, Source};
use memlog::MemStore;
use model::{Calendar, Geography, InputPartition, KindId, Kinds, LineageId, Month, Offset};
use sketch::{HashKey, Precision};
use tests::system::{Deployment, MARCH_2025, Operator, SOON};
use tests::{Broker, installation_or_skip, unique, wait_until};

const LOGIN_PARTITIONS: u32 = 12;
const LINEAGES: usize = 43;
const IDENTITIES: u32 = 32_768;
/// Of each cell, three times as many as registers: nineteen in twenty are set.
const ACCOUNTS: u64 = 3 << 16;
/// Where the engine begins another transaction.
const TRANSACTION_BYTES: usize = 16 << 20;
const WITHIN: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options {
        group_id: "national".into(),
        kinds: Kinds::builtin(),
        geography: Geography::builtin(),
        calendar: Calendar::new("Europe/London").unwrap(),
        hash_key: HashKey::derive(&[7; 32]).unwrap(),
        precision: Precision::new(16).unwrap(),
        first_month: month(),
        grace: Duration::from_hours(72),
        idle_timeout: Duration::from_mins(5),
        max_skew: Duration::from_mins(15),
        retention_months: 15,
        revision_interval: Duration::from_hours(24),
        deduplication_window: Duration::from_hours(1),
        deduplication_events_max: IDENTITIES,
        encoding: wire::events::Encoding::Protobuf,
        payload_bytes_max: 65_536,
        include_payload: false,
        checkpoint_interval: Duration::from_secs(30),
        release_format: wire::releases::Format::Protobuf,
    }
}

fn month() -> Month {
    "2025-03".parse().unwrap()
}

/// Every board in force, and what has none.
fn lineages(geography: &Geography) -> BTreeSet<LineageId> {
    let boards = geography.boards_in(month()).iter();
    let mut lineages: BTreeSet<LineageId> = boards
        .map(|board| geography.place(b"", board.code.as_str().as_bytes()))
        .collect();
    lineages.insert(geography.place(b"", b""));
    lineages
}

/// Numbers without a pattern (SplitMix64), as keyed hashes are.
struct Hashes(u64);

impl Hashes {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// A partition in which every lineage has dense registers and the window of identities is full.
fn aggregate(options: &Options, partition: InputPartition) -> Aggregate {
    let geography = &options.geography;
    let mut hashes = Hashes(u64::from(partition.partition) << 32);
    let mut delta = Delta::new(options.precision, true, geography.lineages(), month());
    for lineage in lineages(geography) {
        let cell = delta.cell(month(), lineage, || false);
        let cell = delta.cell_mut(cell);
        cell.events = ACCOUNTS;
        let registers = cell.registers.as_mut().unwrap();
        for _ in 0..ACCOUNTS {
            registers.insert(hashes.next());
        }
    }
    let mut window = Window::new(options.deduplication_window, IDENTITIES);
    for _ in 0..2 * IDENTITIES {
        window.remember(hashes.next(), MARCH_2025);
    }
    Aggregate {
        partition,
        position: Offset(i64::try_from(ACCOUNTS).unwrap()),
        latest: Some(MARCH_2025),
        floor: month(),
        window,
        delta,
        dead_letters: Vec::new(),
    }
}

fn checkpoints(options: &Options, partials_partitions: u32) -> Vec<Checkpoint> {
    let mut store = MemStore::default();
    let kinds = options.kinds.clone();
    let (view, _) = View::open(
        &mut store,
        kinds,
        options.precision,
        month(),
        [[1; 16], [2; 16]],
    )
    .unwrap();
    let statement = Statement {
        number: 1,
        settings: 1,
        topic_id: [3; 16],
        idle: false,
        floor: month(),
    };
    (0..LOGIN_PARTITIONS)
        .map(|partition| {
            let kind = KindId(0);
            let aggregate = aggregate(options, InputPartition { kind, partition });
            checkpoint::prepare(
                options,
                &view,
                &store,
                &aggregate,
                Offset(0),
                statement,
                partials_partitions,
            )
            .unwrap()
        })
        .collect()
}

/// As the engine does: partitions go into one transaction until that is large.
fn transactions(checkpoints: Vec<Checkpoint>) -> Vec<Transaction> {
    let mut transactions = Vec::new();
    let (mut open, mut bytes) = (Transaction::default(), 0);
    for mut checkpoint in checkpoints {
        bytes += checkpoint.bytes();
        open.partials.append(&mut checkpoint.partials);
        open.offsets.push((checkpoint.partition, checkpoint.to));
        if bytes >= TRANSACTION_BYTES {
            transactions.push(std::mem::take(&mut open));
            bytes = 0;
        }
    }
    if !open.offsets.is_empty() {
        transactions.push(open);
    }
    transactions
}

#[test]
fn a_checkpoint_of_national_size_commits_within_a_minute() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let broker = Broker::shared(kafka);
    let deployment = Deployment::new(broker, &Kinds::builtin(), &[LOGIN_PARTITIONS, 1, 1]);
    let operator = Operator::new(broker, &deployment);
    let options = options();
    assert_eq!(lineages(&options.geography).len(), LINEAGES);
    let checkpoints = checkpoints(&options, 3);
    let records: usize = checkpoints.iter().map(|of| of.partials.len()).sum();
    let bytes: usize = checkpoints.iter().map(Checkpoint::bytes).sum();
    let transactions = transactions(checkpoints);
    let pages = LINEAGES * 64 * LOGIN_PARTITIONS as usize;
    assert!(records > pages && bytes > pages * 700, "{records} {bytes}");

    let (cluster, topics) = (&deployment.cluster, &deployment.topics);
    let mut source = Source::new(cluster, topics.inputs.clone()).unwrap();
    let mut committing =
        Checkpoints::new(cluster, &unique("id"), source.membership(), topics.clone());
    source.join().unwrap();
    wait_until("partitions are assigned", SOON, || {
        matches!(source.poll(Duration::ZERO).unwrap(), Input::Assigned(_))
    });
    let began = Instant::now();
    for transaction in &transactions {
        committing.commit(transaction).unwrap();
    }
    let took = began.elapsed();
    let text = format!(
        "a national checkpoint: {records} records, {bytes} bytes, {} transactions, {took:.1?}\n",
        transactions.len()
    );
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(took < WITHIN, "{text}");
    source.leave();

    wait_until("all of it can be read", SOON, || {
        let partials = operator.partials();
        let events = ACCOUNTS * (LINEAGES as u64) * u64::from(LOGIN_PARTITIONS);
        partials.events("logins") == events && partials.records == records
    });
    let topic = &topics.inputs[0];
    let offset = Some(i64::try_from(ACCOUNTS).unwrap());
    assert!((0..12).all(|partition| operator.committed(topic, partition) == offset));
}
