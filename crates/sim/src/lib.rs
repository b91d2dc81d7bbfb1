//! Deterministic simulation: whole deployments of one to five instances, each world from one `u64` seed.
//!
//! The engine and its loop are the real ones. Around them stand a log with Kafka's semantics and none of its
//! tidiness, disks, clocks and faults at every port call; what is committed is compared, transaction by
//! transaction, with an exact oracle. There is no clock, thread or random number but the seed's: the same seed
//! gives the same trace. What is simulated, and what must hold, is in `docs/simulation.md`.

mod rng;

mod civil;
mod events;
mod places;
mod plan;

mod oracle;

mod invariants;

mod disk;
mod faults;
mod ports;
mod process;
mod trace;
mod transactions;
mod variants;

mod settling;
mod world;

mod shrink;
mod stats;

pub use faults::{Fault, Limits};
pub use invariants::Violation;
pub use shrink::{Shrunk, shrink};
pub use stats::Stats;
pub use trace::Keep;
pub use variants::{Variant, find};
pub use world::{Report, Setting, run};
