//! The workload: an iterator over records in the order of their arrival.
//!
//! It goes day by day. A day's records are planned (who, where, when, what goes wrong), sorted by
//! arrival, and written one at a time as they are asked for; what arrives on a later day waits. So
//! memory is the population and one day, at any scale.

use std::collections::BTreeMap;

use model::Month;

use crate::item::{Code, Item};
use crate::practices::Zones;
use crate::profile::{Figure, Profile};

pub use options::{Options, Partitions, Rates};
use planned::Planned;
use render::Renderer;
use schedule::Schedule;

mod delivery;
mod ids;
mod options;
mod planned;
mod render;
mod rhythm;
mod schedule;

/// Records like those of the NHS App, in the order of their arrival. The same profile and options give the
/// same records, byte by byte.
///
/// Logins are exactly the profile's figure at the scale, per month and board (`Unknown` too), once duplicates
/// and bad records are taken out; that holds as long as `too_old` is 0 and no duplicate outlives the window
/// of identities. Distinct users are close to the profile's; orders and registrations are assumptions.
#[derive(Debug)]
pub struct Workload {
    schedule: Schedule,
    renderer: Renderer,
    /// Today's records in the order of arrival, and how many are done.
    today: Vec<Planned>,
    done: usize,
    /// Records that arrive on a later day.
    waiting: Vec<Planned>,
    expected: Zones,
    one_in: u64,
}

impl Workload {
    /// A workload of the profile.
    ///
    /// # Panics
    /// If an option is out of its range, or the kinds lack one of the three that are built in.
    #[must_use]
    pub fn new(profile: Profile, options: &Options) -> Self {
        assert!(
            options.one_in > 0 && options.months > 0,
            "at least one month at one in one"
        );
        let zones = Zones::new(profile, &options.practices);
        Self {
            schedule: Schedule::new(zones.clone(), options),
            renderer: Renderer::new(zones.clone(), options),
            today: Vec::new(),
            done: 0,
            waiting: Vec::new(),
            expected: zones,
            one_in: options.one_in,
        }
    }

    /// The logins that each board in force in the month has, exactly, and about how many users.
    #[must_use]
    pub fn expected(&self, month: Month) -> BTreeMap<Code, Figure> {
        self.expected.boards(month, self.one_in)
    }

    /// Plans the next day; behind the last one, everything that still waits arrives. False when nothing is left.
    fn next_day(&mut self) -> bool {
        self.today.clear();
        self.done = 0;
        let end = self
            .schedule
            .plan_day(&mut self.waiting)
            .unwrap_or(i64::MAX);
        let (today, later) = self.waiting.iter().partition(|record| record.arrival < end);
        self.today = today;
        self.waiting = later;
        self.today
            .sort_unstable_by_key(|record| (record.arrival, record.serial));
        !self.today.is_empty() || end < i64::MAX
    }
}

impl Iterator for Workload {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        while self.done == self.today.len() {
            if !self.next_day() {
                return None;
            }
        }
        let planned = &self.today[self.done];
        self.done += 1;
        Some(self.renderer.item(planned, self.schedule.population()))
    }
}
