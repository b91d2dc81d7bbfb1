//! What a supervisor sees of the program: its exit code, and where it writes.

use std::io::Write;
use std::process::{Command, Output};

/// Runs the program without any variable of the caller.
fn appmi(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_appmi"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program writes UTF-8")
}

#[test]
fn a_wrong_command_line_is_2() {
    for arguments in [&["sing"][..], &[], &["demo", "--scale", "2"]] {
        let output = appmi(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_wrong_configuration_is_78_and_every_problem_is_a_line() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        file,
        "[sketch]\nprecision = 3\n[privacy]\nkey_file = \"/none/such\""
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let output = appmi(&["topics", "--config", path]);
    assert_eq!(output.status.code(), Some(78));
    assert!(output.stdout.is_empty());
    let problems: Vec<&str> = text(&output.stderr).lines().skip(1).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    for (key, problem) in ["privacy.key_file", "sketch.precision", "months.first_month"]
        .iter()
        .zip(&problems)
    {
        assert!(problem.contains(key), "{problem}");
    }
}

#[test]
fn with_a_json_log_standard_error_is_json_also_where_something_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "[sketch]\nprecision = 3").unwrap();
    let path = file.path().to_str().unwrap();
    for (level, is_json) in [("info", true), ("off", false)] {
        let output = appmi(&[
            "run",
            "--config",
            path,
            "--log-format",
            "json",
            "--log-level",
            level,
        ]);
        assert_eq!(output.status.code(), Some(78));
        let text = text(&output.stderr);
        assert!(text.contains("sketch.precision"), "{text}");
        let lines = text.lines().map(serde_json::from_str);
        let lines: Result<Vec<serde_json::Value>, _> = lines.collect();
        assert_eq!(lines.is_ok(), is_json, "{text}");
        if let Ok([line]) = lines.as_deref() {
            assert_eq!(line["message"], "the configuration cannot stand");
        }
    }
}

#[test]
fn help_and_completions_are_0_on_standard_output() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["completions", "bash"],
        &["completions", "fish"],
        &["completions", "zsh"],
    ] {
        let output = appmi(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let words: &[&str] = match arguments {
            ["completions", _] => &["run", "settings", "--apply", "inspect", "--state-dir"],
            _ => &["appmi"],
        };
        let text = text(&output.stdout);
        for word in words {
            // fish names options without their hyphens.
            let word = word.trim_start_matches('-');
            assert!(text.contains(word), "{arguments:?}: {word}");
        }
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}
