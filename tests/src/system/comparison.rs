//! Released figures beside the oracle's.

use model::Month;
use workload::Oracle;

use super::released::Releases;

/// How the last releases of months compare with the exact figures.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Counts, all equal.
    pub exact: usize,
    /// Estimates.
    pub estimates: usize,
    /// Estimates whose printed interval holds the exact figure.
    pub inside: usize,
}

impl Comparison {
    /// Compares every measure of every geography of these months.
    ///
    /// # Panics
    /// If a count differs, or a month, a geography or a measure is missing or is too many.
    pub fn of(
        releases: &Releases,
        oracle: &Oracle,
        months: impl IntoIterator<Item = Month>,
    ) -> Self {
        Self::look(releases, oracle, months).unwrap_or_else(|difference| panic!("{difference}"))
    }

    /// As [`of`](Self::of), for somebody who waits for the last revision.
    ///
    /// # Errors
    /// The first difference.
    pub fn look(
        releases: &Releases,
        oracle: &Oracle,
        months: impl IntoIterator<Item = Month>,
    ) -> Result<Self, String> {
        let mut comparison = Self::default();
        for month in months {
            comparison.add(releases, oracle, month)?;
        }
        Ok(comparison)
    }

    fn add(&mut self, releases: &Releases, oracle: &Oracle, month: Month) -> Result<(), String> {
        let Some(released) = releases.last(month) else {
            return Err(format!("{month} was not released"));
        };
        let rows = oracle.measures(month);
        let figures: usize = released.values().map(|record| record.measures.len()).sum();
        if figures != rows.len() {
            return Err(format!("{month} has {figures} figures, not {}", rows.len()));
        }
        for row in rows {
            let place = (row.level.to_owned(), row.code.clone());
            let Some(record) = released.get(&place) else {
                return Err(format!("{month} lacks {place:?}"));
            };
            let named = |measure: &&wire::v1::Measure| measure.measure == row.measure;
            let Some(measure) = record.measures.iter().find(named) else {
                return Err(format!("{month} {place:?} lacks {row:?}"));
            };
            let interval = measure.lower_95..=measure.upper_95;
            let is_exact = interval == (row.value..=row.value);
            if !interval.contains(&measure.value) || !measure.estimated && !is_exact {
                return Err(format!("{month} {place:?}: {measure:?}, exactly {row:?}"));
            }
            if measure.estimated {
                self.estimates += 1;
                self.inside += usize::from(interval.contains(&row.value));
            } else {
                self.exact += 1;
            }
        }
        Ok(())
    }

    /// Whether at least 95 in 100 estimates are inside their interval.
    pub fn intervals_hold(&self) -> bool {
        self.estimates > 0 && self.inside * 100 >= self.estimates * 95
    }

    /// # Panics
    /// If fewer than 95 in 100 estimates are inside their interval.
    pub fn assert_intervals_hold(&self) {
        let Self {
            estimates, inside, ..
        } = self;
        assert!(
            self.intervals_hold(),
            "{inside} of {estimates} exact figures are inside their interval"
        );
    }
}
