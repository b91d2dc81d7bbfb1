//! Checks of single values: from what was written to what it means, or a sentence on what to write.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;

use super::tree::Value;

/// Any text.
pub(super) fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) | Value::Untyped(text) => Ok(text.clone()),
        _ => Err("is not text; write it in quotes".to_owned()),
    }
}

/// Text that says something.
pub(super) fn nonempty(value: &Value) -> Result<String, String> {
    match text(value)? {
        text if text.trim().is_empty() => Err("is empty; write one".to_owned()),
        text if text.trim() != text => Err("has blanks around it; take them out".to_owned()),
        text => Ok(text),
    }
}

/// `true` or `false`.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    let wrong = || Err("is not a choice; write true or false".to_owned());
    match value {
        Value::Flag(flag) => Ok(*flag),
        Value::Untyped(text) => text.parse().or_else(|_| wrong()),
        _ => wrong(),
    }
}

/// A whole number within a range.
pub(super) fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&Value) -> Result<T, String>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    move |value| {
        let number = match value {
            Value::Integer(number) => Some(*number),
            Value::Untyped(text) => text.parse().ok(),
            _ => None,
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                format!("is not a whole number from {least} to {most}; write one")
            })
    }
}

/// A length of time such as `"72h"`, `"1h 30m"` or `"500ms"`, within a range.
pub(super) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Value) -> Result<Duration, String> {
    move |value| {
        let wrong =
            || "is not a length of time; write one such as \"72h\", \"15m\" or \"30s\"".to_owned();
        let text = text(value).map_err(|_| wrong())?;
        let signed: SignedDuration = text.parse().map_err(|_| wrong())?;
        Duration::try_from(signed)
            .ok()
            .filter(|duration| range.contains(duration))
            .ok_or_else(|| {
                let [least, most] = [range.start(), range.end()].map(|limit| in_words(*limit));
                format!("is not within {least} and {most}; write a length of time that is")
            })
    }
}

fn in_words(limit: Duration) -> String {
    SignedDuration::try_from(limit)
        .map_or_else(|_| format!("{limit:?}"), |limit| format!("{limit:#}"))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&Value) -> Result<T, String> {
    move |value| {
        let chosen = text(value)
            .ok()
            .and_then(|text| choices.iter().find(|(name, _)| *name == text));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = choices
                .iter()
                .map(|(name, _)| format!("{name:?}"))
                .collect();
            format!("is not a choice; write {}", names.join(" or "))
        })
    }
}

/// An address and a port to listen on; none if empty.
pub(super) fn listen(value: &Value) -> Result<Option<SocketAddr>, String> {
    match text(value)?.as_str() {
        "" => Ok(None),
        address => address.parse().map(Some).map_err(|_| {
            "is not an address; write one such as \"127.0.0.1:8080\", \"[::]:8080\", or \"\" to serve nothing"
                .to_owned()
        }),
    }
}

/// A topic of appmi's own. The rule is Kafka's, `org.apache.kafka.common.internals.Topic`.
pub(super) fn topic(value: &Value) -> Result<String, String> {
    let topic = nonempty(value)?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if topic.len() > 249 || topic == "." || topic == ".." || !topic.bytes().all(legal) {
        return Err(
            "is not a topic; write 1 to 249 letters, digits, \".\", \"_\" and \"-\"".to_owned(),
        );
    }
    Ok(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn lengths_of_time_have_units() {
        let parse = duration(Duration::ZERO..=DAY);
        for (text, seconds) in [("5m", 300), ("1h 30m", 5400), ("90s", 90), ("0s", 0)] {
            assert_eq!(
                parse(&text.into()),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse(&Value::Untyped("24h".to_owned())), Ok(DAY));
        for wrong in ["", "5", "3d", "soon"] {
            assert!(
                parse(&wrong.into()).unwrap_err().contains("such as"),
                "{wrong}"
            );
        }
        for outside in ["-1s", "25h"] {
            assert_eq!(
                parse(&outside.into()).unwrap_err(),
                "is not within 0s and 24h; write a length of time that is"
            );
        }
        assert!(parse(&Value::Integer(72)).unwrap_err().contains("such as"));
    }

    #[test]
    fn numbers_have_ends() {
        let parse = integer(4..=18_u8);
        assert_eq!(parse(&Value::Integer(18)), Ok(18));
        assert_eq!(parse(&Value::Untyped("4".to_owned())), Ok(4));
        for wrong in [
            Value::Integer(3),
            Value::Integer(-1),
            Value::Integer(274),
            "16".into(),
        ] {
            assert!(
                parse(&wrong).unwrap_err().contains("from 4 to 18"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn text_of_the_environment_takes_the_type_that_is_wanted() {
        assert_eq!(flag(&Value::Untyped("true".to_owned())), Ok(true));
        assert!(flag(&"true".into()).is_err(), "in the file, text is text");
        assert!(text(&Value::Integer(1)).is_err());
    }

    #[test]
    fn a_choice_names_the_choices() {
        let parse = choice(&[("protobuf", 1), ("json", 2)]);
        assert_eq!(parse(&"json".into()), Ok(2));
        assert_eq!(
            parse(&"xml".into()).unwrap_err(),
            r#"is not a choice; write "protobuf" or "json""#
        );
    }

    #[test]
    fn nothing_is_served_where_listen_is_empty() {
        assert_eq!(listen(&"".into()), Ok(None));
        assert!(listen(&"[::1]:80".into()).unwrap().is_some());
        assert!(listen(&"8080".into()).is_err());
    }
}
