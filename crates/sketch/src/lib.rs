//! Distinct counting: register pages, keyed hash, stable bytes, HyperLogLog++ estimate.
//!
//! An account id goes in as a 64-bit keyed hash ([`HashKey`]), raises one of `2^p` registers
//! ([`Registers`]) and is forgotten. Registers depend only on the *set* of hashes: not on their
//! order, repetition or on how they were divided among sketches, whose union is the register-wise
//! maximum. They are kept and moved in pages, so that only what changed has to be written, and
//! a page has exactly one encoding ([`encode_page`]). What they amount to is asked of the
//! `hyperloglogplus` crate ([`estimate_registers`]).
//!
//! Nothing here knows months, boards or records, and nothing here keeps an id.

mod estimate;
mod hash;
mod page;
mod precision;
mod registers;
#[cfg(test)]
mod testing;

pub use estimate::{Estimate, estimate_registers};
pub use hash::{HashKey, KeyTooShort};
pub use page::{InvalidPage, decode_page, encode_page};
pub use precision::Precision;
pub use registers::{Registers, union_into};
