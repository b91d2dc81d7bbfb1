//! A seeded workload shaped like the NHS App's, and its exact oracle.
