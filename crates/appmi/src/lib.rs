//! The command line of appmi.
