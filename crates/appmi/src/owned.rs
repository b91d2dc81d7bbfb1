//! Reading the owned topics to their ends, for commands: once, outside of the group, past nothing that a
//! transaction may still hide.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::Error;
use engine::ports::{Journal as _, Published, PublishedRecord};
use kafka::Journal;
use model::Offset;

/// How long reading may take without anything coming.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The ends of the owned topics.
pub type Ends = BTreeMap<Published, Offset>;

/// Reads from the beginnings, but of partitions that `skip` names, to the ends as they are now; those.
///
/// # Errors
/// If the topics can't be read in time, or `visit` has one.
pub fn read(
    journal: &mut Journal,
    skip: impl Fn(Published) -> bool,
    visit: impl FnMut(&PublishedRecord) -> Result<(), Error>,
) -> Result<Ends, Error> {
    let ends = ends(journal)?;
    let skipped: Vec<_> = ends
        .iter()
        .filter(|(at, _)| skip(**at))
        .map(|(at, end)| (*at, *end))
        .collect();
    journal.start(&skipped)?;
    let mut left: Ends = ends
        .iter()
        .filter(|(at, end)| **end > Offset(0) && !skip(**at))
        .map(|(at, end)| (*at, *end))
        .collect();
    read_on(journal, &mut left, visit)?;
    Ok(ends)
}

/// Reads on, until the position in every partition has reached its end.
///
/// # Errors
/// As [`read`].
pub fn read_on(
    journal: &mut Journal,
    left: &mut Ends,
    mut visit: impl FnMut(&PublishedRecord) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut heard = Instant::now();
    while !left.is_empty() {
        let batch = journal.poll(Duration::from_millis(200))?;
        batch.records.iter().try_for_each(&mut visit)?;
        for (at, position) in batch.positions {
            if left.get(&at).is_some_and(|end| position >= *end) {
                left.remove(&at);
            }
            heard = Instant::now();
        }
        if heard.elapsed() > READ_WITHIN {
            return Err(slow());
        }
    }
    Ok(())
}

/// The ends as they are now.
///
/// # Errors
/// If no broker tells them in time.
pub fn ends(journal: &mut Journal) -> Result<Ends, Error> {
    let began = Instant::now();
    loop {
        match journal.ends()? {
            Some(ends) => return Ok(ends.into_iter().collect()),
            None if began.elapsed() > READ_WITHIN => return Err(slow()),
            None => {}
        }
    }
}

fn slow() -> Error {
    Error::World(
        "the partials topic can't be read to its end in time: is the broker well, is a transaction open?"
            .into(),
    )
}
