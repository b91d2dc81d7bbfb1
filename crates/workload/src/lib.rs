//! A seeded workload shaped like the NHS App's, and its exact oracle.
//!
//! [`Workload`] makes the records that producers would send: logins in the published proportions,
//! prescription orders and registrations, with everything that goes wrong on the way.
//! [`Oracle`] says what must come out: every measure exactly, in hash sets. The oracle shares the words
//! of `model` with the engine but none of its reasoning: months, placing, duplicates and counting are
//! its own.

mod accounts;
mod encode;
mod generator;
mod item;
pub mod oracle;
mod partitioner;
mod practices;
mod profile;
mod rng;

pub use generator::{Options, Partitions, Rates, Workload};
pub use item::{Code, Identity, Item, Truth, account_id, event_id};
pub use oracle::Oracle;
pub use partitioner::partition_of;
pub use practices::{Error as PracticesError, Practices};
pub use profile::{Figure, Profile};

/// The boards of England from July 2022 on, as NHS England has published them, in the format of the reference data.
pub const REFERENCE: &str = include_str!("../data/icbs.csv");
