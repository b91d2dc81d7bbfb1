//! What is done wrong on purpose is found by the invariants, in the standard worlds. One test, since the mistake
//! that is made inside of the engine is made by the whole process.

use sim::Variant;

/// The standard seeds begin at 0.
const SEEDS: u64 = 400;

#[test]
fn every_mistake_is_found() {
    let mut missed = Vec::new();
    for variant in Variant::ALL.iter().copied() {
        match sim::find(variant, SEEDS) {
            Some((seed, violation)) => println!("{variant:?} | {} | {seed}", violation.invariant),
            None => missed.push(variant),
        }
    }
    assert!(Variant::ALL.len() >= 20);
    assert!(missed.is_empty(), "not found: {missed:?}");
}
