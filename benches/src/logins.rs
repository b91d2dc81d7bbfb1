//! Logins as they lie in a topic: by partition, in the order of their arrival.

use engine::ports::Record;
use model::{KindId, Offset, Timestamp};
use workload::{Item, Options, Partitions, Profile, Rates, Workload};

use crate::settings::{PARTITIONS, first_month};

/// The first logins of March 2025 at the national scale, with as many accounts, boards and practices
/// and as dense in time as then. Nothing is wrong with any of them.
#[derive(Debug)]
pub struct Logins {
    partitions: Vec<Partition>,
}

/// The logins of March 2025 at the national scale, in the order of their arrival.
pub fn national(rates: Rates) -> impl Iterator<Item = Item> {
    let options = Options {
        one_in: 1,
        first_month: first_month(),
        months: 1,
        partitions: Partitions {
            logins: PARTITIONS,
            ..Options::default().partitions
        },
        rates,
        ..Options::default()
    };
    Workload::new(Profile::published(), &options).filter(|item| item.kind == KindId(0))
}

/// The values lie one behind the other, as in a fetched batch.
#[derive(Debug, Default)]
struct Partition {
    values: Vec<u8>,
    /// When each arrived, and where its value ends.
    records: Vec<(Timestamp, usize)>,
}

impl Logins {
    /// So many logins as bare protobuf, of about 95 bytes each.
    #[must_use]
    pub fn protobuf(events: usize) -> Self {
        Self::generate(events, Rates::none())
    }

    /// The same as `CloudEvents` in JSON.
    #[must_use]
    pub fn cloud_events(events: usize) -> Self {
        let rates = Rates {
            cloud_events: 1_000_000,
            ..Rates::none()
        };
        Self::generate(events, rates)
    }

    fn generate(events: usize, rates: Rates) -> Self {
        let mut partitions = Vec::new();
        partitions.resize_with(PARTITIONS as usize, Partition::default);
        for item in national(rates).take(events) {
            let partition: &mut Partition = &mut partitions[item.partition as usize];
            partition.values.extend_from_slice(&item.payload);
            let end = partition.values.len();
            partition.records.push((item.timestamp, end));
        }
        Self { partitions }
    }

    /// Records of a partition.
    #[must_use]
    pub fn len(&self, partition: usize) -> usize {
        self.partitions[partition].records.len()
    }

    /// At most `most` records of a partition from the `from`th on. Their offsets are their numbers.
    ///
    /// # Panics
    /// If `from` is behind the last one.
    #[must_use]
    pub fn run<'a>(
        &'a self,
        partition: usize,
        from: usize,
        most: usize,
        content_type: Option<&'a [u8]>,
    ) -> Vec<Record<'a>> {
        let Partition { values, records } = &self.partitions[partition];
        let to = records.len().min(from + most);
        let mut begin = from.checked_sub(1).map_or(0, |before| records[before].1);
        (from..to)
            .map(|number| {
                let (timestamp, end) = records[number];
                let payload = &values[begin..end];
                begin = end;
                Record {
                    offset: Offset(i64::try_from(number).expect("far below")),
                    timestamp: Some(timestamp),
                    content_type,
                    payload,
                }
            })
            .collect()
    }

    /// The values of one partition.
    pub fn values(&self, partition: usize) -> impl Iterator<Item = &[u8]> {
        self.run(partition, 0, usize::MAX, None)
            .into_iter()
            .map(|record| record.payload)
    }
}
