//! The name of a release, `2025-03/0`.

use std::fmt;
use std::str::FromStr;

use model::Month;

/// Which release of which month: the value of the header [`crate::headers::RELEASE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId {
    /// The month.
    pub month: Month,
    /// 0 for the close, then counting up.
    pub revision: u32,
}

/// Not the name of a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a release; write month and revision as 2025-03/0")]
pub struct BadReleaseId(String);

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.month, self.revision)
    }
}

impl FromStr for ReleaseId {
    type Err = BadReleaseId;

    /// Reads exactly what is printed: no signs, no leading zeros.
    fn from_str(text: &str) -> Result<Self, BadReleaseId> {
        let parse = || {
            let (month, revision) = text.split_once('/')?;
            Some(Self {
                month: month.parse().ok()?,
                revision: revision.parse().ok()?,
            })
        };
        parse()
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| BadReleaseId(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_named_by_month_and_revision() {
        let id = ReleaseId {
            month: Month::new(2025, 3).unwrap(),
            revision: 12,
        };
        assert_eq!(id.to_string(), "2025-03/12");
        assert_eq!("2025-03/12".parse(), Ok(id));
        for text in [
            "",
            "2025-03",
            "2025-03/",
            "2025-03/+1",
            "2025-03/01",
            "2025-3/1",
            "2025-03/4294967296",
        ] {
            assert!(text.parse::<ReleaseId>().is_err(), "{text}");
        }
    }
}
