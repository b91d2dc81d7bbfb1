//! The leader's transactions, under the one transactional id that leaders hand on by fencing.

use engine::ports::{self, CommitError, LeaderRecord, Published};

use crate::cluster::Cluster;
use crate::producing::{Outgoing, Transactor};
use crate::topics::Topics;

/// The producer of releases. It owns nothing but its id: losing that is another leader's taking over, not
/// the end of the process.
pub struct Releases {
    topics: Topics,
    transactor: Transactor,
}

impl Releases {
    /// Releases under `{group}-release`. Nothing is taken yet.
    #[must_use]
    pub fn new(cluster: &Cluster, topics: Topics) -> Self {
        let id = format!("{}-release", cluster.group_id());
        Self {
            topics,
            transactor: Transactor::new(cluster, "releases", &id),
        }
    }
}

impl ports::Releases for Releases {
    fn take(&mut self) -> Result<(), CommitError> {
        self.transactor.take().map_err(outlived)
    }

    fn publish(&mut self, records: &[LeaderRecord]) -> Result<(), CommitError> {
        if !self.transactor.is_ready() {
            return Err(CommitError::Unknown("the id was not taken".to_owned()));
        }
        let headers: Vec<Vec<(&str, &str)>> = records
            .iter()
            .map(|record| {
                let texts = record.headers.iter();
                texts.map(|(name, value)| (*name, value.as_str())).collect()
            })
            .collect();
        let outgoing = records.iter().zip(&headers).map(|(record, headers)| {
            let (topic, partition) = match record.to {
                Published::Partials(partition) => (&self.topics.partials, partition),
                Published::MonthClose(partition) => (&self.topics.month_close, partition),
            };
            Outgoing {
                topic,
                partition: Some(partition),
                key: Some(&record.key),
                value: record.value.as_deref(),
                headers,
                timestamp: None,
            }
        });
        let published = self.transactor.commit(outgoing, None);
        if published.is_err() {
            self.transactor.give_up();
        }
        published.map_err(outlived)
    }
}

/// A leader that was fenced has a successor and goes on without leading.
fn outlived(error: CommitError) -> CommitError {
    match error {
        CommitError::Fatal(engine::Error::World(text)) => CommitError::Unknown(text),
        other => other,
    }
}
