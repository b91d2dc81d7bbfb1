//! Standard output, for the answers of commands, and the list of what is wrong on standard error.
//!
//! Writing is an `io::Result` and not a macro: a reader that has seen enough (`appmi inspect | head`)
//! closes the pipe, which is no reason to panic.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use tracing::Level;

use crate::logging;

/// Writes an answer to standard output.
///
/// # Errors
/// If it cannot be written; a reader that went away is not an error.
pub fn answer(text: &str) -> io::Result<()> {
    end(write_all(io::stdout().lock(), text))
}

/// Writes to standard error what is wrong, one a line, below a sentence that says what was tried; where the log is
/// JSON, which a program collects, as one line of it.
pub fn refuse<T: Display>(tried: &str, problems: &[T]) {
    // Nobody is refused without a word, however little is to be logged.
    if logging::is_json() && tracing::enabled!(Level::ERROR) {
        return log(tried, problems);
    }
    let mut text = format!("appmi: {tried}\n");
    for problem in problems {
        text.push_str(&format!("  {problem}\n"));
    }
    // Where even that cannot be written there is nobody left to tell.
    let _ = write_all(io::stderr().lock(), &text);
}

/// What is allowed and not wise, one a line, for the end of an answer; nothing if there is none.
#[must_use]
pub fn remarks(remarks: &[String]) -> String {
    remarks
        .iter()
        .map(|remark| format!("remark: {remark}\n"))
        .collect()
}

fn log<T: Display>(tried: &str, problems: &[T]) {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    tracing::error!(problems = problems.join("\n"), "{tried}");
}

fn write_all(mut to: impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}

fn end(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::LogFormat;
    use crate::logging::testing::logged;

    #[test]
    fn a_refusal_is_one_line_of_a_json_log() {
        let log = logged(LogFormat::Json, "error", || {
            log("the topics are not as they must be", &["one", "two"]);
        });
        let line: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], "the topics are not as they must be");
        assert_eq!(line["problems"], "one\ntwo");
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        assert!(end(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(end(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
