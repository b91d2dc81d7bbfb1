//! Which encoding a content type names.

use crate::headers;

/// How the events of a record are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The topic's protobuf message, bare or in Confluent framing.
    Protobuf,
    /// CloudEvents 1.0 in structured mode, JSON.
    CloudEvents,
}

impl Encoding {
    /// Its name in configuration and settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::CloudEvents => "cloudevents",
        }
    }

    /// The encoding of a `content-type` header; none if the type is unknown.
    ///
    /// Letter case and parameters are ignored, as RFC 9110 (section 8.3.1) has media types.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        // What producers send, byte for byte, without a look at letter case.
        if content_type == headers::PROTOBUF.as_bytes() {
            return Some(Self::Protobuf);
        }
        let end = content_type
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(content_type.len());
        let media_type = content_type[..end].trim_ascii();
        [Self::Protobuf, Self::CloudEvents]
            .into_iter()
            .find(|encoding| media_type.eq_ignore_ascii_case(encoding.content_type().as_bytes()))
    }

    /// The content type that names it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => headers::PROTOBUF,
            Self::CloudEvents => headers::CLOUDEVENTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_and_parameters_are_ignored() {
        for (content_type, encoding) in [
            ("application/x-protobuf", Some(Encoding::Protobuf)),
            ("Application/X-Protobuf", Some(Encoding::Protobuf)),
            (
                " application/x-protobuf ; messageType=\"LoginEvent\"",
                Some(Encoding::Protobuf),
            ),
            ("application/cloudevents+json", Some(Encoding::CloudEvents)),
            (
                "application/cloudevents+json; charset=UTF-8",
                Some(Encoding::CloudEvents),
            ),
            ("application/cloudevents+JSON;", Some(Encoding::CloudEvents)),
            ("application/json", None),
            ("application/x-protobuf2", None),
            ("application/cloudevents-batch+json", None),
            ("; application/x-protobuf", None),
            ("", None),
        ] {
            assert_eq!(
                Encoding::of(content_type.as_bytes()),
                encoding,
                "{content_type}"
            );
        }
        assert_eq!(Encoding::of(b"\xff\xfe;"), None);
    }
}
