//! Names of record headers, and the content types that appmi reads and writes.

/// How a record's value is encoded, on input and output.
pub const CONTENT_TYPE: &str = "content-type";
/// Month and revision of the release that a record belongs to, as [`crate::releases::ReleaseId`] prints it.
pub const RELEASE: &str = "appmi-release";
/// How many records that release has, in decimal.
pub const RECORDS: &str = "appmi-records";

/// Why the record of a dead letter could not be counted: [`model::Reason::as_str`].
pub const DEAD_LETTER_REASON: &str = "appmi-reason";
/// The input topic of a dead letter.
pub const DEAD_LETTER_TOPIC: &str = "appmi-topic";
/// The partition of that topic, in decimal.
pub const DEAD_LETTER_PARTITION: &str = "appmi-partition";
/// The offset in that partition, in decimal.
pub const DEAD_LETTER_OFFSET: &str = "appmi-offset";

/// A protobuf message: events, bare or in Confluent framing, and releases.
pub const PROTOBUF: &str = "application/x-protobuf";
/// An event in the structured mode of CloudEvents 1.0.
pub const CLOUDEVENTS: &str = "application/cloudevents+json";
/// A release in proto3 JSON.
pub const JSON: &str = "application/json";
