//! Figures with their error and the logical bounds between them: a figure that contradicts its
//! neighbour helps nobody.

use std::collections::BTreeMap;

use model::{Measure, Month};
use sketch::Estimate;
use wire::v1;

use crate::Options;

/// A value with its 95 % interval; for an exact one all three are the same and the error is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Figure {
    value: u64,
    lower_95: u64,
    upper_95: u64,
    relative_standard_error: f64,
}

impl Figure {
    pub(super) fn exact(value: u64) -> Self {
        Self {
            value,
            lower_95: value,
            upper_95: value,
            relative_standard_error: 0.0,
        }
    }

    pub(super) fn estimated(estimate: &Estimate) -> Self {
        Self {
            value: whole(estimate.value.round()),
            lower_95: whole(estimate.lower_95().floor()),
            upper_95: whole(estimate.upper_95().ceil()),
            relative_standard_error: estimate.relative_standard_error,
        }
    }

    /// Bounds value and interval from above.
    pub(super) fn at_most(self, bound: u64) -> Self {
        Self {
            value: self.value.min(bound),
            lower_95: self.lower_95.min(bound),
            upper_95: self.upper_95.min(bound),
            ..self
        }
    }

    /// Bounds value and interval from below by those of another figure.
    pub(super) fn at_least(self, bound: &Self) -> Self {
        Self {
            value: self.value.max(bound.value),
            lower_95: self.lower_95.max(bound.lower_95),
            upper_95: self.upper_95.max(bound.upper_95),
            ..self
        }
    }

    /// The measure of a release.
    pub(super) fn measure(
        &self,
        options: &Options,
        name: &str,
        measure: Measure,
        month: Month,
    ) -> v1::Measure {
        let months_covered = match measure {
            Measure::Users12Months(_) => months_covered(options.first_month, month),
            Measure::Count(_) | Measure::Users(_) | Measure::AllTime(_) => 0,
        };
        v1::Measure {
            measure: name.to_owned(),
            value: self.value,
            estimated: measure.is_estimated(),
            relative_standard_error: self.relative_standard_error,
            lower_95: self.lower_95,
            upper_95: self.upper_95,
            months_covered,
        }
    }
}

/// Months that a 12-month figure covers: `min(12, months since the first month + 1)`.
fn months_covered(first_month: Month, month: Month) -> u32 {
    u32::try_from(month.since(first_month) + 1)
        .unwrap_or(0)
        .min(12)
}

/// A region has at least the users of its largest ICB, England those of its largest region.
/// Slots 1 and 2 are distinct users, within the month and within 12 months.
pub(super) fn nest(
    figures: &mut [[Figure; 4]],
    region_of: &BTreeMap<usize, usize>,
    england: usize,
) {
    for slot in [1, 2] {
        for (board, region) in region_of {
            figures[*region][slot] = figures[*region][slot].at_least(&figures[*board][slot]);
        }
        for region in region_of.values() {
            figures[england][slot] = figures[england][slot].at_least(&figures[*region][slot]);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rounded estimate of a count: not negative, far below 2^53, and the cast saturates"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
