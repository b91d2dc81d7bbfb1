//! The engine: a partition's state is a pure function of its log prefix, and a checkpoint is one
//! atomic write of state and position.
//!
//! Nothing in here knows Kafka, RocksDB, a clock, a thread or a file: time comes in as a value,
//! effects go out through the [`ports`]. The loop that drives it ([`Instance`]) is the same in
//! production, in the demo and in a simulation.

pub mod ports;

mod instance;
mod limits;
mod occurrence;
mod options;

pub mod aggregate;
pub mod checkpoint;
pub mod closing;
pub mod delta;
pub mod recount;
pub mod release;
pub mod settings;
pub mod unknown;
pub mod view;
pub mod window;

pub use instance::Instance;
pub use limits::Limits;
pub use occurrence::{Lowest, Occurrence, Standing, Tally, WaitsFor};
pub use options::Options;
pub use ports::{Error, Ports};
pub use view::View;
