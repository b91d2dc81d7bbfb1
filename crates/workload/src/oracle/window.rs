//! The oracle's own reading of the rule for duplicates: two hash sets in turn.
//!
//! The rule: identities are kept in two generations of at most `events_max` identities or `window` of
//! event time each. Event time is the latest `occurred_at` that the partition has counted, the event
//! at hand included; a generation begins with its first identity, and a new one begins when an identity
//! comes that the current one has no room or no time for.

use std::collections::HashSet;
use std::time::Duration;

use model::Timestamp;

use crate::item::Identity;

/// The identities that one partition remembers.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The latest event that was counted.
    latest: Option<Timestamp>,
    began: Option<Timestamp>,
    current: HashSet<Identity>,
    previous: HashSet<Identity>,
}

impl Window {
    /// Whether an event is a duplicate; if it is not, it is counted and its identity remembered.
    pub(super) fn is_duplicate(
        &mut self,
        identity: Identity,
        occurred_at: Timestamp,
        length: Duration,
        events_max: usize,
    ) -> bool {
        if self.current.contains(&identity) || self.previous.contains(&identity) {
            return true;
        }
        let latest = self
            .latest
            .map_or(occurred_at, |latest| latest.max(occurred_at));
        self.latest = Some(latest);
        if identity == Identity::None {
            return false;
        }
        let is_over = self
            .began
            .is_some_and(|began| latest >= began.saturating_add(length));
        if is_over || self.current.len() >= events_max {
            self.previous = std::mem::take(&mut self.current);
            self.began = None;
        }
        self.began = self.began.or(Some(latest));
        self.current.insert(identity);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each of (identity, second) is a duplicate, with a window of ten seconds and three identities.
    fn duplicates(events: &[(u64, i64)]) -> Vec<bool> {
        let mut window = Window::default();
        let judge = |(id, second): &(u64, i64)| {
            let at = Timestamp::from_millis(second * 1000);
            window.is_duplicate(Identity::Event(*id), at, Duration::from_secs(10), 3)
        };
        events.iter().map(judge).collect()
    }

    #[test]
    fn an_identity_is_remembered_for_a_generation_and_the_next() {
        assert_eq!(
            duplicates(&[(1, 0), (2, 9), (3, 10), (1, 19)]),
            [false, false, false, true]
        );
        assert_eq!(duplicates(&[(1, 0), (2, 10), (3, 20), (1, 20)]), [false; 4]);
    }

    #[test]
    fn a_generation_is_over_when_it_is_full() {
        let full: Vec<(u64, i64)> = (1..=6).map(|id| (id, 0)).collect();
        let then = |event| duplicates(&[full.clone(), vec![event]].concat())[6];
        assert!(then((1, 0)), "two full generations are remembered");
        let seven: Vec<(u64, i64)> = (1..=7).map(|id| (id, 0)).collect();
        assert!(!duplicates(&[seven, vec![(1, 0)]].concat())[7]);
    }

    #[test]
    fn a_late_event_does_not_turn_event_time_back() {
        assert_eq!(
            duplicates(&[(1, 100), (2, 0), (3, 109), (2, 1)]),
            [false, false, false, true]
        );
    }

    #[test]
    fn what_has_no_identity_is_never_a_duplicate() {
        let mut window = Window::default();
        let mut judge =
            || window.is_duplicate(Identity::None, Timestamp::from_millis(0), Duration::ZERO, 1);
        assert!(!judge() && !judge());
    }
}
