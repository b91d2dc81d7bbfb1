//! The values that proto3 JSON writes in a way of its own, for serde's `with`.
//!
//! 64-bit integers are strings, since most JSON readers have only doubles; instants are RFC 3339 in UTC
//! with 0, 3, 6 or 9 digits of fraction; doubles that JSON cannot say are strings. Readers take numbers
//! as strings and the other way round.
//! Source: <https://protobuf.dev/programming-guides/json/>

use serde::Deserialize;

/// A number, in either form; a missing one is 0.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number<T> {
    Number(T),
    Text(String),
}

pub(crate) mod uint64 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Number;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde asks for"
    )]
    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Number(value) => Ok(value),
            Number::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

pub(crate) mod double {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Number;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde asks for"
    )]
    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_str(if *value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            })
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Number(value) => Ok(value),
            Number::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

pub(crate) mod timestamp {
    use prost_types::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::rfc3339;

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(instant) => serializer.collect_str(instant),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let instant = rfc3339::parse(text.as_bytes());
        instant
            .map(Some)
            .ok_or_else(|| D::Error::custom(format_args!("`{text}` is not an RFC 3339 date-time")))
    }
}
