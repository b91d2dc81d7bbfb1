//! What source code may name: the absences of docs/ARCHITECTURE.md that no lint of the compiler knows.
//!
//! It reads lines, not syntax. Comments and test modules are left out; a name that is split over lines or
//! renamed by `use .. as` would escape, and the dependency table (dependencies.rs) catches most of those.

use std::fs;
use std::path::{Path, PathBuf};

const PURE: [&str; 5] = ["model", "sketch", "wire", "engine", "memlog"];

/// A name, and whether a file may have it. Paths are as in `crates/store/src/lib.rs`.
struct Rule {
    names: &'static [&'static str],
    allowed: fn(&str) -> bool,
    why: &'static str,
}

const RULES: [Rule; 8] = [
    Rule {
        names: &["rocksdb::", "librocksdb_sys::"],
        allowed: |path| path.starts_with("crates/store/"),
        why: "only store knows RocksDB",
    },
    Rule {
        names: &["rdkafka::", "rdkafka_sys::"],
        allowed: |path| path.starts_with("crates/kafka/"),
        why: "only kafka knows librdkafka",
    },
    Rule {
        names: &["axum::"],
        allowed: |path| path.starts_with("crates/appmi/"),
        why: "only appmi serves HTTP",
    },
    Rule {
        names: &["unsafe"],
        allowed: |path| path == "crates/kafka/src/native.rs",
        why: "unsafe code is in one file, around what rdkafka does not wrap",
    },
    Rule {
        names: &["println!", "print!", "eprintln!", "eprint!", "dbg!"],
        allowed: is_program,
        why: "a library tells its caller, a program tells people",
    },
    Rule {
        names: &["std::env", "env::var", "env::var_os"],
        allowed: is_program,
        why: "settings come in as values, one place reads the environment",
    },
    Rule {
        names: &["kafka::"],
        allowed: |path| !path.starts_with("crates/workload/") || is_program(path),
        why: "of workload only the loader knows Kafka",
    },
    Rule {
        names: &[
            "std::time::Instant",
            "Instant::now",
            "SystemTime",
            "std::thread",
            "std::fs",
            "std::net",
            "std::process",
            "tracing::",
            "metrics::",
            "tokio::",
            "async",
            "thread_local!",
        ],
        allowed: |path| {
            !PURE
                .iter()
                .any(|name| path.starts_with(&format!("crates/{name}/")))
        },
        why: "a pure crate has no clock, thread, file, socket, logging or metrics",
    },
];

/// appmi, the loader of workload, and the simulation's.
fn is_program(path: &str) -> bool {
    path.starts_with("crates/appmi/")
        || path == "crates/sim/src/main.rs"
        || path.starts_with("crates/workload/src/bin/")
        || path == "crates/workload/src/main.rs"
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests is a folder of the workspace")
        .to_owned()
}

#[test]
fn sources_name_only_what_their_crate_may_know() {
    let root = root();
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        collect(&entry.unwrap().path().join("src"), &mut files);
    }
    assert!(
        files.len() > 20,
        "only {} files in {}",
        files.len(),
        root.display()
    );
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        violations(path, &fs::read_to_string(&file).unwrap(), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_crates_share_one_clippy_toml_which_repeats_the_root() {
    let root = root();
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let first = read("crates/model/clippy.toml");
    for name in PURE {
        let path = format!("crates/{name}/clippy.toml");
        assert_eq!(read(&path), first, "{path} differs from model's");
    }
    for line in read("clippy.toml").lines() {
        assert!(first.contains(line), "{line} is missing in the pure crates");
    }
}

/// The `.rs` files below `folder` that hold shipped code.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a crate has a folder src") {
        let path = entry.expect("the folder can be read").path();
        let stem = path.file_stem().unwrap_or_default();
        if stem == "tests" || stem == "testing" {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn violations(path: &str, text: &str, wrong: &mut Vec<String>) {
    let rules: Vec<&Rule> = RULES.iter().filter(|rule| !(rule.allowed)(path)).collect();
    for (number, line) in shipped(text) {
        for rule in &rules {
            for name in rule.names.iter().filter(|name| has_name(line, name)) {
                wrong.push(format!("{path}:{number}: {name} ({})", rule.why));
            }
        }
    }
}

/// The numbered lines of `text` that are code, up to the tests at its end.
fn shipped(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests {"))
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or(line)))
}

/// Whether `name` stands in `line` by itself, not as the end or the beginning of another name.
fn has_name(line: &str, name: &str) -> bool {
    let part_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let closed = name.ends_with([':', '!']);
    line.match_indices(name).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + name.len()..].chars().next();
        !before.is_some_and(part_of_a_name) && (closed || !after.is_some_and(part_of_a_name))
    })
}

#[test]
fn the_reader_of_sources_finds_what_it_should() {
    let found = |path: &str, text: &str| {
        let mut wrong = Vec::new();
        violations(path, text, &mut wrong);
        wrong.len()
    };
    let engine = "crates/engine/src/lib.rs";
    assert_eq!(found(engine, "let now = Instant::now();"), 1);
    assert_eq!(
        found(
            engine,
            "//! no std::thread, no rdkafka::\nfn asynchronous() {} // async"
        ),
        0
    );
    assert_eq!(
        found(
            engine,
            "let a = 1;\n#[cfg(test)]\nmod tests {\n use std::fs;\n}"
        ),
        0
    );
    assert_eq!(
        found(
            "crates/store/src/lib.rs",
            "use rocksdb::DB; use rdkafka::Message;"
        ),
        1
    );
    assert_eq!(found("crates/appmi/src/lib.rs", "unsafe { println!() }"), 1);
    assert_eq!(found("crates/appmi/src/lib.rs", "#![deny(unsafe_code)]"), 0);
    assert_eq!(
        found("crates/workload/src/lib.rs", "kafka::Loader::new()"),
        1
    );
    assert_eq!(
        found("crates/workload/src/bin/load.rs", "kafka::Loader::new()"),
        0
    );
}
