//! ODS codes: up to eight letters and digits, which fit into one word.

use std::fmt;
use std::str::FromStr;

/// The ODS code of an Integrated Care Board, 1 to 8 characters `[A-Z0-9]`, or [`IcbCode::UNKNOWN`].
///
/// `Unknown` is a row of its own and comes first in order; in text it is the one code with lower-case
/// letters, so that no board can be taken for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcbCode([u8; 8]);

/// What is not a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a code; write 1 to 8 letters A to Z and digits")]
pub struct BadCode(pub(crate) String);

const UNKNOWN: &str = "Unknown";

impl IcbCode {
    /// The board of what cannot be placed. Prints as `Unknown`.
    pub const UNKNOWN: Self = Self([0; 8]);

    /// The code that these bytes spell, spaces around it and lower case forgiven.
    ///
    /// None if that leaves nothing, more than eight characters or others than letters and digits.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        pack(bytes).map(Self::from_packed)
    }

    /// The code, or `Unknown`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if self.is_unknown() {
            return UNKNOWN;
        }
        let zeros = u64::from_be_bytes(self.0).trailing_zeros() as usize / 8;
        str::from_utf8(&self.0[..8 - zeros]).expect("a code is ASCII")
    }

    /// Whether it is [`IcbCode::UNKNOWN`].
    #[must_use]
    pub fn is_unknown(self) -> bool {
        self == Self::UNKNOWN
    }

    pub(super) fn packed(self) -> u64 {
        let zeros = u64::from_be_bytes(self.0).trailing_zeros() & !7;
        u64::from_be_bytes(self.0).checked_shr(zeros).unwrap_or(0)
    }

    fn from_packed(packed: u64) -> Self {
        Self((packed << (packed.leading_zeros() & !7)).to_be_bytes())
    }
}

/// The code as one number, its characters upper-cased from the most significant byte on; none if it
/// is empty, longer than eight characters or has others than letters and digits. Spaces around it
/// (ASCII white space) are not part of it.
///
/// On the hot path, for every event: one pass, no allocation.
#[inline]
pub(super) fn pack(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    let mut packed = 0;
    let mut bad = false;
    for &byte in bytes {
        let upper = UPPER[usize::from(byte)];
        bad |= upper == 0;
        packed = packed << 8 | u64::from(upper);
    }
    (!bad).then_some(packed)
}

/// Letters upper-cased, digits as they are, everything else 0.
const UPPER: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = b'0';
    while byte <= b'z' {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = byte.to_ascii_uppercase();
        }
        byte += 1;
    }
    table
};

/// The code that a number from [`pack`] stands for.
pub(super) fn unpack(packed: u64) -> String {
    let bytes = packed.to_be_bytes();
    bytes
        .iter()
        .filter(|byte| **byte != 0)
        .map(|byte| char::from(*byte))
        .collect()
}

impl fmt::Display for IcbCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for IcbCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IcbCode {
    type Err = BadCode;

    /// Reads exactly what [`IcbCode::as_str`] writes, `Unknown` too.
    fn from_str(text: &str) -> Result<Self, BadCode> {
        if text == UNKNOWN {
            return Ok(Self::UNKNOWN);
        }
        let code = Self::parse(text.as_bytes()).filter(|code| code.as_str() == text);
        code.ok_or_else(|| BadCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spaces_and_lower_case_are_forgiven_in_events() {
        assert_eq!(IcbCode::parse(b" \tqm7\r\n").unwrap().as_str(), "QM7");
        for bytes in [
            &b""[..],
            b"  ",
            b"Q-7",
            b"Q M7",
            b"ABCDEFGHI",
            b"Q\xc3\x84",
            b"Q\0",
            b"QM7_",
        ] {
            assert_eq!(IcbCode::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn stored_codes_are_read_exactly() {
        assert_eq!("Unknown".parse(), Ok(IcbCode::UNKNOWN));
        assert_ne!("UNKNOWN".parse(), Ok(IcbCode::UNKNOWN));
        for text in ["", "qm7", " QM7", "unknown", "QM7>S1Y5D"] {
            assert_eq!(text.parse::<IcbCode>(), Err(BadCode(text.to_owned())));
        }
    }

    #[test]
    fn unknown_comes_before_every_code() {
        assert!(IcbCode::UNKNOWN < "0".parse().unwrap());
        assert_eq!(IcbCode::UNKNOWN.packed(), 0);
    }

    proptest! {
        /// For all codes: parse(print(c)) = c, unpack(pack(c)) = c, and the order is that of the texts.
        #[test]
        fn text_keeps_identity_and_order(a in "[A-Z0-9]{1,8}", b in "[A-Z0-9]{1,8}") {
            let (x, y): (IcbCode, IcbCode) = (a.parse().unwrap(), b.parse().unwrap());
            prop_assert_eq!(x.as_str(), a.as_str());
            prop_assert_eq!(unpack(pack(a.as_bytes()).unwrap()), a.as_str());
            prop_assert_eq!(Some(x.packed()), pack(a.as_bytes()));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
    }
}
