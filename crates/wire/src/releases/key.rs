//! Keys of the month-close topic, `2025-03/icb/QHM`.

use std::fmt;
use std::str::FromStr;

use model::Month;

/// The code of England, by the ONS.
pub const ENGLAND: &str = "E92000001";
/// The code of the board or region of what cannot be placed.
pub const UNKNOWN: &str = "Unknown";

/// How large a geography is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// An Integrated Care Board.
    Icb,
    /// An NHS England region.
    Region,
    /// All of England.
    England,
}

impl Level {
    /// All levels, the smallest geographies first.
    pub const ALL: [Self; 3] = [Self::Icb, Self::Region, Self::England];

    /// Its name, as published.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Icb => "icb",
            Self::Region => "region",
            Self::England => "england",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a level; write icb, region or england")]
pub struct UnknownLevel(String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text);
        found.ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

/// A month in a geography. Every revision of it has the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseKey<'a> {
    /// The month.
    pub month: Month,
    /// The level of the geography.
    pub level: Level,
    /// Its code, ASCII letters and digits: an ODS code, [`ENGLAND`] or [`UNKNOWN`].
    pub code: &'a str,
}

/// Not a key that appmi writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a key of the month-close topic; was it written by something else?")]
pub struct UnknownReleaseKey(String);

impl<'a> ReleaseKey<'a> {
    /// The bytes of the key.
    ///
    /// # Panics
    ///
    /// If the code is not one, since [`ReleaseKey::decode`] could not read the key again.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = self.to_string();
        assert!(
            ReleaseKey::parse(&text) == Some(*self),
            "the key `{text}` cannot be read again"
        );
        text.into_bytes()
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`UnknownReleaseKey`] for everything that [`ReleaseKey::encode`] does not write, byte for byte.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, UnknownReleaseKey> {
        str::from_utf8(bytes)
            .ok()
            .and_then(Self::parse)
            .ok_or_else(|| UnknownReleaseKey(bytes.escape_ascii().to_string()))
    }

    fn parse(text: &'a str) -> Option<Self> {
        let (month, rest) = text.split_once('/')?;
        let (level, code) = rest.split_once('/')?;
        let (month, level) = (month.parse().ok()?, level.parse().ok()?);
        let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let fits = is_code && (level == Level::England) == (code == ENGLAND);
        fits.then_some(Self { month, level, code })
    }
}

impl fmt::Display for ReleaseKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.month, self.level, self.code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_of_keys_stays_what_it_is() {
        let month = Month::new(2025, 3).unwrap();
        for (level, code, text) in [
            (Level::Icb, "QHM", "2025-03/icb/QHM"),
            (Level::Icb, UNKNOWN, "2025-03/icb/Unknown"),
            (Level::Region, "Y63", "2025-03/region/Y63"),
            (Level::England, ENGLAND, "2025-03/england/E92000001"),
        ] {
            let key = ReleaseKey { month, level, code };
            assert_eq!(key.encode(), text.as_bytes());
            assert_eq!(ReleaseKey::decode(text.as_bytes()), Ok(key));
        }
    }

    #[test]
    fn nothing_else_is_a_key() {
        for text in [
            "",
            "2025-03",
            "2025-03/icb",
            "2025-03/icb/",
            "2025-3/icb/QHM",
            "2025-03/ICB/QHM",
            "2025-03/practice/A81001",
            "2025-03/icb/Q HM",
            "2025-03/icb/QHM/0",
            "2025-03/icb/E92000001",
            "2025-03/england/QHM",
        ] {
            assert!(ReleaseKey::decode(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_are_named() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert!("Icb".parse::<Level>().is_err());
    }

    proptest! {
        // For all keys k: decode(encode(k)) = k.
        #[test]
        fn what_is_encoded_is_decoded(year in 1970_i16..2201, month in 1_u8..13, code in "[A-Z0-9]{1,5}") {
            let month = Month::new(year, month).unwrap();
            let key = ReleaseKey { month, level: Level::Region, code: &code };
            let bytes = key.encode();
            prop_assert_eq!(ReleaseKey::decode(&bytes), Ok(key));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = ReleaseKey::decode(&bytes);
        }
    }
}
