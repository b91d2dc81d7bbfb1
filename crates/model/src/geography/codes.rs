//! ODS codes: up to eight letters and digits, which fit into one word.

use std::fmt;
use std::str::FromStr;

/// The ODS code of an Integrated Care Board, 1 to 8 characters `[A-Z0-9]`, or [`IcbCode::UNKNOWN`].
///
/// `Unknown` is a row of its own and comes first in order; in text it is the one code with
/// lower-case letters, so that no board can be taken for it.
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
        let len = self.0.iter().take_while(|byte| **byte != 0).count();
        str::from_utf8(&self.0[..len]).expect("a code is ASCII")
    }

    /// Whether it is [`IcbCode::UNKNOWN`].
    #[must_use]
    pub fn is_unknown(self) -> bool {
        self == Self::UNKNOWN
    }

    pub(super) fn packed(self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    fn from_packed(packed: u64) -> Self {
        Self(packed.to_le_bytes())
    }
}

/// The code as one number: its characters in upper case, the first in the lowest byte, zeros behind
/// the last. None if it is empty, longer than eight characters or has others than letters and
/// digits. Spaces around it (ASCII white space) are not part of it.
///
/// On the hot path, for every event: the characters are looked at all at once, as bytes of one
/// word.
#[inline]
pub(super) fn pack(bytes: &[u8]) -> Option<u64> {
    let bytes = bytes.trim_ascii();
    let word = word(bytes)?;
    let word = word ^ (in_range(word, b'a', b'z') >> 2); // 0x80 >> 2 is what lower case has more
    let good = in_range(word, b'A', b'Z') | in_range(word, b'0', b'9');
    (good == HIGH >> (64 - 8 * bytes.len())).then_some(word)
}

/// The bytes in the order of their weight; none if there are not 1 to 8. Where the parts overlap
/// they agree, so there is no loop and no copy.
#[inline]
fn word(bytes: &[u8]) -> Option<u64> {
    let shifted = |place: usize| u64::from(bytes[place]) << (8 * place);
    match bytes.len() {
        len @ 4..=8 => {
            let (first, last) = (bytes.first_chunk::<4>()?, bytes.last_chunk::<4>()?);
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (len - 4));
            Some(u64::from(u32::from_le_bytes(*first)) | last)
        }
        len @ 1..=3 => Some(shifted(0) | shifted(len / 2) | shifted(len - 1)),
        _ => None,
    }
}

/// The highest bit of every byte.
const HIGH: u64 = 0x8080_8080_8080_8080;
/// The lowest bit of every byte.
const LOW: u64 = 0x0101_0101_0101_0101;

/// The highest bit of every byte that is from `first` to `last`, both ASCII.
#[inline]
const fn in_range(word: u64, first: u8, last: u8) -> u64 {
    // Without their highest bits, no sum of two bytes carries into the next byte.
    let low = word & !HIGH;
    let from_first = low + LOW * (0x80 - first as u64);
    let above_last = low + LOW * (0x7f - last as u64);
    from_first & !above_last & !word & HIGH
}

/// The code that a number from [`pack`] stands for.
pub(super) fn unpack(packed: u64) -> String {
    let bytes = packed.to_le_bytes();
    bytes
        .iter()
        .take_while(|byte| **byte != 0)
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

    /// The rule, one character after the other.
    fn pack_slowly(bytes: &[u8]) -> Option<String> {
        let upper = bytes.trim_ascii().to_ascii_uppercase();
        let good = (1..=8).contains(&upper.len()) && upper.iter().all(u8::is_ascii_alphanumeric);
        good.then(|| String::from_utf8(upper).unwrap())
    }

    #[test]
    fn every_byte_is_judged_by_the_rule_at_every_place() {
        for len in 1..=9 {
            for place in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'q'; len];
                    bytes[place] = byte;
                    assert_eq!(pack(&bytes).map(unpack), pack_slowly(&bytes), "{bytes:?}");
                }
            }
        }
    }

    proptest! {
        /// For all codes: parse(print(c)) = c, unpack(pack(c)) = c, and the order is that of the
        /// texts.
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
