//! The command line of appmi, as a library so that tests can use its parts.
//!
//! Only this crate reads configuration, environment and arguments, serves HTTP, writes metrics and
//! logs, and decides how the process ends.

pub mod cli;
pub mod config;
pub mod exit;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod output;
pub mod signals;
