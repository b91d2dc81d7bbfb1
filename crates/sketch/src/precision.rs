//! How fine a sketch is, and everything that follows from it: sizes, ranks, the expected error.

/// The number `p` of hash bits that choose a register: 4 to 18.
///
/// A sketch has `m = 2^p` registers of one byte. One step more halves the variance and doubles
/// the memory. Sketches of different precision cannot be united.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Precision(u8);

impl Precision {
    /// The coarsest for which the bias of the estimate is known.
    pub const MIN: Self = Self(4);
    /// The finest for which the bias of the estimate is known.
    pub const MAX: Self = Self(18);

    /// `p` bits, or `None` outside of 4 to 18.
    #[must_use]
    pub const fn new(p: u8) -> Option<Self> {
        if p < Self::MIN.0 || p > Self::MAX.0 {
            None
        } else {
            Some(Self(p))
        }
    }

    /// `p` itself, in bits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The number `m = 2^p` of registers, which is also their size in bytes.
    #[must_use]
    pub const fn registers(self) -> usize {
        1 << self.0
    }

    /// Into how many pages the registers are divided: 64, or `m` if that is less.
    #[must_use]
    pub const fn pages(self) -> usize {
        1 << (self.0 - self.page_bits())
    }

    /// Registers in a page: 1 to 4096, a power of two.
    #[must_use]
    pub const fn page_len(self) -> usize {
        1 << self.page_bits()
    }

    /// The page of the register at `index`.
    #[must_use]
    #[inline]
    pub const fn page_of(self, index: usize) -> usize {
        index >> self.page_bits()
    }

    /// The highest value of a register, `64 - p + 1`: all bits behind the index are zero.
    #[must_use]
    pub const fn rank_max(self) -> u8 {
        64 - self.0 + 1
    }

    /// The standard error of an estimate relative to its value, `1.04 / sqrt(m)`: 0.4 % at `p = 16`.
    ///
    /// Source: Flajolet, Fusy, Gandouet, Meunier: *HyperLogLog: the analysis of a near-optimal
    /// cardinality estimation algorithm* (2007), theorem 1.
    #[must_use]
    pub fn relative_standard_error(self) -> f64 {
        1.04 / f64::from(1_u32 << self.0).sqrt()
    }

    /// The bits of an index that lie within its page.
    const fn page_bits(self) -> u8 {
        self.0.saturating_sub(6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_4_to_18() {
        let accepted: Vec<u8> = (0..=u8::MAX)
            .filter(|p| Precision::new(*p).is_some())
            .collect();
        assert_eq!(accepted, (4..=18).collect::<Vec<_>>());
    }

    /// pages * page_len = registers, and pages <= 64 so that a u64 can be their mask.
    #[test]
    fn pages_divide_the_registers() {
        for p in 4..=18 {
            let precision = Precision::new(p).unwrap();
            assert_eq!(
                precision.pages() * precision.page_len(),
                precision.registers()
            );
            assert_eq!(precision.pages(), precision.registers().min(64));
            assert_eq!(
                precision.page_of(precision.registers() - 1),
                precision.pages() - 1
            );
        }
    }

    #[test]
    fn precision_16_has_an_error_of_four_thousandths() {
        let error = Precision::new(16).unwrap().relative_standard_error();
        assert!((error - 0.004_062_5).abs() < 1e-12, "{error}");
    }
}
