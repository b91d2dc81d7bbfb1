//! The wire contract: what appmi reads, what it writes for itself and what it publishes, as bytes.
//!
//! Pure: it turns bytes into values and back. It knows no topic, no header of a client library, no
//! clock, and does not judge values beyond their form: whether an event is too old, or a partial newer
//! than another, is the engine's business.
//!
//! The messages are those of `proto/appmi/v1`, compiled into [`v1`]. Events are the exception: their
//! number is large and prost's decoder allocates for every string, so [`events`] reads them in place.

pub mod events;
pub mod headers;
pub mod partials;
pub mod releases;

mod message;
mod rfc3339;

pub use message::Malformed;

/// The messages of `proto/appmi/v1`, as prost compiles them.
#[allow(
    missing_docs,
    reason = "generated: the documentation is the comments of the .proto files"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/appmi.v1.rs"));
}
