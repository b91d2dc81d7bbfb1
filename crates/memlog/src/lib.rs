//! An in-process log with Kafka's semantics.
