//! Distinct counting: register pages, keyed hash, stable bytes, HyperLogLog++ estimate.
