//! What changed in an input partition since its last checkpoint: event counts and registers per
//! month and lineage. It starts empty after every checkpoint, so counting never reads state.

use model::{LineageId, Month};
use sketch::{Precision, Registers};

/// The changes of one (month, lineage).
#[derive(Debug)]
pub struct DeltaCell {
    /// Month of the events.
    pub month: Month,
    /// What they are filed under.
    pub lineage: LineageId,
    /// Whether the board in force in that month is unknown.
    pub is_unknown: bool,
    /// Events counted since the last checkpoint.
    pub events: u64,
    /// Registers raised since then; none if the kind has no distinct users.
    pub registers: Option<Registers>,
}

/// The changed cells of one input partition.
#[derive(Debug)]
pub struct Delta {
    precision: Precision,
    has_users: bool,
    lineages: usize,
    first_month: Month,
    /// Cell + 1 by (month - first month) * lineages + lineage; 0 is none.
    index: Vec<u32>,
    cells: Vec<DeltaCell>,
}

impl Delta {
    /// An empty delta. Months before `first_month` and lineages from `lineages` on are not asked for.
    #[must_use]
    pub fn new(precision: Precision, has_users: bool, lineages: usize, first_month: Month) -> Self {
        Self {
            precision,
            has_users,
            lineages,
            first_month,
            index: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// The number of the cell of a month and lineage, made if there is none (then it is asked whether
    /// the board is unknown). Valid until [`Delta::clear`].
    ///
    /// # Panics
    /// If the month is before the first one.
    #[inline]
    pub fn cell(
        &mut self,
        month: Month,
        lineage: LineageId,
        is_unknown: impl FnOnce() -> bool,
    ) -> usize {
        let months =
            usize::try_from(month.since(self.first_month)).expect("not before the first month");
        let at = months * self.lineages + usize::from(lineage.0);
        match self.index.get(at) {
            Some(&cell) if cell > 0 => cell as usize - 1,
            _ => self.make(at, month, lineage, is_unknown()),
        }
    }

    /// The cell of that number, to be changed.
    #[inline]
    pub fn cell_mut(&mut self, cell: usize) -> &mut DeltaCell {
        &mut self.cells[cell]
    }

    /// Reads a register, so that it is in the cache when it is raised.
    #[inline]
    #[must_use]
    pub fn touch(&self, cell: usize, register: usize) -> u8 {
        self.cells[cell]
            .registers
            .as_ref()
            .map_or(0, |registers| registers.peek(register))
    }

    /// The cells in which something was counted.
    pub fn changed(&self) -> impl Iterator<Item = &DeltaCell> {
        self.cells.iter().filter(|cell| cell.events > 0)
    }

    /// Bytes of registers of the cells that changed, an upper bound of what a checkpoint writes.
    #[must_use]
    pub fn changed_bytes(&self) -> usize {
        self.changed().count() * self.cell_bytes()
    }

    fn cell_bytes(&self) -> usize {
        if self.has_users {
            self.precision.registers()
        } else {
            64
        }
    }

    /// Forgets all changes and gives their memory back: a delta holds what one checkpoint writes, not what the
    /// busiest one of its life wrote.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.index.fill(0);
    }

    #[cold]
    fn make(&mut self, at: usize, month: Month, lineage: LineageId, is_unknown: bool) -> usize {
        if self.index.len() <= at {
            self.index.resize(at + 1, 0);
        }
        let number = self.cells.len();
        let registers = self.has_users.then(|| Registers::new(self.precision));
        self.cells.push(DeltaCell {
            month,
            lineage,
            is_unknown,
            events: 0,
            registers,
        });
        self.index[at] =
            u32::try_from(number + 1).expect("months times lineages is far below 32 bits");
        number
    }
}
