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
        let mut comparison = Self::default();
        for month in months {
            comparison.add(releases, oracle, month);
        }
        comparison
    }

    fn add(&mut self, releases: &Releases, oracle: &Oracle, month: Month) {
        let released = releases.last(month);
        let released = released.unwrap_or_else(|| panic!("{month} was not released"));
        let rows = oracle.measures(month);
        let figures: usize = released.values().map(|record| record.measures.len()).sum();
        assert_eq!(
            figures,
            rows.len(),
            "{month} has every measure and no other"
        );
        for row in rows {
            let place = (row.level.to_owned(), row.code.clone());
            let record = released.get(&place);
            let record = record.unwrap_or_else(|| panic!("{month} lacks {place:?}"));
            let named = |measure: &&wire::v1::Measure| measure.measure == row.measure;
            let measure = record.measures.iter().find(named);
            let measure = measure.unwrap_or_else(|| panic!("{month} {place:?}: {row:?}"));
            let interval = measure.lower_95..=measure.upper_95;
            assert!(
                interval.contains(&measure.value),
                "{month} {place:?}: {measure:?}"
            );
            if measure.estimated {
                self.estimates += 1;
                self.inside += usize::from(interval.contains(&row.value));
            } else {
                self.exact += 1;
                assert_eq!(
                    interval,
                    row.value..=row.value,
                    "{month} {place:?}: {measure:?}"
                );
            }
        }
    }

    /// # Panics
    /// If fewer than 95 in 100 estimates are inside their interval.
    pub fn assert_intervals_hold(&self) {
        let Self {
            estimates, inside, ..
        } = self;
        assert!(
            *estimates > 0 && inside * 100 >= estimates * 95,
            "{inside} of {estimates} exact figures are inside their interval"
        );
    }
}
