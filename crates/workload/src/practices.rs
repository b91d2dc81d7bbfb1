//! GP practices and the zones they form: practices that have always shared their boards.
//!
//! A board that is split belongs to several zones, one per board that its practices go to. Zones are
//! what survives a restructuring, so accounts live in zones.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::Month;

use crate::item::Code;
use crate::profile::{Figure, Profile, apportion};

/// The month in which 36 boards replaced 42.
#[must_use]
pub(crate) fn succession() -> Month {
    Month::new(2026, 4).expect("a month")
}

const OLD: &str = "icb_ods_code_2022_07";
const NEW: &str = "icb_ods_code_2026_04";

/// How many open practices of each board go to which board in April 2026 (ODS data, open in 2025).
const ZONES: &str = include_str!("../data/zones.csv");
/// Practices of the synthetic list that have no board, as closed ones in the real one.
const BOARDLESS: usize = 12;

/// Practice codes by zone.
#[derive(Debug, Clone)]
pub struct Practices {
    text: String,
    zones: BTreeMap<(Code, Code), Vec<Code>>,
    boardless: Vec<Code>,
}

/// Why a list of practices can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not a table with the columns that are needed.
    #[error("the practices can't be read; give a CSV file with practice_ods_code, {OLD} and {NEW}")]
    Table(#[source] Option<csv::Error>),
    /// A board of the profile has no practice.
    #[error("no practice of board {0} has a board in 2026 too; add one")]
    NoPractice(String),
}

impl Practices {
    /// A made-up list with as many practices of each zone as there were open in 2025.
    ///
    /// # Panics
    /// Never: the numbers are part of the program, and a test reads them.
    #[must_use]
    pub fn synthetic() -> Self {
        let mut text = format!("practice_ods_code,{OLD},{NEW}\n");
        let mut next = 10_001..;
        let mut add = |old: &str, new: &str, count: usize| {
            for number in next.by_ref().take(count) {
                writeln!(text, "Z{number},{old},{new}").expect("text grows");
            }
        };
        let mut reader = csv::Reader::from_reader(ZONES.as_bytes());
        for row in reader.records() {
            let row = row.expect("the zones are a table");
            add(
                &row[0],
                &row[1],
                row[2].parse().expect("a number of practices"),
            );
        }
        add("", "", BOARDLESS);
        Self::parse(&text).expect("made a moment ago")
    }

    /// Reads a list in the format of the practices file, so that events name practices of it.
    ///
    /// # Errors
    /// If it lacks a column or a board of the published profile has no practice.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = reader
            .headers()
            .map_err(|error| Error::Table(Some(error)))?;
        let column = |name| headers.iter().position(|header| header == name);
        let (Some(code), Some(old), Some(new)) =
            (column("practice_ods_code"), column(OLD), column(NEW))
        else {
            return Err(Error::Table(None));
        };
        let boards: Vec<Code> = Profile::published().boards().collect();
        let mut zones: BTreeMap<(Code, Code), Vec<Code>> = BTreeMap::new();
        let mut boardless = Vec::new();
        for row in reader.records() {
            let row = row.map_err(|error| Error::Table(Some(error)))?;
            let field = |place| row.get(place).and_then(Code::new).unwrap_or_default();
            let (code, old, new) = (field(code), field(old), field(new));
            if old.is_empty() && new.is_empty() {
                boardless.push(code);
            } else if boards.contains(&old) && !new.is_empty() {
                zones.entry((old, new)).or_default().push(code);
            }
        }
        for board in boards {
            if board.as_str() != UNKNOWN && !zones.keys().any(|(old, _)| *old == board) {
                return Err(Error::NoPractice(board.as_str().to_owned()));
            }
        }
        let text = text.to_owned();
        Ok(Self {
            text,
            zones,
            boardless,
        })
    }

    /// The list as a practices file, for whoever places the events.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

pub(crate) const UNKNOWN: &str = "Unknown";

/// Accounts that are always reported under the same boards.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    /// Its board before and from April 2026.
    pub(crate) old: Code,
    pub(crate) new: Code,
    /// Its practices; empty for the zone of what can't be placed.
    pub(crate) practices: Vec<Code>,
    /// Whether its old board has only this one zone, so that the old code alone still says the new one.
    pub(crate) is_whole: bool,
}

impl Zone {
    /// Its board in a month.
    pub(crate) fn board(&self, month: Month) -> Code {
        if month < succession() {
            self.old
        } else {
            self.new
        }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.practices.is_empty()
    }
}

/// All zones, and how the profile's figures fall on them.
#[derive(Debug, Clone)]
pub(crate) struct Zones {
    pub(crate) zones: Vec<Zone>,
    pub(crate) boardless: Vec<Code>,
    /// Boards that were split, whose code alone says nothing from April 2026 on.
    pub(crate) split: Vec<Code>,
    profile: Profile,
}

impl Zones {
    pub(crate) fn new(profile: Profile, practices: &Practices) -> Self {
        let parts = |old: Code| {
            practices
                .zones
                .keys()
                .filter(move |zone| zone.0 == old)
                .count()
        };
        let mut zones: Vec<Zone> = practices
            .zones
            .iter()
            .map(|(&(old, new), practices)| Zone {
                old,
                new,
                practices: practices.clone(),
                is_whole: parts(old) == 1,
            })
            .collect();
        let unknown = Code::new(UNKNOWN).expect("short");
        zones.push(Zone {
            old: unknown,
            new: unknown,
            practices: Vec::new(),
            is_whole: true,
        });
        let split = profile.boards().filter(|board| parts(*board) > 1).collect();
        Self {
            zones,
            boardless: practices.boardless.clone(),
            split,
            profile,
        }
    }

    /// What each board in force in the month has at one in `divisor`: the figures that the logins meet exactly.
    pub(crate) fn boards(&self, month: Month, divisor: u64) -> BTreeMap<Code, Figure> {
        let mut boards: BTreeMap<Code, Figure> = BTreeMap::new();
        for (zone, figure) in self.zones.iter().zip(self.at_full_scale(month)) {
            let sum = boards.entry(zone.board(month)).or_default();
            *sum = sum.plus(figure);
        }
        for figure in boards.values_mut() {
            *figure = figure.one_in(divisor);
        }
        boards
    }

    /// What each zone has in the month at one in `divisor`; the zones of a board add up to the board.
    pub(crate) fn figures(&self, month: Month, divisor: u64) -> Vec<Figure> {
        let full = self.at_full_scale(month);
        let mut figures = vec![Figure::default(); full.len()];
        for (board, total) in self.boards(month, divisor) {
            let members: Vec<usize> = (0..full.len())
                .filter(|zone| self.zones[*zone].board(month) == board)
                .collect();
            let weights = |of: fn(&Figure) -> u64| -> Vec<u64> {
                members.iter().map(|zone| of(&full[*zone])).collect()
            };
            let logins = apportion(total.logins, &weights(|figure| figure.logins));
            let users = apportion(total.unique_users, &weights(|figure| figure.unique_users));
            for ((zone, logins), users) in members.into_iter().zip(logins).zip(users) {
                figures[zone] = Figure {
                    logins,
                    // A login needs a user, and a user a login.
                    unique_users: users.clamp(logins.min(1), logins),
                };
            }
        }
        figures
    }

    /// A board's published figures fall on its zones by their practices.
    fn at_full_scale(&self, month: Month) -> Vec<Figure> {
        let mut figures = vec![Figure::default(); self.zones.len()];
        for board in self.profile.boards() {
            let Some(total) = self.profile.figure(board, month) else {
                continue;
            };
            let members: Vec<usize> = (0..self.zones.len())
                .filter(|zone| self.zones[*zone].old == board)
                .collect();
            let weights: Vec<u64> = members
                .iter()
                .map(|zone| u64::try_from(self.zones[*zone].practices.len().max(1)).expect("few"))
                .collect();
            let logins = apportion(total.logins, &weights);
            let users = apportion(total.unique_users, &weights);
            for ((zone, logins), unique_users) in members.into_iter().zip(logins).zip(users) {
                figures[zone] = Figure {
                    logins,
                    unique_users,
                };
            }
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones() -> Zones {
        Zones::new(Profile::published(), &Practices::synthetic())
    }

    #[test]
    fn a_split_board_has_a_zone_for_each_of_its_successors() {
        let zones = zones();
        let parts = |old: &str| {
            zones
                .zones
                .iter()
                .filter(|zone| zone.old.as_str() == old)
                .count()
        };
        assert_eq!(
            (parts("QM7"), parts("QJG"), parts("QNQ"), parts("QE1")),
            (2, 2, 3, 1)
        );
        let split: Vec<&str> = zones.split.iter().map(Code::as_str).collect();
        assert_eq!(split, ["QJG", "QM7", "QNQ"]);
    }

    #[test]
    fn the_zones_of_a_board_add_up_to_its_scaled_figure_before_and_after_the_succession() {
        let zones = zones();
        for month in ["2025-03", "2026-03", "2026-04"] {
            let month: Month = month.parse().unwrap();
            for divisor in [1, 100, 50_000] {
                let figures = zones.figures(month, divisor);
                for (board, total) in zones.boards(month, divisor) {
                    let logins: u64 = (0..figures.len())
                        .filter(|zone| zones.zones[*zone].board(month) == board)
                        .map(|zone| figures[zone].logins)
                        .sum();
                    assert_eq!(logins, total.logins, "{board:?} {month} 1/{divisor}");
                }
            }
        }
        assert_eq!(zones.boards("2025-03".parse().unwrap(), 100).len(), 43);
        assert_eq!(zones.boards(succession(), 100).len(), 37);
    }

    #[test]
    fn a_succession_moves_logins_between_boards_and_keeps_their_sum() {
        let zones = zones();
        let total = |month: &str| -> u64 {
            zones
                .boards(month.parse().unwrap(), 1)
                .values()
                .map(|figure| figure.logins)
                .sum()
        };
        let (march, april) = (total("2026-03"), total("2026-04"));
        assert!(april.abs_diff(march) * 20 < march, "{march} {april}");
    }

    #[test]
    fn a_list_without_a_needed_column_or_board_is_refused() {
        assert!(matches!(
            Practices::parse("a,b\n1,2\n"),
            Err(Error::Table(None))
        ));
        let text = "practice_ods_code,icb_ods_code_2022_07,icb_ods_code_2026_04\nA1,QE1,QE1\n";
        assert!(matches!(Practices::parse(text), Err(Error::NoPractice(_))));
    }
}
