//! What an event is filed under: its board in every structure, once and for good.

use std::fmt;
use std::str::FromStr;

use super::codes::{BadCode, IcbCode};

/// A board under each structure of the reference data, the oldest first, in text `QM7>S1Y5D`.
///
/// The text is what is stored and published, so it is what is kept. Structures are told apart by
/// their place: reference data may get a new last structure, never another one before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage(Box<str>);

/// A lineage of one [`Geography`](crate::Geography), by its place there. 0 is `Unknown` throughout.
///
/// It means something only together with the geography it came from: whatever is stored or
/// published says the [`Lineage`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageId(pub u16);

impl LineageId {
    /// `Unknown` under every structure; the first of every geography.
    pub const UNKNOWN: Self = Self(0);
}

/// Between boards. Not a character of a code, of `Unknown`, or of a separator in keys.
const SEPARATOR: char = '>';

impl Lineage {
    /// The lineage of these boards, one per structure, the oldest first.
    pub(super) fn new(boards: &[IcbCode]) -> Self {
        assert!(
            !boards.is_empty(),
            "there is a structure, so there is a board"
        );
        let mut text = String::new();
        for board in boards {
            if !text.is_empty() {
                text.push(SEPARATOR);
            }
            text.push_str(board.as_str());
        }
        Self(text.into())
    }

    /// The text that it is stored as.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its boards, one per structure that was known when it was made, the oldest first. At least
    /// one.
    pub fn boards(&self) -> impl Iterator<Item = IcbCode> {
        self.0
            .split(SEPARATOR)
            .map(|code| code.parse().expect("checked when it was made"))
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Lineage {
    type Err = BadCode;

    /// Reads exactly what [`Lineage::as_str`] writes.
    fn from_str(text: &str) -> Result<Self, BadCode> {
        for code in text.split(SEPARATOR) {
            code.parse::<IcbCode>()?;
        }
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_is_its_text() {
        let lineage: Lineage = "QM7>S1Y5D>Unknown".parse().unwrap();
        let boards: Vec<IcbCode> = lineage.boards().collect();
        assert_eq!(
            boards,
            [
                "QM7".parse().unwrap(),
                "S1Y5D".parse().unwrap(),
                IcbCode::UNKNOWN
            ]
        );
        assert_eq!(Lineage::new(&boards), lineage);
        assert_eq!(lineage.to_string(), "QM7>S1Y5D>Unknown");
    }

    #[test]
    fn a_text_with_anything_but_codes_is_no_lineage() {
        for text in ["", ">", "QM7>", ">QM7", "QM7 >S1Y5D", "qm7", "QM7/S1Y5D"] {
            assert!(text.parse::<Lineage>().is_err(), "{text}");
        }
    }
}
