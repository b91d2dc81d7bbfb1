//! Which crate may know which: the layout of docs/ARCHITECTURE.md, checked against cargo's own view.
//! Development dependencies are free, since no shipped code sees them.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Every crate of ours and the ones it may depend on.
const LAYOUT: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("sketch", &[]),
    ("wire", &["model", "sketch"]),
    ("engine", &["model", "sketch", "wire"]),
    ("memlog", &["model", "sketch", "wire", "engine"]),
    ("store", &["model", "sketch", "wire", "engine"]),
    ("kafka", &["model", "sketch", "wire", "engine"]),
    // kafka for its program only: tests/tests/sources.rs.
    ("workload", &["model", "wire", "kafka"]),
    (
        "appmi",
        &[
            "model", "sketch", "wire", "engine", "memlog", "store", "kafka", "workload",
        ],
    ),
    (
        "sim",
        &[
            "model", "sketch", "wire", "engine", "memlog", "store", "workload",
        ],
    ),
    (
        "fuzz-targets",
        &["model", "sketch", "wire", "engine", "memlog"],
    ),
    // The harness of the system tests, for benchmarks of the program on a real broker.
    (
        "benches",
        &[
            "model", "sketch", "wire", "engine", "memlog", "store", "kafka", "workload", "appmi",
            "sim", "tests",
        ],
    ),
    ("tests", ALL),
];

const ALL: &[&str] = &[
    "model", "sketch", "wire", "engine", "memlog", "store", "kafka", "workload", "appmi", "sim",
];

const PURE: [&str; 5] = ["model", "sketch", "wire", "engine", "memlog"];

/// Libraries that one crate of ours keeps to itself. The tests of the system may have any: a subscriber of
/// theirs is a plain client.
const KEPT: [(&str, &str); 5] = [
    ("rocksdb", "store"),
    ("librocksdb-sys", "store"),
    ("rdkafka", "kafka"),
    ("rdkafka-sys", "kafka"),
    ("axum", "appmi"),
];

/// Libraries of effects: runtimes, logging, metrics, the system, randomness.
const EFFECTS: [&str; 11] = [
    "getrandom",
    "libc",
    "log",
    "metrics",
    "mimalloc",
    "rand",
    "rustix",
    "signal-hook",
    "tempfile",
    "tokio",
    "tracing",
];

fn workspace() -> Vec<Package> {
    let metadata = MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    metadata.packages
}

/// What shipped code and build scripts depend on.
fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
}

#[test]
fn crates_depend_only_on_the_crates_below_them() {
    let packages = workspace();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package.name.as_str();
        let Some((_, below)) = LAYOUT.iter().find(|(row, _)| *row == name) else {
            wrong.push(format!("{name} has no row in LAYOUT"));
            continue;
        };
        for dependency in dependencies(package).filter(|d| ours.contains(d)) {
            if !below.contains(&dependency) {
                wrong.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_crate_alone_knows_each_engine_client_and_server() {
    let mut wrong = Vec::new();
    for package in workspace() {
        for (library, owner) in KEPT {
            let may = package.name == owner || package.name == "tests";
            if !may && dependencies(&package).any(|d| d == library) {
                wrong.push(format!("{} depends on {library}, {owner}'s", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_crates_depend_on_no_library_of_effects() {
    let mut wrong = Vec::new();
    for package in workspace() {
        if !PURE.contains(&package.name.as_str()) {
            continue;
        }
        for library in dependencies(&package).filter(|d| EFFECTS.contains(d)) {
            wrong.push(format!("{} is pure, {library} is not", package.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
