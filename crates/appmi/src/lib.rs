//! The command line of appmi, as a library so that tests can use its parts.
//!
//! Only this crate reads configuration, environment and arguments, serves HTTP, writes metrics and
//! logs, and decides how the process ends.

pub mod check;
pub mod cli;
pub mod config;
pub mod demo;
pub mod exit;
pub mod host;
pub mod http;
pub mod inspect;
pub mod logging;
pub mod metrics;
pub mod output;
pub mod owned;
pub mod pipeline;
pub mod reset;
pub mod run;
pub mod settings;
pub mod signals;
pub mod topics;
