//! The published months through the program on a real broker: what comes out is what went in.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeSet;
use std::iter::successors;

use model::{Kinds, Month};
use tests::system::{
    Comparison, Deployment, Feed, Releases, latest_closed_month, workload_options,
};
use tests::{Broker, Installation, installation_or_skip};
use wire::releases::Format;
use workload::{Profile, Workload};

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn months(from: Month, to: Month) -> BTreeSet<Month> {
    let all = successors(Some(from), |month| Some(month.next()));
    all.take_while(|month| *month <= to).collect()
}

/// Puts the published quarter in, runs until everything is released, and returns what a subscriber who
/// comes afterwards has.
fn release_the_quarter(
    kafka: &'static Installation,
    one_in: u64,
    format: Format,
) -> (Releases, Feed) {
    let kinds = Kinds::builtin();
    let mut deployment = Deployment::new(Broker::shared(kafka), &kinds, &[3, 2, 1]);
    if format == Format::Json {
        deployment.configuration.set_text("output.format", "json");
    }
    let mut feed = Feed::new(&deployment, &kinds);
    let options = workload_options(one_in, 3, 1);
    feed.put_all(Workload::new(Profile::published(), &options));
    let last = latest_closed_month();
    let mut subscriber = deployment.releases();
    let mut instance = deployment.run();
    instance.until("the last month is released", |_| {
        let received = subscriber.look();
        let prefix = format!("{last}/england/");
        received
            .iter()
            .any(|record| record.key.as_ref().unwrap().starts_with(&prefix))
    });
    let letters: u64 = feed.oracle.dead_letters().values().sum();
    assert!(letters > 0 && feed.oracle.duplicates() > 0);
    assert_eq!(instance.stop(), Some(0));
    assert_eq!(
        deployment.dead_letters().read_to_end().len() as u64,
        letters
    );
    let received = deployment.releases().read_to_end();
    assert_eq!(
        subscriber.look(),
        received,
        "both subscribers have the same"
    );
    (Releases::of(&received, format), feed)
}

#[test]
fn the_published_quarter_is_released_exactly_and_the_months_since_with_zeros() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (releases, feed) = release_the_quarter(kafka, 400, Format::Protobuf);
    let (first, last) = (month("2025-03"), latest_closed_month());
    assert_eq!(releases.months(), months(first, last));
    // Everything was in the topics before, so nothing was late.
    assert!(releases.ids().iter().all(|id| id.revision == 0));

    let expected = Workload::new(Profile::published(), &workload_options(400, 3, 1));
    for published in months(first, month("2025-05")) {
        for (board, figure) in expected.expected(published) {
            let logins = releases.value(published, "icb", board.as_str(), "logins");
            assert_eq!(logins, Some(figure.logins), "{published} {board:?}");
        }
    }
    for released in releases.months() {
        let records = if released < month("2026-04") { 52 } else { 46 };
        assert_eq!(
            releases.last(released).unwrap().len(),
            records,
            "{released}"
        );
        if released > month("2025-05") {
            let logins = releases.value(released, "england", "E92000001", "logins");
            assert_eq!(logins, Some(0), "{released}");
        }
    }
    Comparison::of(&releases, &feed.oracle, releases.months()).assert_intervals_hold();
    let published = months(first, month("2025-05"));
    Comparison::of(&releases, &feed.oracle, published).assert_intervals_hold();
}

#[test]
fn releases_can_be_json() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let (releases, feed) = release_the_quarter(kafka, 20_000, Format::Json);
    Comparison::of(&releases, &feed.oracle, releases.months()).assert_intervals_hold();
}
