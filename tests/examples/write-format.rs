//! Writes what a deployment of this version leaves behind into a folder: the state directory, the records of the
//! owned topics and what `appmi inspect` says of them. Run once for every format, `tests/formats/{format}`; later
//! versions are held to it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{Calendar, KindId, Kinds, Timestamp};
use tests::system::{Deployment, Feed, Operator, Releases, SOON, Subscriber, latest_closed_month};
use tests::{Broker, installation_or_skip, wait_until};
use wire::releases::{Format, ReleaseId};
use workload::{Code, Identity, Item, Truth};

const BOARDS: [&str; 4] = ["QE1", "QHM", "QWE", ""];

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("name a folder"));
    let kafka = installation_or_skip().expect("a Kafka to run on");
    let broker = Broker::start(kafka, &[]);
    let kinds = Kinds::builtin();
    let mut deployment = Deployment::new(&broker, &kinds, &[2, 1, 1]);
    let closed = latest_closed_month();
    // Small: one closed month of few registers.
    deployment
        .configuration
        .set_text("months.first_month", &closed.to_string());
    deployment.configuration.set("sketch.precision", "6");
    let calendar = Calendar::new("Europe/London").expect("a time zone");
    let operator = Operator::new(&broker, &deployment);
    let mut feed = Feed::new(&deployment, &kinds);
    feed.put_all(items(calendar.start_of(closed)));
    let mut instance = deployment.run();
    let mut subscriber = deployment.releases();
    wait_until("the month is released", SOON, || {
        let releases = Releases::of(subscriber.look(), Format::Protobuf);
        let id = ReleaseId {
            month: closed,
            revision: 0,
        };
        releases.ids().contains(&id) && operator.has_counted_all()
    });
    instance.until("the release is in the view", |_| {
        let answer = deployment.appmi(&["inspect", "--json"]);
        answer.stdout.contains("\"closed\"")
    });
    assert_eq!(instance.stop(), Some(0));
    let inspected = deployment.appmi(&["inspect", "--json"]);
    copy(&deployment.state_dir(), &folder.join("state"));
    let write = |name: &str, text: &str| {
        fs::write(folder.join(name), text).expect("the folder can be written");
    };
    write("inspect.json", &inspected.stdout);
    write("month-close.txt", &dump(deployment.releases()));
    write("partials.txt", &dump(deployment.partials()));
}

/// Forty logins, ten orders and five registrations in the month, and one of each again.
fn items(from: Timestamp) -> Vec<Item> {
    let item = |kind: u8, partition: u32, account: u64| {
        let board = BOARDS[usize::try_from(account).expect("a small number") % BOARDS.len()];
        let occurred_at = from.saturating_add(Duration::from_secs(account * 3600));
        let truth = Truth {
            account,
            occurred_at,
            practice: Code::EMPTY,
            icb: Code::new(board).expect("a short code"),
            identity: match kind {
                0 => Identity::Session(account),
                _ => Identity::Event(account),
            },
            defect: None,
        };
        Item::of(KindId(kind), partition, occurred_at, truth)
    };
    let logins = (0..40).map(|account| item(0, u32::from(account % 2 == 1), account));
    let orders = (0..10).map(|account| item(1, 0, account));
    let registrations = (0..5).map(|account| item(2, 0, account));
    let again = [item(0, 1, 39), item(1, 0, 9), item(2, 0, 4)];
    logins
        .chain(orders)
        .chain(registrations)
        .chain(again)
        .collect()
}

/// A record a line: partition, offset, timestamp, key, and the value in hexadecimal digits.
fn dump(subscriber: Subscriber) -> String {
    let mut text = String::new();
    for record in subscriber.read_to_end() {
        let key = record.key.unwrap_or_default();
        let _ = write!(
            text,
            "{} {} {} {key} ",
            record.partition,
            record.offset,
            record.timestamp.unwrap_or(-1)
        );
        for byte in &record.value {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder can be made");
    for entry in fs::read_dir(from).expect("the state is there") {
        let entry = entry.expect("the state can be read");
        let name = entry.file_name();
        // Logs and locks are not of the format.
        if name != "LOCK" && !name.to_string_lossy().starts_with("LOG") {
            fs::copy(entry.path(), to.join(name)).expect("the state can be copied");
        }
    }
}
