//! The kinds are a table: no code but the table's own file knows one by its name.

use std::fs;
use std::path::{Path, PathBuf};

use model::Kinds;

/// Crates whose code follows the table.
const CRATES: [&str; 8] = [
    "model", "wire", "sketch", "engine", "memlog", "store", "kafka", "appmi",
];
/// The table.
const TABLE: &str = "crates/model/src/kinds.rs";
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests is a folder of the workspace")
        .to_owned()
}

#[test]
fn no_code_names_a_built_in_kind_or_measure() {
    let root = root();
    let kinds = Kinds::builtin();
    let mut names: Vec<&str> = kinds.measures().map(|row| row.name).collect();
    names.extend(kinds.iter().map(|(_, kind)| kind.event_type.as_str()));
    assert_eq!(names.len(), 10);
    let mut files = Vec::new();
    for name in CRATES {
        collect(&root.join("crates").join(name).join("src"), &mut files);
    }
    assert!(files.len() > 40, "only {} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        if path == TABLE {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in shipped(&text) {
            for name in names.iter().filter(|name| quotes(line, name)) {
                wrong.push(format!("{path}:{number}: {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
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

/// The numbered lines of code, up to the tests at its end, without comments.
fn shipped(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests {"))
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or(line)))
}

/// Whether a string literal of the line has the name as a word of its own.
fn quotes(line: &str, name: &str) -> bool {
    let part_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.split('"').skip(1).step_by(2).any(|literal| {
        literal.match_indices(name).any(|(start, _)| {
            let before = literal[..start].chars().next_back();
            let after = literal[start + name.len()..].chars().next();
            !before.is_some_and(part_of_a_name) && !after.is_some_and(part_of_a_name)
        })
    })
}

#[test]
fn the_reader_of_sources_finds_names_in_literals_only() {
    assert!(quotes(r#"kinds.by_name("logins")"#, "logins"));
    assert!(quotes(r#"format!("{month}/logins: {value}")"#, "logins"));
    assert!(!quotes(r#"let logins = "logins_late";"#, "logins"));
    assert!(!quotes("v1::LoginEvent { logins }", "logins"));
}
