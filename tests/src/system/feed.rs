//! Events that are put in, and the oracle that is shown each of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka::{LoadRecord, Loader};
use model::{Calendar, Kinds, Month, Timestamp};
use workload::{Item, Options, Oracle, Partitions, Practices};

use super::deployment::Deployment;

/// How long a month waits for stragglers unless the configuration says otherwise.
const GRACE: Duration = Duration::from_secs(72 * 3600);

/// Puts events into a deployment's topics and knows what must come out.
pub struct Feed {
    /// What must come out of what was put in.
    pub oracle: Oracle,
    loader: Loader,
    topics: Vec<String>,
}

impl Feed {
    /// A feed that has put in nothing yet.
    ///
    /// # Panics
    /// If there can be no producer or no oracle of these kinds.
    pub fn new(deployment: &Deployment, kinds: &Kinds) -> Self {
        Self::since(Month::new(2025, 3).expect("a month"), deployment, kinds)
    }

    /// As [`new`](Self::new), where another month is the first to be published.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn since(first_month: Month, deployment: &Deployment, kinds: &Kinds) -> Self {
        let practices = Practices::synthetic();
        let rules = workload::oracle::Options::new(first_month, practices.text(), kinds);
        Self {
            oracle: Oracle::new(&rules).expect("the built-in tables are good"),
            loader: Loader::new(&deployment.cluster).expect("a producer can be made"),
            topics: deployment.topics.inputs.clone(),
        }
    }

    /// Hands an event over.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn put(&mut self, item: &Item) {
        self.oracle.observe(item);
        let content_type = item.content_type.map(|value| [("content-type", value)]);
        let record = LoadRecord {
            topic: &self.topics[usize::from(item.kind.0)],
            partition: Some(item.partition),
            key: Some(&item.key),
            value: Some(&item.payload),
            headers: content_type
                .as_ref()
                .map_or(&[], |headers| headers.as_slice()),
            timestamp: Some(item.timestamp),
        };
        self.loader.send(&record).expect("the broker takes records");
    }

    /// Waits until everything that was handed over is in the topics.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn flush(&mut self) {
        self.loader.flush().expect("the broker takes records");
    }

    /// Hands events over, and waits until they are in the topics.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn put_all(&mut self, items: impl IntoIterator<Item = Item>) {
        items.into_iter().for_each(|item| self.put(&item));
        self.flush();
    }
}

/// The published months at a scale, for topics with 3, 2 and 1 partitions.
pub fn workload_options(one_in: u64, months: u32, seed: u64) -> Options {
    Options {
        seed,
        one_in,
        months,
        partitions: Partitions {
            logins: 3,
            prescription_orders: 2,
            registrations: 1,
        },
        ..Options::default()
    }
}

/// The latest month that has been over for longer than the grace.
///
/// # Panics
/// If the machine's clock stands before 1970.
pub fn latest_closed_month() -> Month {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.expect("it is after 1970").as_millis();
    let now = Timestamp::from_millis(i64::try_from(millis).expect("a time of this era"));
    let calendar = Calendar::new("Europe/London").expect("a time zone");
    calendar.month_of(now.saturating_sub(GRACE)).prev()
}
