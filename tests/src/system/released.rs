//! The releases that a subscriber has, held to what the contract says of them.

use std::collections::{BTreeMap, BTreeSet};

use model::Month;
use wire::headers;
use wire::releases::{Format, ReleaseId};
use wire::v1::MonthClose;

use super::subscriber::Received;

/// Level and code: ("icb", "QE1").
pub type Place = (String, String);

/// Releases by month and revision, each whole.
#[derive(Debug, Default)]
pub struct Releases {
    by_id: BTreeMap<ReleaseId, BTreeMap<Place, MonthClose>>,
}

impl Releases {
    /// Reads all of a subscriber's records.
    ///
    /// # Panics
    /// If a record is not as its key, its headers and its format say, if a (key, revision) comes twice, if a
    /// release is not whole or not in one piece, or if months or revisions come out of order.
    pub fn of(received: &[Received], format: Format) -> Self {
        let mut releases = Self::default();
        let mut order: Vec<ReleaseId> = Vec::new();
        let mut said: BTreeMap<ReleaseId, usize> = BTreeMap::new();
        for record in received {
            let id: ReleaseId = record.header(headers::RELEASE).parse().expect("a release");
            let records = record.header(headers::RECORDS).parse().expect("a number");
            assert_eq!(*said.entry(id).or_insert(records), records, "{id}");
            assert_eq!(record.header(headers::CONTENT_TYPE), format.content_type());
            assert_eq!(record.value.starts_with(b"{"), format == Format::Json);
            let message = wire::releases::decode(&record.value).expect("a release");
            assert_eq!(message.month.parse(), Ok(id.month));
            assert_eq!(message.revision, id.revision);
            let key = format!("{}/{}/{}", message.month, message.level, message.code);
            assert_eq!(record.key.as_deref(), Some(key.as_str()));
            if order.last() != Some(&id) {
                order.push(id);
            }
            let place = (message.level.clone(), message.code.clone());
            let twice = releases.by_id.entry(id).or_default().insert(place, message);
            assert!(
                twice.is_none(),
                "{key} came twice in revision {}",
                id.revision
            );
        }
        for (id, records) in &releases.by_id {
            assert_eq!(records.len(), said[id], "release {id} is whole");
        }
        assert_eq!(
            order.len(),
            releases.by_id.len(),
            "each in one piece: {order:?}"
        );
        releases.check_order(&order);
        releases
    }

    /// Months close in order, and revisions count up from 0.
    fn check_order(&self, order: &[ReleaseId]) {
        let mut last: BTreeMap<Month, u32> = BTreeMap::new();
        for id in order {
            let next = last.get(&id.month).map_or(0, |revision| revision + 1);
            assert_eq!(id.revision, next, "revisions count up: {order:?}");
            last.insert(id.month, id.revision);
        }
        let closed = order.iter().filter(|id| id.revision == 0);
        let closed: Vec<Month> = closed.map(|id| id.month).collect();
        assert!(closed.is_sorted(), "months close in order: {order:?}");
    }

    /// All releases, by month and revision.
    pub fn ids(&self) -> BTreeSet<ReleaseId> {
        self.by_id.keys().copied().collect()
    }

    /// The months that were released.
    pub fn months(&self) -> BTreeSet<Month> {
        self.by_id.keys().map(|id| id.month).collect()
    }

    /// The last release of a month.
    pub fn last(&self, month: Month) -> Option<&BTreeMap<Place, MonthClose>> {
        let last = self.by_id.iter().rfind(|(id, _)| id.month == month);
        last.map(|(_, records)| records)
    }

    /// A figure of the last release of a month; none if there is no such release, place or measure.
    pub fn value(&self, month: Month, level: &str, code: &str, measure: &str) -> Option<u64> {
        let place = (level.to_owned(), code.to_owned());
        let measures = &self.last(month)?.get(&place)?.measures;
        let found = measures.iter().find(|found| found.measure == measure);
        found.map(|found| found.value)
    }
}
