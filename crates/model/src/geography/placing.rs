//! From what an event names to its lineage: the hot path of the geography.

use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::codes::{IcbCode, pack};
use super::lineage::{Lineage, LineageId};

/// Every lineage there is, and the one of every practice and of every board's code.
#[derive(Debug, Clone)]
pub(super) struct Placing {
    practices: HashMap<u64, LineageId, BuildHasherDefault<Fold>>,
    codes: HashMap<u64, LineageId, BuildHasherDefault<Fold>>,
    lineages: Vec<Lineage>,
    ids: BTreeMap<Lineage, LineageId>,
    /// For each lineage a bit for each structure under which its board is `Unknown`.
    unknown: Vec<u64>,
}

/// Most structures that a lineage's bits can tell apart.
pub(super) const STRUCTURES_MAX: usize = 64;

/// More different lineages than a [`LineageId`] can tell apart.
#[derive(Debug)]
pub(super) struct TooManyLineages;

impl Placing {
    /// A table in which everything is `Unknown`.
    pub(super) fn new(structures: usize) -> Self {
        let mut placing = Self {
            practices: HashMap::default(),
            codes: HashMap::default(),
            lineages: Vec::new(),
            ids: BTreeMap::new(),
            unknown: Vec::new(),
        };
        let first = placing.intern(&vec![IcbCode::UNKNOWN; structures]);
        assert_eq!(first.ok(), Some(LineageId::UNKNOWN), "it is the first");
        placing
    }

    pub(super) fn add_code(
        &mut self,
        code: IcbCode,
        boards: &[IcbCode],
    ) -> Result<(), TooManyLineages> {
        let id = self.intern(boards)?;
        self.codes.insert(code.packed(), id);
        Ok(())
    }

    pub(super) fn add_practice(
        &mut self,
        practice: u64,
        boards: &[IcbCode],
    ) -> Result<(), TooManyLineages> {
        let id = self.intern(boards)?;
        self.practices.insert(practice, id);
        Ok(())
    }

    fn intern(&mut self, boards: &[IcbCode]) -> Result<LineageId, TooManyLineages> {
        let lineage = Lineage::new(boards);
        if let Some(id) = self.ids.get(&lineage) {
            return Ok(*id);
        }
        let id = LineageId(u16::try_from(self.lineages.len()).map_err(|_| TooManyLineages)?);
        let bit = |(place, board): (usize, &IcbCode)| u64::from(board.is_unknown()) << place;
        self.unknown.push(boards.iter().enumerate().map(bit).sum());
        self.lineages.push(lineage.clone());
        self.ids.insert(lineage, id);
        Ok(id)
    }

    #[inline]
    pub(super) fn place(&self, practice: &[u8], icb: &[u8]) -> LineageId {
        let known = pack(practice).and_then(|code| self.practices.get(&code));
        let known = known.or_else(|| pack(icb).and_then(|code| self.codes.get(&code)));
        known.copied().unwrap_or(LineageId::UNKNOWN)
    }

    pub(super) fn lineages(&self) -> &[Lineage] {
        &self.lineages
    }

    pub(super) fn id(&self, lineage: &Lineage) -> Option<LineageId> {
        self.ids.get(lineage).copied()
    }

    #[inline]
    pub(super) fn is_unknown(&self, id: LineageId, structure: usize) -> bool {
        self.unknown[usize::from(id.0)] >> structure & 1 == 1
    }
}

/// The hash of one packed code: a multiplication whose two halves are folded together, so that the
/// table's low bits (the slot) and high bits (the tag) depend on every character. The keys are
/// reference data, so nothing has to be defended against, and the order is the same in every run.
#[derive(Default, Clone)]
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the product are taken apart"
    )]
    fn write_u64(&mut self, word: u64) {
        /// 2^64 over the golden ratio, made odd.
        const MULTIPLIER: u128 = 0x9E37_79B9_7F4A_7C15;
        let product = u128::from(self.0 ^ word) * MULTIPLIER;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
