//! Tests that can't be run here: said past cargo's capture, and counted by `make test`.

use std::env;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::panic::Location;

/// Reports that the calling test, or a part of it, is skipped: on standard error and, as one line, in the file
/// `$APPMI_SKIPPED`, which `make test` counts.
///
/// # Panics
/// If it can't be reported: nothing is skipped in silence.
#[track_caller]
pub fn report_skipped(reason: impl Display) {
    let test = Location::caller();
    let reason = reason.to_string().trim().replace('\n', " ");
    let line = format!("{}:{}: {reason}\n", test.file(), test.line());
    let told = io::stderr().write_all(format!("SKIPPED {line}").as_bytes());
    told.expect("standard error can be written");
    if let Some(file) = env::var_os("APPMI_SKIPPED") {
        File::options()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file that $APPMI_SKIPPED names can be written");
    }
}
