//! An instance that starts while no broker answers is alive all the while, and stops when it is asked to.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

mod world;

use std::time::Duration;

use engine::ports::{Error, Host, Journal, Ports, Published, PublishedBatch};
use engine::{Instance, Occurrence};
use memlog::{Cluster, MemCheckpoints, MemJournal, MemReleases, MemSource, MemStore};
use model::{Offset, Timestamp};

/// A journal that answers the first question only after so many times.
struct Late {
    inner: MemJournal,
    unanswered: usize,
}

impl Journal for Late {
    fn partition_counts(&self) -> (u32, u32) {
        self.inner.partition_counts()
    }

    fn start(&mut self, from: &[(Published, Offset)]) -> Result<(), Error> {
        self.inner.start(from)
    }

    fn poll(&mut self, wait: Duration) -> Result<PublishedBatch, Error> {
        self.inner.poll(wait)
    }

    fn topic_ids(&mut self) -> Result<Option<[[u8; 16]; 2]>, Error> {
        match self.unanswered.checked_sub(1) {
            None => self.inner.topic_ids(),
            Some(left) => {
                self.unanswered = left;
                Ok(None)
            }
        }
    }

    fn ends(&mut self) -> Result<Option<Vec<(Published, Offset)>>, Error> {
        self.inner.ends()
    }
}

/// Surroundings that count turns and ask to stop after some.
struct Turns {
    turned: usize,
    most: usize,
}

impl Host for Turns {
    fn now(&mut self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn is_asked_to_stop(&mut self) -> bool {
        self.turned >= self.most
    }

    fn random_id(&mut self) -> [u8; 16] {
        [1; 16]
    }

    fn observe(&mut self, occurrence: &Occurrence<'_>) {
        self.turned += usize::from(matches!(
            occurrence,
            Occurrence::Turned {
                view_ready: false,
                joined: false,
                ..
            }
        ));
    }
}

/// Whether an instance was opened, and after how many turns.
fn open(unanswered: usize, most: usize) -> (bool, usize) {
    let cluster = Cluster::new(&[1, 1, 1], 2, 2);
    let mut source = MemSource::new(&cluster);
    let mut host = Turns { turned: 0, most };
    let opened = Instance::open(
        world::site::small_options("2025-03"),
        &mut Ports {
            checkpoints: &mut MemCheckpoints::new(&source, "p1"),
            source: &mut source,
            journal: &mut Late {
                inner: MemJournal::new(&cluster),
                unanswered,
            },
            releases: &mut MemReleases::new(&cluster),
            store: &mut MemStore::default(),
            host: &mut host,
        },
    );
    (opened.unwrap().is_some(), host.turned)
}

#[test]
fn every_question_that_is_not_answered_is_a_turn() {
    assert_eq!(open(0, 10), (true, 0));
    assert_eq!(open(7, 10), (true, 7));
}

#[test]
fn it_stops_when_it_is_asked_to_although_nobody_answers() {
    assert_eq!(open(100, 10), (false, 10));
}
