//! Where events happened: dated boards and regions, and what an event is filed under.
//!
//! Boards change, and three of them were split, so no function leads from old boards to new ones.
//! An event is therefore filed under a [`Lineage`], its board in every structure, and a month is
//! reported under the structure that was in force in it. Reference data is data: it comes as text,
//! is checked against itself, and is looked up from tables that are made once.

mod codes;
mod lineage;
mod placing;
mod practices;
mod reference;
mod structures;
mod table;

use std::fmt;

use sha2::{Digest, Sha256};

pub use codes::{BadCode, IcbCode};
pub use lineage::{Lineage, LineageId};
pub use structures::{Board, Region};

use crate::Month;
use placing::{Placing, STRUCTURES_MAX, TooManyLineages};
use practices::Practice;
use reference::Row;
use structures::{Structure, boards_of_code, structures};
use table::{HEADER, Problems};

/// The built-in boards of England, from their start in July 2022 on.
const BUILTIN: (&str, &str) = ("built-in icbs.csv", include_str!("../data/icbs.csv"));

/// The reference data of boards and regions and, if it was loaded, the lookup of practices.
#[derive(Clone)]
pub struct Geography {
    /// At least one, the oldest first.
    structures: Vec<Structure>,
    /// The first month of each structure.
    starts: Vec<Month>,
    placing: Placing,
    digest: String,
}

impl Geography {
    /// The built-in boards, without a lookup of practices.
    ///
    /// # Panics
    /// If the built-in data contradicts itself, which a test excludes.
    #[must_use]
    pub fn builtin() -> Self {
        Self::load(None, None).expect("the built-in data is checked by a test")
    }

    /// Reads reference data, each file as its name and its text: boards that replace the built-in
    /// ones, and a lookup of practices.
    ///
    /// Boards: columns `icb_ods_code`, `icb_name`, `region_ods_code`, `region_name`, `valid_from`
    /// and `valid_to` (first days of months; `valid_to` the first no longer in force, empty without
    /// an end) and `successor_ods_codes` (or `successor_ods_code`; separated by `;`). Practices:
    /// `practice_ods_code` and, for each structure that the boards have, `icb_ods_code_YYYY_MM`
    /// with its first month. Other columns are ignored. A practice without a board has an empty
    /// field, or `WALES` as in extracts of ODS.
    ///
    /// # Errors
    /// Every problem at once, each as `file:line: what is wrong; what to do`. Practices are looked
    /// at once the boards have none.
    pub fn load(
        icbs: Option<(&str, &str)>,
        practices: Option<(&str, &str)>,
    ) -> Result<Self, Vec<String>> {
        let (file, text) = icbs.unwrap_or(BUILTIN);
        let mut problems = Problems::new(file);
        let rows = reference::read(text, &mut problems);
        let structures = structures(&rows);
        if structures.len() > STRUCTURES_MAX {
            let problem =
                format!("boards change in more than {STRUCTURES_MAX} months; leave out early ones");
            problems.add(HEADER, problem);
        }
        let structures = problems.into_result(structures)?;

        let file = practices.map_or(file, |(file, _)| file);
        let mut problems = Problems::new(file);
        let practices = match practices {
            Some((_, text)) => practices::read(text, &structures, &mut problems),
            None => Vec::new(),
        };
        let practices = problems.into_result(practices)?;
        let placing = placing(&structures, &rows, &practices).map_err(|TooManyLineages| {
            vec![format!(
                "{file}:{HEADER}: more than 65536 different rows of boards; check the file"
            )]
        })?;
        let starts = structures.iter().map(|structure| structure.from).collect();
        Ok(Self {
            structures,
            starts,
            placing,
            digest: digest(&rows, &practices),
        })
    }

    /// What an event is filed under that names this practice and this board; either may be empty.
    ///
    /// Spaces around a code and its case do not count. A practice that the lookup knows wins, also
    /// where it has no board. Without one, the board's code decides: under each structure it is
    /// itself if in force then, else its only successor, else `Unknown`. Runs for every event and
    /// allocates nothing.
    #[inline]
    #[must_use]
    pub fn place(&self, practice: &[u8], icb: &[u8]) -> LineageId {
        self.placing.place(practice, icb)
    }

    /// The lineage of that id, which must come from this geography.
    #[must_use]
    pub fn lineage(&self, id: LineageId) -> &Lineage {
        &self.placing.lineages()[usize::from(id.0)]
    }

    /// How many lineages there are; ids are below it.
    #[must_use]
    pub fn lineages(&self) -> usize {
        self.placing.lineages().len()
    }

    /// The id of a lineage; none if no event can be filed under it now, as with one that was
    /// counted under other reference data.
    #[must_use]
    pub fn lineage_id(&self, lineage: &Lineage) -> Option<LineageId> {
        self.placing.id(lineage)
    }

    /// Whether events of that lineage and month are reported as `Unknown`.
    #[inline]
    #[must_use]
    pub fn is_unknown(&self, id: LineageId, month: Month) -> bool {
        self.structure_at(month)
            .is_none_or(|place| self.placing.is_unknown(id, place))
    }

    /// The boards in force in a month, ascending by code, without `Unknown`. None before
    /// [`Geography::first_month`].
    #[must_use]
    pub fn boards_in(&self, month: Month) -> &[Board] {
        self.structure_at(month)
            .map_or(&[], |place| &self.structures[place].boards)
    }

    /// The regions of these boards, ascending by code, without `Unknown`.
    #[must_use]
    pub fn regions_in(&self, month: Month) -> &[Region] {
        self.structure_at(month)
            .map_or(&[], |place| &self.structures[place].regions)
    }

    /// The board that a lineage is reported under in a month: that of the structure in force then.
    ///
    /// Under structures that were added after the lineage was made it follows the only successor of
    /// its last board. `Unknown` where there is none, where the board has no row in that month, and
    /// before [`Geography::first_month`].
    #[must_use]
    pub fn board_of(&self, lineage: &Lineage, month: Month) -> IcbCode {
        let Some(wanted) = self.structure_at(month) else {
            return IcbCode::UNKNOWN;
        };
        let mut last = (0, IcbCode::UNKNOWN);
        for (place, board) in lineage.boards().enumerate().take(wanted + 1) {
            last = (place, board);
        }
        let (known, board) = last;
        let added = &self.structures[known..wanted];
        let board = added
            .iter()
            .fold(board, |board, structure| structure.next_of(board));
        self.structures[wanted].or_unknown(board)
    }

    /// The region of a board in a month; none, which is `Unknown`, if the board is not in force in
    /// it.
    #[must_use]
    pub fn region_of(&self, code: IcbCode, month: Month) -> Option<&Region> {
        let structure = &self.structures[self.structure_at(month)?];
        let board = structure.board(code)?;
        structure
            .regions
            .iter()
            .find(|region| region.code == board.region_code)
    }

    /// The first month that has boards. Earlier months cannot be published.
    #[must_use]
    pub fn first_month(&self) -> Month {
        self.starts[0]
    }

    /// The first month of every structure, ascending. At least one.
    ///
    /// A lineage's boards belong to structures by their place, so reference data that follows other
    /// data must begin with the same months.
    #[must_use]
    pub fn structures(&self) -> &[Month] {
        &self.starts
    }

    /// Sixteen bytes in hexadecimal over everything here that shapes cells and releases. The order
    /// of rows, spaces, ignored columns, and a board's rows that only repeat each other do not
    /// change it.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest.clone()
    }

    /// The place of the structure in force in a month. There are two or three, so a scan from the
    /// newest.
    #[inline]
    fn structure_at(&self, month: Month) -> Option<usize> {
        self.starts.iter().rposition(|start| *start <= month)
    }
}

impl fmt::Debug for Geography {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut geography = f.debug_struct("Geography");
        geography
            .field("structures", &self.starts)
            .field("lineages", &self.lineages());
        geography
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Ids follow the order of codes, then of practices, so equal data has equal ids.
fn placing(
    structures: &[Structure],
    rows: &[Row],
    practices: &[Practice],
) -> Result<Placing, TooManyLineages> {
    let mut placing = Placing::new(structures.len());
    for row in rows {
        placing.add_code(row.code, &boards_of_code(structures, row.code))?;
    }
    for practice in practices {
        placing.add_practice(practice.code, &practice.boards)?;
    }
    Ok(placing)
}

fn digest(rows: &[Row], practices: &[Practice]) -> String {
    // No field holds a control character, so these separators make the rendering unambiguous.
    const FIELD: &str = "\u{1f}";
    let mut hash = Sha256::new();
    for row in rows {
        let successors: Vec<&str> = row.successors.iter().map(IcbCode::as_str).collect();
        let to = row.to.map(String::from).unwrap_or_default();
        let fields = [
            "board",
            row.code.as_str(),
            &row.name,
            &row.region_code,
            &row.region_name,
            &row.from.to_string(),
            &to,
            &successors.join(";"),
        ];
        hash.update(fields.join(FIELD) + "\n");
    }
    for practice in practices {
        let code = codes::unpack(practice.code);
        let lineage = Lineage::new(&practice.boards);
        let fields = ["practice", &code, lineage.as_str()];
        hash.update(fields.join(FIELD) + "\n");
    }
    hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
