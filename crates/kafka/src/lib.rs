//! The ports of the engine on Apache Kafka.
