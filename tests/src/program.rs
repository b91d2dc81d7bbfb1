//! Where cargo puts the programs of this workspace.

use std::env;
use std::path::{Path, PathBuf};

/// The path of a program of this workspace, such as `appmi`.
///
/// Cargo tells only the tests of a program's own package where it is; from here it is found beside the
/// test executable, `target/debug/deps/x` and `target/debug/appmi`.
///
/// # Panics
/// If it has not been built.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let here = env::current_exe().expect("a running test has a path");
    let profile = here
        .ancestors()
        .find(|folder| folder.ends_with("deps") || folder.ends_with("examples"));
    let path = profile
        .and_then(Path::parent)
        .unwrap_or_else(|| panic!("{} is not in a deps folder of cargo", here.display()))
        .join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins --tests` first",
        path.display()
    );
    path
}
