//! Logical bounds: with sketches so coarse that estimates contradict each other, released figures never do.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use wire::v1::{Measure, MonthClose};
use world::Site;
use world::events::event;

const BOARDS: [&str; 6] = ["QHM", "QF7", "QM7", "QE1", "QNQ", ""];

/// Four months of some events a board, of some accounts, with registers that can't tell them apart.
fn released(precision: u8, events: &[(usize, u64, usize)]) -> Vec<MonthClose> {
    let mut options = world::site::small_options("2025-03");
    options.precision = sketch::Precision::new(precision).unwrap();
    let mut site = Site::with(options, &[1, 1, 1]);
    for month in 3..7 {
        for (number, (board, account, times)) in events.iter().enumerate() {
            for _ in 0..*times {
                let day = 1 + number % 28;
                let time = format!("2025-{month:02}-{day:02}T12:00:00Z");
                let kind = u8::try_from(number % 2).unwrap();
                let arrival = format!("2025-{month:02}-28T13:00:00Z");
                site.send(
                    &event(kind, &time, *account)
                        .arriving(&arrival)
                        .icb(BOARDS[*board]),
                );
            }
        }
        site.turns(20);
        site.cluster
            .advance_to(site.cluster.now().saturating_add(Duration::from_mins(1)));
    }
    site.settle_at("2025-07-05");
    ["2025-03", "2025-04", "2025-05", "2025-06"]
        .iter()
        .flat_map(|month| site.records(month))
        .collect()
}

fn measures(record: &MonthClose) -> BTreeMap<&str, &Measure> {
    let named = record.measures.iter();
    named
        .map(|measure| (measure.measure.as_str(), measure))
        .collect()
}

/// `lower <= lower`, `value <= value`, `upper <= upper`.
fn is_at_most(a: &Measure, b: &Measure) -> bool {
    a.value <= b.value && a.lower_95 <= b.lower_95 && a.upper_95 <= b.upper_95
}

fn check(records: &[MonthClose]) {
    for record in records {
        let of = measures(record);
        for measure in of.values() {
            let Measure {
                lower_95,
                value,
                upper_95,
                ..
            } = measure;
            assert!(lower_95 <= value && value <= upper_95, "{measure:?}");
            if !measure.estimated {
                assert_eq!((lower_95, upper_95), (value, value));
                assert!(measure.relative_standard_error == 0.0);
            }
        }
        let month = of["unique_users_logging_in"];
        let year = of["unique_users_logging_in_12_months"];
        assert!(is_at_most(month, of["logins"]), "{record:?}");
        assert!(is_at_most(month, year), "{record:?}");
        let orders = of["unique_users_ordering_prescriptions"];
        assert!(is_at_most(orders, of["prescription_orders"]), "{record:?}");
        let above = records.iter().filter(|above| {
            above.month == record.month
                && match record.level.as_str() {
                    "icb" => {
                        above.code == record.region_code && above.level == "region"
                            || above.level == "england"
                    }
                    "region" => above.level == "england",
                    _ => false,
                }
        });
        for above in above {
            for (name, measure) in measures(above) {
                if let Some(below) = of.get(name) {
                    assert!(
                        is_at_most(below, measure),
                        "{name} of {} and {}",
                        record.code,
                        above.code
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_released_figure_contradicts_its_neighbour(
        precision in 4..7_u8,
        events in prop::collection::vec((0..BOARDS.len(), 0..60_u64, 1..3_usize), 1..80),
    ) {
        let records = released(precision, &events);
        prop_assert_eq!(records.len(), 4 * 52);
        check(&records);
    }
}
