//! How much happens where: logins and unique users per board and month, as published, and what is
//! assumed for the months around them.

use std::collections::BTreeMap;

use model::Month;

use crate::item::Code;

/// Published figures, and their continuation into any month.
///
/// The three months March to May 2025 are the publication's. The quarters around them repeat these,
/// with a trend of 4 per mille a month (an assumption).
#[derive(Debug, Clone)]
pub struct Profile {
    /// Per published board, ascending by code: a figure for each month of the quarter.
    boards: BTreeMap<Code, [Figure; 3]>,
    first: Month,
}

/// What a board has in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figure {
    /// Logins.
    pub logins: u64,
    /// Distinct users logging in.
    pub unique_users: u64,
}

/// Month, board, logins and unique users as published for March to May 2025.
const PUBLISHED: &str = include_str!("../data/profile.csv");
const TREND_PER_MILLE: i64 = 4;

impl Profile {
    /// The profile of the publication's first quarter.
    ///
    /// # Panics
    /// Never: the figures are part of the program, and a test reads them.
    #[must_use]
    pub fn published() -> Self {
        let first = Month::new(2025, 3).expect("a month");
        let mut boards: BTreeMap<Code, [Figure; 3]> = BTreeMap::new();
        let mut reader = csv::Reader::from_reader(PUBLISHED.as_bytes());
        for row in reader.records() {
            let row = row.expect("the published figures are a table");
            let month: Month = row[0].parse().expect("the first column is a month");
            let code = Code::new(&row[1]).expect("the second is a board");
            let place = usize::try_from(month.since(first)).expect("of the quarter");
            let number = |column: usize| row[column].parse().expect("figures are numbers");
            boards.entry(code).or_default()[place] = Figure {
                logins: number(2),
                unique_users: number(3),
            };
        }
        Self { boards, first }
    }

    /// The boards that have figures, `Unknown` among them, ascending.
    pub fn boards(&self) -> impl Iterator<Item = Code> + '_ {
        self.boards.keys().copied()
    }

    /// What the board has in the month at full scale; none if the publication does not have it.
    #[must_use]
    pub fn figure(&self, board: Code, month: Month) -> Option<Figure> {
        let quarter = self.boards.get(&board)?;
        let place = month.since(self.first).rem_euclid(3);
        let published = quarter[usize::try_from(place).expect("below three")];
        let months_away = i64::from(month.since(self.first) - place);
        // Far in the past the trend stops at a fifth, so that no figure turns negative.
        let per_mille = (1000 + TREND_PER_MILLE * months_away)
            .max(200)
            .unsigned_abs();
        Some(Figure {
            logins: published.logins * per_mille / 1000,
            unique_users: published.unique_users * per_mille / 1000,
        })
    }
}

impl Figure {
    /// One in so many, rounded half up.
    #[must_use]
    pub fn one_in(self, divisor: u64) -> Self {
        let scaled = |figure: u64| (figure + divisor / 2) / divisor;
        Self {
            logins: scaled(self.logins),
            unique_users: scaled(self.unique_users),
        }
    }

    /// Both figures together with another's.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            logins: self.logins + other.logins,
            unique_users: self.unique_users + other.unique_users,
        }
    }
}

/// Splits `total` by weights into whole parts that add up to it exactly, each within one of its share.
pub(crate) fn apportion(total: u64, weights: &[u64]) -> Vec<u64> {
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if all == 0 {
        return vec![0; weights.len()];
    }
    let mut before = 0_u64;
    let mut so_far = 0_u128;
    let mut parts = Vec::with_capacity(weights.len());
    for weight in weights {
        so_far += u128::from(*weight);
        let until = u64::try_from(u128::from(total) * so_far / all).expect("at most the total");
        parts.push(until - before);
        before = until;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(board: &str, month: &str) -> Figure {
        let profile = Profile::published();
        profile
            .figure(Code::new(board).unwrap(), month.parse().unwrap())
            .unwrap()
    }

    #[test]
    fn the_published_months_are_as_published() {
        let expected = |logins, unique_users| Figure {
            logins,
            unique_users,
        };
        assert_eq!(figure("QE1", "2025-03"), expected(1_598_381, 323_886));
        assert_eq!(figure("QYG", "2025-05"), expected(2_450_776, 530_940));
        assert_eq!(figure("Unknown", "2025-04"), expected(27_304, 9_459));
        assert_eq!(Profile::published().boards().count(), 43);
    }

    #[test]
    fn every_published_month_has_every_board() {
        let profile = Profile::published();
        for board in profile.boards() {
            assert!(
                profile.boards[&board]
                    .iter()
                    .all(|figure| figure.logins > figure.unique_users)
            );
        }
    }

    #[test]
    fn the_quarters_around_repeat_it_with_a_mild_trend() {
        let march = figure("QE1", "2025-03").logins;
        assert_eq!(figure("QE1", "2025-06").logins, march * 1012 / 1000);
        assert_eq!(figure("QE1", "2024-12").logins, march * 988 / 1000);
        assert!(figure("QE1", "1990-03").logins > 0);
    }

    #[test]
    fn parts_add_up_and_stay_within_one_of_their_share() {
        assert_eq!(apportion(10, &[1, 1, 1]), [3, 3, 4]);
        assert_eq!(apportion(0, &[5, 7]), [0, 0]);
        assert_eq!(apportion(10, &[0, 0]), [0, 0]);
        assert_eq!(apportion(7, &[0, 3, 0]), [0, 7, 0]);
    }
}
