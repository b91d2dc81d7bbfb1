//! Standard output, for the answers of commands, and the list of what is wrong on standard error.
//!
//! Writing is an `io::Result` and not a macro: a reader that has seen enough (`appmi inspect | head`)
//! closes the pipe, which is no reason to panic.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes an answer to standard output.
///
/// # Errors
/// If it cannot be written; a reader that went away is not an error.
pub fn answer(text: &str) -> io::Result<()> {
    end(write_all(io::stdout().lock(), text))
}

/// Writes to standard error what is wrong, one a line, below a sentence that says what was tried.
pub fn refuse<T: Display>(tried: &str, problems: &[T]) {
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

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        assert!(end(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(end(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
