//! A source that notes what it is asked, and does not answer what it is told not to.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use engine::ports::{Bounds, Error, Input, Source};
use memlog::MemSource;
use model::{InputPartition, Offset};

/// The source of an instance, watched.
pub(crate) struct Watched {
    inner: MemSource,
    /// How many partitions each question for bounds was about.
    pub(crate) asked: Vec<usize>,
    /// Partitions without a leader: a question that is about any of them too is not answered.
    pub(crate) leaderless: BTreeSet<InputPartition>,
}

impl Watched {
    pub(crate) fn new(inner: MemSource) -> Self {
        Self {
            inner,
            asked: Vec::new(),
            leaderless: BTreeSet::new(),
        }
    }
}

impl Deref for Watched {
    type Target = MemSource;

    fn deref(&self) -> &MemSource {
        &self.inner
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut MemSource {
        &mut self.inner
    }
}

impl Source for Watched {
    fn join(&mut self) -> Result<(), Error> {
        self.inner.join()
    }

    fn poll(&mut self, wait: Duration) -> Result<Input<'_>, Error> {
        self.inner.poll(wait)
    }

    fn poll_group(&mut self, wait: Duration) -> Result<Input<'_>, Error> {
        self.inner.poll_group(wait)
    }

    fn assign(&mut self, from: &[(InputPartition, Offset)]) -> Result<(), Error> {
        self.inner.assign(from)
    }

    fn unassign(&mut self, partitions: &[InputPartition]) -> Result<(), Error> {
        self.inner.unassign(partitions)
    }

    fn committed(
        &mut self,
        partitions: &[InputPartition],
    ) -> Result<Option<Vec<Option<Offset>>>, Error> {
        self.inner.committed(partitions)
    }

    fn bounds(&mut self, partitions: &[InputPartition]) -> Result<Option<Vec<Bounds>>, Error> {
        self.asked.push(partitions.len());
        if partitions.iter().any(|of| self.leaderless.contains(of)) {
            return Ok(None);
        }
        self.inner.bounds(partitions)
    }

    fn partition_counts(&mut self) -> Result<Option<Vec<u32>>, Error> {
        self.inner.partition_counts()
    }

    fn is_member(&mut self) -> bool {
        self.inner.is_member()
    }

    fn leave(&mut self) {
        self.inner.leave();
    }
}
