//! The wire contract: decoding of events, encoding of partials, progress and releases.
