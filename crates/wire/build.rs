//! Compiles the contract in `proto/` to Rust, with protox, so that a build needs no protoc.

use std::error::Error;

const PROTO_ROOT: &str = "../../proto";
const PROTO_FILES: [&str; 3] = [
    "appmi/v1/events.proto",
    "appmi/v1/partials.proto",
    "appmi/v1/month_close.proto",
];

/// Messages that also have a JSON form, with the fields that proto3 JSON writes in a way of its own.
const JSON_MESSAGES: [&str; 2] = [".appmi.v1.MonthClose", ".appmi.v1.Measure"];
const JSON_FIELDS: [(&str, &str); 5] = [
    (".appmi.v1.MonthClose.released_at", "timestamp"),
    (".appmi.v1.Measure.value", "uint64"),
    (".appmi.v1.Measure.relative_standard_error", "double"),
    (".appmi.v1.Measure.lower_95", "uint64"),
    (".appmi.v1.Measure.upper_95", "uint64"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO_ROOT}");
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    for message in JSON_MESSAGES {
        config.type_attribute(message, "#[derive(serde::Serialize, serde::Deserialize)]");
        config.type_attribute(message, "#[serde(default)]");
    }
    for (field, form) in JSON_FIELDS {
        config.field_attribute(
            field,
            format!("#[serde(with = \"crate::releases::json::{form}\")]"),
        );
    }
    config.field_attribute(
        ".appmi.v1.MonthClose.released_at",
        "#[serde(skip_serializing_if = \"Option::is_none\")]",
    );
    config.compile_fds(protox::compile(PROTO_FILES, [PROTO_ROOT])?)?;
    Ok(())
}
