//! The registers of a sketch: flat, one byte each, in pages.
//!
//! A byte wastes two bits of it and buys an insert without read-modify-write of neighbours and a
//! union that the compiler turns into vector maxima. The rule of index and rank is that of
//! `hyperloglogplus` in its dense form, so that registers can be handed to it.

use std::fmt;

use crate::{Estimate, Precision, estimate_registers};

/// The registers of one sketch and which of its pages hold anything.
///
/// Equal sets of hashes give equal registers, whatever their order and repetition.
#[derive(Clone, PartialEq, Eq)]
pub struct Registers {
    precision: Precision,
    /// Bit `i` is set exactly if page `i` has a register above zero.
    touched: u64,
    ranks: Box<[u8]>,
}

impl Registers {
    /// An empty sketch. Memory comes zeroed from the system and is not written until it is used.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        Self {
            precision,
            touched: 0,
            ranks: vec![0; precision.registers()].into_boxed_slice(),
        }
    }

    /// Where a hash belongs and what it claims there: the index of its register, given by the top
    /// `p` bits, and its rank, the leading zeros of the remaining bits plus one.
    ///
    /// Split from [`raise`](Self::raise) so that a caller can compute the slots of many hashes,
    /// then touch their memory, then raise.
    #[must_use]
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an index has at most 18 bits, a rank is at most 61"
    )]
    pub const fn slot(precision: Precision, hash: u64) -> (usize, u8) {
        let p = precision.get();
        let index = (hash >> (64 - p)) as usize;
        // The bit behind the last one of the hash bounds the rank to 64 - p + 1.
        let rest = (hash << p) | (1 << (p - 1));
        (index, rest.leading_zeros() as u8 + 1)
    }

    /// Counts a hash. Returns whether it changed a register.
    #[inline]
    pub fn insert(&mut self, hash: u64) -> bool {
        let (index, rank) = Self::slot(self.precision, hash);
        self.raise(index, rank)
    }

    /// Raises the register at `index` to `rank`. Returns whether it was lower.
    ///
    /// # Panics
    /// If there is no register at `index`.
    #[inline]
    pub fn raise(&mut self, index: usize, rank: u8) -> bool {
        debug_assert!(rank <= self.precision.rank_max(), "{rank} is no rank");
        let register = &mut self.ranks[index];
        if *register >= rank {
            return false;
        }
        *register = rank;
        self.touched |= 1 << self.precision.page_of(index);
        true
    }

    /// The register at `index`. Reading the registers of several hashes before raising them
    /// lets their cache misses overlap.
    ///
    /// # Panics
    /// If there is no register at `index`.
    #[must_use]
    #[inline]
    pub fn peek(&self, index: usize) -> u8 {
        self.ranks[index]
    }

    /// How fine the sketch is.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// All registers, in order of their index.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.ranks
    }

    /// Bit `i` is set exactly if page `i` changed since the sketch was new or cleared.
    #[must_use]
    pub const fn touched(&self) -> u64 {
        self.touched
    }

    /// The numbers of the [`touched`](Self::touched) pages, ascending.
    pub fn touched_pages(&self) -> impl Iterator<Item = usize> + use<> {
        let touched = self.touched;
        (0..self.precision.pages()).filter(move |page| touched >> page & 1 == 1)
    }

    /// Whether no hash has been counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.touched == 0
    }

    /// The registers of page `page`.
    ///
    /// # Panics
    /// If the precision has fewer pages.
    #[must_use]
    pub fn page(&self, page: usize) -> &[u8] {
        let len = self.precision.page_len();
        &self.ranks[page * len..][..len]
    }

    /// Forgets everything, at the cost of the touched pages only.
    pub fn clear(&mut self) {
        for page in self.touched_pages() {
            self.page_mut(page).fill(0);
        }
        self.touched = 0;
    }

    /// Unites page `page` with the same page of another sketch of this precision.
    /// Returns whether anything changed.
    ///
    /// # Panics
    /// If the precision has fewer pages, or pages of another length.
    pub fn union_page(&mut self, page: usize, other: &[u8]) -> bool {
        let changed = union_into(self.page_mut(page), other);
        self.touched |= u64::from(changed) << page;
        changed
    }

    /// Unites with another sketch: as if every hash counted there had been counted here too.
    /// Returns whether anything changed.
    ///
    /// # Panics
    /// If the other sketch has another precision.
    pub fn union(&mut self, other: &Self) -> bool {
        assert_eq!(
            self.precision, other.precision,
            "sketches of one deployment share a precision"
        );
        let mut changed = false;
        for page in other.touched_pages() {
            changed |= self.union_page(page, other.page(page));
        }
        changed
    }

    /// How many distinct hashes were counted, about.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        estimate_registers(self.precision, &self.ranks)
    }

    fn page_mut(&mut self, page: usize) -> &mut [u8] {
        let len = self.precision.page_len();
        &mut self.ranks[page * len..][..len]
    }
}

/// Says what it is, not its up to 256 KiB of registers.
impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registers")
            .field("precision", &self.precision)
            .field("touched", &format_args!("{:#018x}", self.touched))
            .finish_non_exhaustive()
    }
}

/// Unites registers with others of the same length: the register-wise maximum.
/// Returns whether any of `dst` changed.
///
/// The loop has no branch, so that it compiles to vector instructions.
///
/// # Panics
/// If the lengths differ.
pub fn union_into(dst: &mut [u8], src: &[u8]) -> bool {
    assert_eq!(dst.len(), src.len(), "registers of one precision");
    let mut difference = 0;
    for (d, s) in dst.iter_mut().zip(src) {
        let higher = (*d).max(*s);
        difference |= *d ^ higher;
        *d = higher;
    }
    difference != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{hashes, precision, sketch_of};

    #[test]
    fn a_hash_is_an_index_and_a_rank() {
        let p16 = Precision::new(16).unwrap();
        assert_eq!(Registers::slot(p16, 0x0001_0fff_ffff_ffff), (1, 5));
        assert_eq!(Registers::slot(p16, 0x0002_ffff_ffff_ffff), (2, 1));
        assert_eq!(Registers::slot(p16, 0x0003_0000_0000_0001), (3, 48));
        assert_eq!(Registers::slot(p16, 0x0003_0000_0000_0000), (3, 49));
        assert_eq!(Registers::slot(Precision::MIN, 0), (0, 61));
        assert_eq!(Registers::slot(Precision::MAX, 0), (0, 47));
    }

    #[test]
    fn only_a_higher_rank_changes_a_register() {
        let mut sketch = Registers::new(Precision::MIN);
        assert!(sketch.raise(7, 3));
        assert!(!sketch.raise(7, 3));
        assert!(!sketch.raise(7, 2));
        assert!(sketch.raise(7, 4));
        assert_eq!(sketch.peek(7), 4);
    }

    #[test]
    fn a_clone_that_is_cleared_is_new() {
        let precision = Precision::new(12).unwrap();
        let mut sketch = sketch_of(precision, &[1, u64::MAX, 1 << 40, 0xabcd << 40]);
        assert!(!sketch.is_empty());
        sketch.clear();
        assert!(sketch.is_empty());
        assert_eq!(sketch, Registers::new(precision));
    }

    #[test]
    fn debug_does_not_print_registers() {
        let text = format!("{:?}", sketch_of(Precision::MIN, &[1 << 60]));
        assert_eq!(
            text,
            "Registers { precision: Precision(4), touched: 0x0000000000000002, .. }"
        );
    }

    #[test]
    #[should_panic(expected = "share a precision")]
    fn sketches_of_different_precision_do_not_unite() {
        Registers::new(Precision::MIN).union(&Registers::new(Precision::MAX));
    }

    proptest! {
        /// insert(a) then insert(b) = insert(b) then insert(a), and once = twice.
        #[test]
        fn order_and_repetition_do_not_matter(
            (forward, shuffled) in hashes().prop_flat_map(|h| (Just(h.clone()), Just(h).prop_shuffle())),
            p in precision(),
        ) {
            let once = sketch_of(p, &forward);
            let mut twice = sketch_of(p, &shuffled);
            for hash in &forward {
                prop_assert!(!twice.insert(*hash));
            }
            prop_assert_eq!(&once, &twice);
        }

        /// a ∪ b = b ∪ a = the sketch of both sets; (a ∪ b) ∪ c = a ∪ (b ∪ c); a ∪ a = a.
        #[test]
        fn union_is_that_of_sets(a in hashes(), b in hashes(), c in hashes(), p in precision()) {
            let (sa, sb, sc) = (sketch_of(p, &a), sketch_of(p, &b), sketch_of(p, &c));
            let of = |x: &Registers, y: &Registers| { let mut u = x.clone(); u.union(y); u };
            let both = [a, b].concat();

            prop_assert_eq!(of(&sa, &sb), sketch_of(p, &both));
            prop_assert_eq!(of(&sb, &sa), sketch_of(p, &both));
            prop_assert_eq!(of(&of(&sa, &sb), &sc), of(&sa, &of(&sb, &sc)));
            prop_assert!(!sa.clone().union(&sa));
        }

        /// changed(union) <=> the registers differ before and after.
        #[test]
        fn a_union_says_whether_it_changed_anything(a in hashes(), b in hashes(), p in precision()) {
            let mut united = sketch_of(p, &a);
            let before = united.clone();
            let changed = united.union(&sketch_of(p, &b));
            prop_assert_eq!(changed, united != before);
        }

        /// Bit i of touched <=> page i is not all zero.
        #[test]
        fn touched_pages_are_those_that_hold_something(a in hashes(), b in hashes(), p in precision()) {
            let mut sketch = sketch_of(p, &a);
            sketch.union(&sketch_of(p, &b));
            let expected: Vec<usize> = (0..p.pages())
                .filter(|page| sketch.page(*page).iter().any(|r| *r != 0))
                .collect();
            prop_assert_eq!(sketch.touched_pages().collect::<Vec<_>>(), expected);
        }
    }
}
