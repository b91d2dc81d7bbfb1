//! The window of identities: which events a partition remembers, so that a duplicate is counted once.
//!
//! Identities are kept in two generations, in the order in which they were counted. A generation
//! ends when it holds `events_max` identities or when `window` of event time has passed since it
//! began; the one before it is then forgotten. So an identity is remembered for at least one
//! generation, and the window is a function of the log: event time is the latest `occurred_at`
//! counted, no clock.

use std::num::NonZeroU64;
use std::time::Duration;

use model::Timestamp;

/// Identities in one slice, the unit in which a window is stored: only slices with new identities are written.
pub const SLICE_IDENTITIES: usize = 256;

/// Two generations of remembered identities (keyed 64-bit hashes).
#[derive(Debug, Clone)]
pub struct Window {
    length: Duration,
    events_max: usize,
    generation: u64,
    began_at: Timestamp,
    current: Vec<u64>,
    previous: Vec<u64>,
    /// Open addressing over both generations, linear probing, 0 is free; at most half full.
    slots: Vec<u64>,
    shift: u32,
    /// How far the slices of the last checkpoint reach: generation and identities in it.
    stored: (u64, usize),
}

const SLOTS_MIN: usize = 64;

impl Window {
    /// An empty window of at least `length` of event time or `events_max` identities (at least 1).
    #[must_use]
    pub fn new(length: Duration, events_max: u32) -> Self {
        let events_max = usize::try_from(events_max.max(1)).expect("32 bits fit");
        Self {
            length,
            events_max,
            generation: 0,
            began_at: Timestamp::from_millis(0),
            current: Vec::new(),
            previous: Vec::new(),
            slots: vec![0; SLOTS_MIN],
            shift: shift_of(SLOTS_MIN),
            stored: (0, 0),
        }
    }

    /// A window as it was stored. The lists are in the order in which they were counted.
    #[must_use]
    pub fn restore(
        length: Duration,
        events_max: u32,
        generation: u64,
        began_at: Timestamp,
        previous: Vec<u64>,
        current: Vec<u64>,
    ) -> Self {
        let mut window = Self::new(length, events_max);
        window.generation = generation;
        window.began_at = began_at;
        window.stored = (generation, current.len());
        window.current = current;
        window.previous = previous;
        window.rebuild();
        window
    }

    /// Number of the current generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When the current generation began, in event time.
    #[must_use]
    pub fn began_at(&self) -> Timestamp {
        self.began_at
    }

    /// Identities in the current and in the previous generation.
    #[must_use]
    pub fn lengths(&self) -> (usize, usize) {
        (self.current.len(), self.previous.len())
    }

    /// Reads the slot where the search for an identity begins, so that it is in the cache when it is asked for.
    #[inline]
    #[must_use]
    pub fn touch(&self, identity: NonZeroU64) -> u64 {
        self.slots[self.home(identity.get())]
    }

    /// Whether the identity is remembered.
    #[inline]
    #[must_use]
    pub fn contains(&self, identity: NonZeroU64) -> bool {
        let identity = identity.get();
        let mask = self.slots.len() - 1;
        let mut at = self.home(identity);
        loop {
            match self.slots[at] {
                0 => return false,
                found if found == identity => return true,
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Remembers an identity that is not in the window. `latest` is the latest `occurred_at` counted,
    /// this event included.
    pub fn remember(&mut self, identity: NonZeroU64, latest: Timestamp) {
        let identity = identity.get();
        let is_full = self.current.len() >= self.events_max
            || (!self.current.is_empty() && latest >= self.began_at.saturating_add(self.length));
        if is_full {
            // The forgotten generation's memory is that of the next one.
            std::mem::swap(&mut self.previous, &mut self.current);
            self.current.clear();
            self.generation += 1;
            self.rebuild();
        }
        if self.current.is_empty() {
            self.began_at = latest;
        }
        self.current.push(identity);
        if (self.current.len() + self.previous.len()) * 2 > self.slots.len() {
            self.rebuild();
        } else {
            self.insert(identity);
        }
    }

    /// Slices that are not stored yet: generation, number of the slice, its identities.
    pub fn unstored(&self) -> impl Iterator<Item = (u64, usize, &[u64])> {
        let (stored_generation, stored_len) = self.stored;
        let behind = self.generation - stored_generation;
        let from_current = if behind == 0 { stored_len } else { 0 };
        let from_previous = match behind {
            0 => self.previous.len(),
            1 => stored_len,
            _ => 0,
        };
        let previous = slices(
            self.generation.wrapping_sub(1),
            &self.previous,
            from_previous,
        );
        previous.chain(slices(self.generation, &self.current, from_current))
    }

    /// Takes note that everything is stored.
    pub fn mark_stored(&mut self) {
        self.stored = (self.generation, self.current.len());
    }

    #[inline]
    fn home(&self, identity: u64) -> usize {
        usize::try_from(identity >> self.shift).expect("fewer bits than a usize")
    }

    fn insert(&mut self, identity: u64) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(identity);
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = identity;
    }

    fn rebuild(&mut self) {
        // Room for the current generation to grow to the size of the previous one before the next rebuild.
        let expected = self.previous.len() + self.current.len().max(self.previous.len());
        let slots = (expected * 2).next_power_of_two().max(SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(slots, 0);
        self.shift = shift_of(slots);
        for index in 0..self.previous.len() {
            self.insert(self.previous[index]);
        }
        for index in 0..self.current.len() {
            self.insert(self.current[index]);
        }
    }
}

fn shift_of(slots: usize) -> u32 {
    u64::BITS - slots.trailing_zeros()
}

fn slices(
    generation: u64,
    identities: &[u64],
    from: usize,
) -> impl Iterator<Item = (u64, usize, &[u64])> {
    let first = if from >= identities.len() {
        usize::MAX
    } else {
        from / SLICE_IDENTITIES
    };
    identities
        .chunks(SLICE_IDENTITIES)
        .enumerate()
        .filter(move |(number, _)| *number >= first)
        .map(move |(number, slice)| (generation, number, slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn id(identity: u64) -> NonZeroU64 {
        NonZeroU64::new(identity).expect("not zero")
    }

    fn window(events_max: u32) -> Window {
        Window::new(Duration::from_millis(1000), events_max)
    }

    #[test]
    fn an_identity_is_remembered_for_at_least_the_window_and_forgotten_after_two() {
        let mut window = window(1000);
        window.remember(id(7), at(0));
        window.remember(id(8), at(999));
        window.remember(id(9), at(1000));
        assert!(window.contains(id(7)) && window.contains(id(8)) && window.contains(id(9)));
        window.remember(id(10), at(2000));
        assert!(!window.contains(id(7)) && !window.contains(id(8)));
        assert!(window.contains(id(9)) && window.contains(id(10)));
    }

    #[test]
    fn a_generation_holds_at_most_events_max_identities() {
        let mut window = window(100);
        for identity in 1..=1000_u64 {
            window.remember(id(identity << 40), at(0));
            let (current, previous) = window.lengths();
            assert!(current <= 100 && previous <= 100);
            assert!(window.contains(id(identity << 40)));
            let oldest = identity.saturating_sub(100).max(1);
            assert!(
                window.contains(id(oldest << 40)),
                "the last hundred are remembered"
            );
        }
        assert!(!window.contains(id(1 << 40)));
    }

    #[test]
    fn the_table_is_at_most_half_full_and_no_larger_than_that_takes() {
        let mut window = window(1024);
        for identity in 1..=5000_u64 {
            window.remember(id(identity << 40), at(0));
            let (current, previous) = window.lengths();
            assert!((current + previous) * 2 <= window.slots.len());
        }
        assert_eq!(window.slots.len(), 4 * 1024, "two full generations");
    }

    #[test]
    fn a_window_restored_from_its_slices_is_the_same() {
        let mut window = window(700);
        let mut stored: std::collections::BTreeMap<(u64, usize), (u64, Vec<u64>)> =
            std::collections::BTreeMap::new();
        let mut identity = 1_u64;
        for round in 0..40 {
            for _ in 0..(round * 37) % 311 {
                identity = identity.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
                window.remember(id(identity), at(0));
            }
            for (generation, slice, identities) in window.unstored() {
                stored.insert((generation % 2, slice), (generation, identities.to_vec()));
            }
            window.mark_stored();
            let (current, previous) = window.lengths();
            let read = |generation: u64, len: usize| -> Vec<u64> {
                (0..len.div_ceil(SLICE_IDENTITIES))
                    .flat_map(|slice| {
                        let (found, identities) = &stored[&(generation % 2, slice)];
                        assert_eq!(*found, generation, "the slice is of this generation");
                        identities.clone()
                    })
                    .take(len)
                    .collect()
            };
            let generation = window.generation();
            assert_eq!(read(generation, current), window.current);
            assert_eq!(read(generation.wrapping_sub(1), previous), window.previous);
        }
    }
}
