//! A kind that a deployment adds in its configuration, end to end: no code of appmi knows it.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

use std::collections::BTreeSet;

use model::{Kind, KindId, Kinds, Month};
use tests::system::{
    Comparison, Deployment, Feed, Releases, latest_closed_month, workload_options,
};
use tests::{Broker, installation_or_skip};
use wire::releases::Format;
use workload::{Identity, Item, Profile, Truth, Workload, account_id, event_id, partition_of};

const ENGLAND: &str = "E92000001";
const PARTITIONS: u32 = 2;
const BASELINE: u64 = 1_000;

fn record_views() -> Kind {
    Kind {
        name: "record_views".into(),
        topic: "nhsapp.record-views".into(),
        event_type: "uk.nhs.app.record.viewed.v1".into(),
        has_session: false,
        users: Some("unique_users_viewing_records".into()),
        users_12_months: Some("unique_users_viewing_records_12_months".into()),
        all_time: Some("record_views_all_time".into()),
        baseline: BASELINE,
    }
}

/// Whoever logs in looks at their record, now and then twice as the same event, now and then in JSON.
fn views(id: KindId, kind: &Kind, number: u64, login: &Item) -> Vec<Item> {
    if login.truth.defect.is_some() {
        return Vec::new();
    }
    let is_json = number.is_multiple_of(5);
    let identity = if is_json {
        Identity::CloudEvent(number)
    } else {
        Identity::Event(number)
    };
    let truth = Truth {
        identity,
        ..login.truth
    };
    let account = account_id(truth.account);
    let partition = partition_of(account.as_bytes(), PARTITIONS);
    let mut view = Item::of(id, partition, login.timestamp, truth);
    if is_json {
        view.content_type = Some("application/cloudevents+json");
        view.payload = serde_json::to_vec(&serde_json::json!({
            "specversion": "1.0",
            "id": event_id(number),
            "source": "/nhsapp/tests",
            "type": kind.event_type,
            "time": truth.occurred_at.to_string(),
            "data": {
                "account_id": account,
                "gp_practice_code": truth.practice.as_str(),
                "icb_code": truth.icb.as_str(),
            },
        }))
        .unwrap();
    }
    let times = if number.is_multiple_of(7) { 2 } else { 1 };
    vec![view; times]
}

#[test]
fn a_kind_from_the_configuration_is_counted_and_released_like_those_built_in() {
    let Some(kafka) = installation_or_skip() else {
        return;
    };
    let kind = record_views();
    let mut kinds = Kinds::builtin();
    let id = kinds.push(kind.clone()).unwrap();
    let deployment = Deployment::new(Broker::shared(kafka), &kinds, &[3, 2, 1, PARTITIONS]);
    let mut feed = Feed::new(&deployment, &kinds);
    let options = workload_options(10_000, 2, 3);
    for (number, item) in (0..).zip(Workload::new(Profile::published(), &options)) {
        if item.kind == KindId(0) {
            views(id, &kind, number, &item)
                .iter()
                .for_each(|view| feed.put(view));
        }
        feed.put(&item);
    }
    feed.flush();

    let last = latest_closed_month();
    let mut subscriber = deployment.releases();
    let mut instance = deployment.run();
    let wanted = format!("{last}/england/{ENGLAND}");
    instance.until("the last month is released", |_| {
        let received = subscriber.look();
        received
            .iter()
            .any(|record| record.key.as_deref() == Some(&wanted))
    });
    let counted = [("kind", kind.name.as_str()), ("outcome", "counted")];
    let views = instance.metrics().sum("appmi_events_total", &counted);
    assert_eq!(instance.stop(), Some(0));

    let releases = Releases::of(&deployment.releases().read_to_end(), Format::Protobuf);
    Comparison::of(&releases, &feed.oracle, releases.months()).assert_intervals_hold();
    let england = |month: Month, measure: &str| {
        let value = releases.value(month, "england", ENGLAND, measure);
        value.unwrap_or_else(|| panic!("{month} has {measure}"))
    };
    let [march, april] = [3, 4].map(|month| Month::new(2025, month).unwrap());
    assert!(england(march, "record_views") > england(march, "unique_users_viewing_records"));
    let both = england(march, "record_views") + england(april, "record_views");
    assert_eq!(england(april, "record_views_all_time"), BASELINE + both);
    assert_eq!(england(last, "record_views_all_time"), BASELINE + both);
    assert_eq!(views, f64::from(u32::try_from(both).unwrap()));
    let measures: BTreeSet<String> = releases.last(march).unwrap()[&("icb".into(), "QE1".into())]
        .measures
        .iter()
        .map(|measure| measure.measure.clone())
        .collect();
    assert!(measures.contains("unique_users_viewing_records_12_months"));
    assert!(
        !measures.contains("record_views_all_time"),
        "England's only"
    );
}
