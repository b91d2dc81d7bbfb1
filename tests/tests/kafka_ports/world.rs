//! Topics, a group and its members, as the ports see them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::ports::{Input, Journal as _, Partial, Published, PublishedRecord, Source as _};
use kafka::{Admin, Checkpoints, Cluster, Counts, Journal, LoadRecord, Loader, Source, Topics};
use model::{InputPartition, KindId, Offset};
use tests::{Broker, unique, wait_for, wait_until};

pub(crate) const SOON: Duration = Duration::from_secs(30);
pub(crate) const SLICE: Duration = Duration::from_millis(50);

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) topics: Topics,
}

impl World {
    pub(crate) fn new(broker: &Broker, inputs: u32) -> Self {
        let name = unique("ports");
        let cluster = Cluster::new(&broker.bootstrap(), &name, []).unwrap();
        let topics = Topics {
            inputs: vec![format!("{name}.logins")],
            partials: format!("{name}.partials"),
            month_close: format!("{name}.month-close"),
            dead_letters: format!("{name}.dead-letters"),
        };
        let counts = Counts {
            inputs: Some(inputs),
            partials: 3,
            month_close: 1,
            dead_letters: 1,
            replication: Some(1),
        };
        let created = Admin::new(&cluster).unwrap().create(&topics, &counts);
        assert_eq!(created.unwrap().len(), 4);
        Self { cluster, topics }
    }

    /// The same group for a process that comes to the broker at an address, with properties of its own.
    pub(crate) fn with(&self, bootstrap: &str, properties: &[(&str, &str)]) -> Cluster {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let properties = properties.iter().map(owned);
        Cluster::new(bootstrap, self.cluster.group_id(), properties).unwrap()
    }

    pub(crate) fn load(&self, partition: u32, count: usize) {
        let mut loader = Loader::new(&self.cluster).unwrap();
        send(&mut loader, &self.topics.inputs[0], partition, count);
        loader.flush().unwrap();
    }

    pub(crate) fn source(&self) -> Member {
        self.member(&self.cluster)
    }

    /// A member of the group that has not joined yet.
    pub(crate) fn member(&self, cluster: &Cluster) -> Member {
        Member::new(Source::new(cluster, self.topics.inputs.clone()).unwrap())
    }

    pub(crate) fn checkpoints(&self, id: &str, member: &Member) -> Checkpoints {
        let membership = member.source.membership();
        Checkpoints::new(&self.cluster, id, membership, self.topics.clone())
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::new(&self.cluster, self.topics.clone()).unwrap()
    }
}

pub(crate) fn send(loader: &mut Loader, topic: &str, partition: u32, count: usize) {
    for _ in 0..count {
        let record = LoadRecord {
            topic,
            partition: Some(partition),
            key: Some(b"account"),
            value: Some(b"event"),
            headers: &[("content-type", "application/x-protobuf")],
            timestamp: None,
        };
        loader.send(&record).unwrap();
    }
}

pub(crate) fn input(partition: u32) -> InputPartition {
    InputPartition {
        kind: KindId(0),
        partition,
    }
}

/// A member of the group that reads whatever it is assigned, from where it or nobody was.
pub(crate) struct Member {
    pub(crate) source: Source,
    pub(crate) from: BTreeMap<InputPartition, Offset>,
    pub(crate) owned: BTreeSet<InputPartition>,
    pub(crate) read: BTreeMap<InputPartition, Vec<i64>>,
    pub(crate) ends: BTreeMap<InputPartition, Offset>,
}

impl Member {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            from: BTreeMap::new(),
            owned: BTreeSet::new(),
            read: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Takes one thing; whether there was one.
    pub(crate) fn turn(&mut self) -> bool {
        match self.source.poll(SLICE).unwrap() {
            Input::Nothing => return false,
            Input::Run { partition, records } => {
                assert!(self.owned.contains(&partition), "{partition:?} is not ours");
                for record in &records {
                    assert_eq!(record.payload, b"event");
                    assert_eq!(
                        record.content_type,
                        Some(b"application/x-protobuf".as_slice())
                    );
                    assert!(record.timestamp.is_some());
                }
                let read = self.read.entry(partition).or_default();
                read.extend(records.iter().map(|record| record.offset.0));
            }
            Input::End {
                partition,
                position,
            } => {
                self.ends.insert(partition, position);
            }
            Input::Assigned(partitions) => {
                let from: Vec<_> = partitions
                    .iter()
                    .map(|partition| (*partition, self.begin(*partition)))
                    .collect();
                self.source.assign(&from).unwrap();
                self.owned.extend(partitions);
            }
            Input::Lost(partitions) => panic!("{partitions:?} were lost"),
            Input::Revoked(partitions) => {
                for partition in &partitions {
                    self.owned.remove(partition);
                    self.ends.remove(partition);
                }
                self.source.unassign(&partitions).unwrap();
            }
        }
        true
    }

    pub(crate) fn begin(&self, partition: InputPartition) -> Offset {
        self.from.get(&partition).copied().unwrap_or(Offset(0))
    }

    pub(crate) fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        wait_until(what, SOON, || {
            self.turn();
            condition(self)
        });
    }
}

pub(crate) fn partial(partition: u32, key: &str, value: &str) -> Partial {
    Partial {
        partition,
        key: key.into(),
        value: Some(value.into()),
    }
}

/// Everything that was published and its positions, read from the beginning to the ends as they are now.
pub(crate) fn published(
    journal: &mut Journal,
) -> (Vec<PublishedRecord>, BTreeMap<Published, Offset>) {
    journal.start(&[]).unwrap();
    let ends = wait_for("the ends are known", SOON, || journal.ends().unwrap());
    let (mut records, mut positions) = (Vec::new(), BTreeMap::new());
    wait_until("the journal was read to its ends", SOON, || {
        let batch = journal.poll(SLICE).unwrap();
        records.extend(batch.records);
        positions.extend(batch.positions);
        ends.iter()
            .all(|(at, end)| positions.get(at).is_some_and(|position| position >= end))
    });
    (records, positions)
}
