//! The front door leads everywhere: what docs/benchmarks.md promises of `make bench`.

use std::fs;
use std::path::Path;

use cargo_metadata::{MetadataCommand, TargetKind};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The rule of a target: its line, and its commands.
fn rule(target: &str) -> String {
    let makefile = fs::read_to_string(Path::new(ROOT).join("Makefile")).expect("it is there");
    let lines = makefile.lines();
    let from = lines.skip_while(|line| !line.starts_with(&format!("{target}:")));
    let rule: Vec<&str> = from.take_while(|line| !line.is_empty()).collect();
    rule.join("\n")
}

#[test]
fn make_bench_runs_every_benchmark_on_what_it_has_built_and_fetched() {
    let rule = rule("bench");
    assert!(rule.starts_with("bench: kafka "), "{rule}");
    let build = rule.find("cargo build -p appmi\n").expect("it builds");
    let metadata = MetadataCommand::new()
        .manifest_path(Path::new(ROOT).join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let mut benches = 0;
    for package in &metadata.packages {
        let targets = package.targets.iter();
        for bench in targets.filter(|target| target.kind.contains(&TargetKind::Bench)) {
            let command = format!(
                "cargo bench -p {} --profile dev --bench {}",
                package.name, bench.name
            );
            let runs = rule.find(&command);
            assert!(
                runs.is_some_and(|runs| runs > build),
                "`{command}` in {rule}"
            );
            benches += 1;
        }
    }
    assert!(benches > 0);
}
