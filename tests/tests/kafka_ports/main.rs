//! The ports on a real broker: what the engine relies on, and what librdkafka does about it.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, the helpers outside of the test functions too"
)]

mod admin;
mod committing;
mod membership;
mod questions;
mod reading;
mod world;
