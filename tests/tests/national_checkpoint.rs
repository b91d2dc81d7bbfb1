//! A checkpoint of national size on a real broker: what an instance that owns everything commits when every
//! cell has changed everywhere; and how long an instance without a state directory takes to read it back.
//!
//! `APPMI_MONTHS=15 cargo test -p tests --test national_checkpoint -- --nocapture` makes one for each of so many
//! months.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use engine::aggregate::Aggregate;
use engine::checkpoint::{self, Checkpoint, Statement};
use engine::delta::Delta;
use engine::ports::{Checkpoints as _, Input, Source as _, Transaction};
use engine::window::Window;
use engine::{Limits, Options, View};
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
fn aggregate(options: &Options, partition: InputPartition, month: Month) -> Aggregate {
    let geography = &options.geography;
    let mut hashes = Hashes(u64::from(partition.partition) << 32);
    let mut delta = Delta::new(
        options.precision,
        true,
        geography.lineages(),
        options.first_month,
    );
    for lineage in lineages(geography) {
        let cell = delta.cell(month, lineage, || false);
        let cell = delta.cell_mut(cell);
        cell.events = ACCOUNTS;
        let registers = cell.registers.as_mut().unwrap();
        for _ in 0..ACCOUNTS {
            registers.insert(hashes.next());
        }
    }
    let mut window = Window::new(options.deduplication_window, IDENTITIES);
    for _ in 0..2 * IDENTITIES {
        let identity = NonZeroU64::new(hashes.next()).unwrap();
        window.remember(identity, MARCH_2025);
    }
    Aggregate {
        partition,
        position: position(month.since(options.first_month) + 1),
        latest: Some(MARCH_2025),
        floor: options.first_month,
        window,
        delta,
        dead_letters: Vec::new(),
    }
}

fn position(months: i32) -> Offset {
    Offset(i64::from(months) * i64::try_from(ACCOUNTS).unwrap())
}

/// Of the month with this number, in which every partition has a checkpoint.
fn checkpoints(options: &Options, partials_partitions: u32, number: i32) -> Vec<Checkpoint> {
    let changed = options.first_month.plus(number);
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
        number: u64::try_from(number).unwrap() + 1,
        settings: 1,
        topic_id: [3; 16],
        idle: false,
        floor: month(),
    };
    (0..LOGIN_PARTITIONS)
        .map(|partition| {
            let kind = KindId(0);
            let aggregate = aggregate(options, InputPartition { kind, partition }, changed);
            checkpoint::prepare(
                options,
                &view,
                &store,
                &aggregate,
                statement,
                partials_partitions,
            )
            .unwrap()
        })
        .collect()
}

/// As the engine does: partitions go into one transaction until that is large.
fn transactions(checkpoints: Vec<Checkpoint>) -> Vec<Transaction> {
    let full = Limits::default().transaction_bytes;
    let mut transactions = Vec::new();
    let (mut open, mut bytes) = (Transaction::default(), 0);
    for mut checkpoint in checkpoints {
        bytes += checkpoint.bytes();
        open.partials.append(&mut checkpoint.partials);
        open.offsets.push((checkpoint.partition, checkpoint.to));
        if bytes >= full {
            transactions.push(std::mem::take(&mut open));
            bytes = 0;
        }
    }
    if !open.offsets.is_empty() {
        transactions.push(open);
    }
    transactions
}

fn say(text: &str) {
    let text = format!("{text}\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// Has the settings recorded, without which nobody reads on.
fn record_settings(deployment: &Deployment) {
    let mut leader = deployment.run();
    leader.until_logged("settings recorded");
    assert_eq!(leader.stop(), Some(0));
    deployment.lose_state();
}

/// What was committed.
#[derive(Default)]
struct Committed {
    records: usize,
    bytes: usize,
}

fn commit(
    checkpoints: Vec<Checkpoint>,
    to: &mut Checkpoints,
    committed: &mut Committed,
    partitions: usize,
) {
    let records: usize = checkpoints.iter().map(|of| of.partials.len()).sum();
    let bytes: usize = checkpoints.iter().map(Checkpoint::bytes).sum();
    let transactions = transactions(checkpoints);
    let pages = LINEAGES * 64 * partitions;
    assert!(records > pages && bytes > pages * 700, "{records} {bytes}");
    let began = Instant::now();
    for transaction in &transactions {
        to.commit(transaction).unwrap();
    }
    let took = began.elapsed();
    let text = format!(
        "a national checkpoint: {records} records, {bytes} bytes, {} transactions, {took:.1?}",
        transactions.len()
    );
    say(&text);
    assert!(took < WITHIN, "{text}");
    committed.records += records;
    committed.bytes += bytes;
}

#[test]
fn a_checkpoint_of_national_size_commits_within_a_minute_and_is_read_back() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let months = std::env::var("APPMI_MONTHS").map_or(1, |months| months.parse().unwrap());
    let broker = Broker::shared(kafka);
    let deployment = Deployment::new(broker, &Kinds::builtin(), &[LOGIN_PARTITIONS, 1, 1]);
    let operator = Operator::new(broker, &deployment);
    let options = options();
    assert_eq!(lineages(&options.geography).len(), LINEAGES);
    record_settings(&deployment);
    let before = operator.partials().records;

    let (cluster, topics) = (&deployment.cluster, &deployment.topics);
    let mut source = Source::new(cluster, topics.inputs.clone()).unwrap();
    let mut committing =
        Checkpoints::new(cluster, &unique("id"), source.membership(), topics.clone());
    source.join().unwrap();
    wait_until("partitions are assigned", SOON, || {
        matches!(source.poll(Duration::ZERO).unwrap(), Input::Assigned(_))
    });
    let mut committed = Committed::default();
    for month in 0..months {
        let checkpoints = checkpoints(&options, 3, month);
        let partitions = LOGIN_PARTITIONS as usize;
        commit(checkpoints, &mut committing, &mut committed, partitions);
    }
    source.leave();

    let events = ACCOUNTS * (LINEAGES as u64) * u64::from(LOGIN_PARTITIONS);
    let events = events * u64::try_from(months).unwrap();
    wait_until("all of it can be read", SOON, || {
        let partials = operator.partials();
        // Of the windows' slices every month has written the same ones anew.
        partials.events("logins") == events && partials.records == before + committed.records
    });
    let topic = &topics.inputs[0];
    let offset = Some(position(months).0);
    assert!((0..12).all(|partition| operator.committed(topic, partition) == offset));

    let began = Instant::now();
    let mut restored = deployment.run();
    restored.until_logged("the view has been read to its end");
    let (took, mib) = (began.elapsed().as_secs_f64(), committed.bytes >> 20);
    say(&format!(
        "a state directory restored from {mib} MiB of partials: {took:.1} s, {:.1} s per GiB",
        took * 1024.0 / f64::from(u32::try_from(mib).unwrap())
    ));
}
