//! Keys of the partials topic.

use std::fmt;

use model::Month;

/// Most pages that the registers of a sketch are cut into.
pub const PAGES_MAX: u8 = 64;

/// Which piece of which input partition's state a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartialKey<'a> {
    /// The settings in force.
    Settings,
    /// How far an input partition has come.
    Progress {
        /// Name of the kind, `[a-z0-9_]+`.
        kind: &'a str,
        /// Number of the input partition.
        partition: u32,
    },
    /// A slice of a generation of the window of identities.
    Window {
        /// Name of the kind, `[a-z0-9_]+`.
        kind: &'a str,
        /// Number of the input partition.
        partition: u32,
        /// The generation modulo 2: a new generation overwrites the one before the former.
        parity: u8,
        /// Number of the slice, from 0.
        slice: u32,
    },
    /// The count of a cell.
    Count {
        /// Name of the kind, `[a-z0-9_]+`.
        kind: &'a str,
        /// Number of the input partition.
        partition: u32,
        /// The month.
        month: Month,
        /// The lineage, as it prints itself.
        lineage: &'a str,
    },
    /// A page of the registers of a cell.
    Page {
        /// Name of the kind, `[a-z0-9_]+`.
        kind: &'a str,
        /// Number of the input partition.
        partition: u32,
        /// The month.
        month: Month,
        /// The lineage, as it prints itself.
        lineage: &'a str,
        /// Number of the page, below [`PAGES_MAX`]; two digits in text.
        page: u8,
    },
}

/// Not a key that this version writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a key of the partials topic; was it written by something else, or by a newer appmi?"
)]
pub struct UnknownKey(String);

impl<'a> PartialKey<'a> {
    /// The bytes of the key.
    ///
    /// # Panics
    ///
    /// If a part of it is outside its range, since [`PartialKey::decode`] could not read it again.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let text = self.to_string();
        assert!(
            PartialKey::parse(&text) == Some(*self),
            "the key `{text}` cannot be read again"
        );
        text.into_bytes()
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// [`UnknownKey`] for everything that [`PartialKey::encode`] does not write, byte for byte.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, UnknownKey> {
        str::from_utf8(bytes)
            .ok()
            .and_then(Self::parse)
            .ok_or_else(|| UnknownKey(bytes.escape_ascii().to_string()))
    }

    fn parse(text: &'a str) -> Option<Self> {
        if text == "settings" {
            return Some(Self::Settings);
        }
        let (kind, rest) = text.split_once('/')?;
        let (partition, rest) = rest.split_once('/')?;
        let (kind, partition) = (kind_name(kind)?, number(partition)?);
        if rest == "progress" {
            return Some(Self::Progress { kind, partition });
        }
        let (first, rest) = rest.split_once('/')?;
        let (second, third) = rest.split_once('/')?;
        if first == "window" {
            let parity = match second {
                "0" => 0,
                "1" => 1,
                _ => return None,
            };
            return Some(Self::Window {
                kind,
                partition,
                parity,
                slice: number(third)?,
            });
        }
        let (month, lineage) = (first.parse().ok()?, lineage_text(second)?);
        if third == "count" {
            return Some(Self::Count {
                kind,
                partition,
                month,
                lineage,
            });
        }
        Some(Self::Page {
            kind,
            partition,
            month,
            lineage,
            page: page_number(third)?,
        })
    }
}

impl fmt::Display for PartialKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Settings => f.write_str("settings"),
            Self::Progress { kind, partition } => write!(f, "{kind}/{partition}/progress"),
            Self::Window {
                kind,
                partition,
                parity,
                slice,
            } => {
                write!(f, "{kind}/{partition}/window/{parity}/{slice}")
            }
            Self::Count {
                kind,
                partition,
                month,
                lineage,
            } => {
                write!(f, "{kind}/{partition}/{month}/{lineage}/count")
            }
            Self::Page {
                kind,
                partition,
                month,
                lineage,
                page,
            } => {
                write!(f, "{kind}/{partition}/{month}/{lineage}/{page:02}")
            }
        }
    }
}

fn kind_name(text: &str) -> Option<&str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!text.is_empty() && text.bytes().all(allowed)).then_some(text)
}

/// Board codes with `>` between them. Whether the reference data knows them is not asked here.
fn lineage_text(text: &str) -> Option<&str> {
    let is_code =
        |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.split('>').all(is_code).then_some(text)
}

/// A number in decimal without leading zeros or a sign.
fn number(text: &str) -> Option<u32> {
    let canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

fn page_number(text: &str) -> Option<u8> {
    let [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = *text.as_bytes() else {
        return None;
    };
    let page = (tens - b'0') * 10 + (ones - b'0');
    (page < PAGES_MAX).then_some(page)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn march() -> Month {
        Month::new(2025, 3).unwrap()
    }

    #[test]
    fn the_text_of_keys_stays_what_it_is() {
        let (kind, partition, month, lineage) = ("logins", 12, march(), "QM7>S1Y5D");
        for (key, text) in [
            (PartialKey::Settings, "settings"),
            (
                PartialKey::Progress { kind, partition },
                "logins/12/progress",
            ),
            (
                PartialKey::Window {
                    kind,
                    partition,
                    parity: 1,
                    slice: 3,
                },
                "logins/12/window/1/3",
            ),
            (
                PartialKey::Count {
                    kind,
                    partition,
                    month,
                    lineage,
                },
                "logins/12/2025-03/QM7>S1Y5D/count",
            ),
            (
                PartialKey::Page {
                    kind,
                    partition,
                    month,
                    lineage,
                    page: 7,
                },
                "logins/12/2025-03/QM7>S1Y5D/07",
            ),
            (
                PartialKey::Page {
                    kind: "settings",
                    partition: 0,
                    month,
                    lineage: "Unknown>Unknown",
                    page: 63,
                },
                "settings/0/2025-03/Unknown>Unknown/63",
            ),
        ] {
            assert_eq!(key.encode(), text.as_bytes());
            assert_eq!(PartialKey::decode(text.as_bytes()), Ok(key));
        }
    }

    #[test]
    fn a_key_has_one_spelling() {
        for text in [
            "",
            "Settings",
            "settings/",
            "logins",
            "logins/0",
            "/0/progress",
            "Logins/0/progress",
            "log-ins/0/progress",
            "logins//progress",
            "logins/00/progress",
            "logins/+1/progress",
            "logins/-1/progress",
            "logins/4294967296/progress",
            "logins/0/progress/",
            "logins/0/window/2/0",
            "logins/0/window/0",
            "logins/0/window/0/",
            "logins/0/window/0/01",
            "logins/0/window/0/0/0",
            "logins/0/2025-3/QHM/count",
            "logins/0/2025-13/QHM/count",
            "logins/0/2025-03//count",
            "logins/0/2025-03/QHM>/count",
            "logins/0/2025-03/Q HM/count",
            "logins/0/2025-03/QHM/Count",
            "logins/0/2025-03/QHM/7",
            "logins/0/2025-03/QHM/64",
            "logins/0/2025-03/QHM/007",
            "logins/0/2025-03/QHM/+7",
            "logins/0/2025-03/QHM/",
        ] {
            assert!(PartialKey::decode(text.as_bytes()).is_err(), "{text}");
        }
        assert!(PartialKey::decode(b"logins/0/2025-03/\xff/count").is_err());
    }

    #[test]
    fn an_unknown_key_is_shown() {
        let error = PartialKey::decode(b"x\xff").unwrap_err();
        assert!(
            error.to_string().starts_with(r"`x\xff` is not a key"),
            "{error}"
        );
    }

    #[test]
    #[should_panic(expected = "cannot be read again")]
    fn a_part_outside_its_range_is_a_bug() {
        let _ = PartialKey::Window {
            kind: "logins",
            partition: 0,
            parity: 2,
            slice: 0,
        }
        .encode();
    }

    fn key_parts() -> impl Strategy<Value = (String, u32, Month, String, u8, u32)> {
        let month =
            (1970_i16..2201, 1_u8..13).prop_map(|(year, month)| Month::new(year, month).unwrap());
        (
            "[a-z0-9_]{1,9}",
            any::<u32>(),
            month,
            "[A-Z0-9]{1,5}(>[A-Z0-9]{1,5}){0,2}",
            0..PAGES_MAX,
            any::<u32>(),
        )
    }

    proptest! {
        // For all keys k: decode(encode(k)) = k.
        #[test]
        fn what_is_encoded_is_decoded((kind, partition, month, lineage, page, slice) in key_parts()) {
            let (kind, lineage) = (&*kind, &*lineage);
            for key in [
                PartialKey::Progress { kind, partition },
                PartialKey::Window { kind, partition, parity: page % 2, slice },
                PartialKey::Count { kind, partition, month, lineage },
                PartialKey::Page { kind, partition, month, lineage, page },
            ] {
                let bytes = key.encode();
                prop_assert_eq!(PartialKey::decode(&bytes), Ok(key));
            }
        }

        // For all bytes b: if decode(b) = k then encode(k) = b.
        #[test]
        fn what_is_decoded_has_one_spelling(
            text in "(logins|a_1|[a-z/]{0,9})/([0-9]{1,2}|[0-9]{1,11})/(progress|window/[0-2]/[0-9]{1,2}|20[0-9]{2}-[01][0-9]/[A-Z>]{0,4}/(count|[0-9]{1,3}))",
        ) {
            if let Ok(key) = PartialKey::decode(text.as_bytes()) {
                prop_assert_eq!(key.encode(), text.as_bytes());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = PartialKey::decode(&bytes);
        }
    }
}
