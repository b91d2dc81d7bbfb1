//! Where events happened.
mod codes;
mod lineage;

pub use codes::{BadCode, IcbCode};
pub use lineage::{Lineage, LineageId};
