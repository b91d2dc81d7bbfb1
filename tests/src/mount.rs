//! A small file system in memory, to be filled or made read-only.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skipped::report_skipped;

/// A file system in memory, unmounted when this is dropped.
#[derive(Debug)]
pub struct Mount {
    /// Where it is.
    pub at: PathBuf,
}

impl Mount {
    /// Mounts one at a folder that is not there yet. None where the user may not mount; that is reported as
    /// skipped.
    ///
    /// # Panics
    /// If there can be no such folder.
    #[track_caller]
    pub fn new_or_skip(at: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir(&at).expect("a fresh folder can be made");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at);
        let output = command.output().expect("mount is a command");
        if output.status.success() {
            return Some(Self { at });
        }
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        report_skipped(format!(
            "no full or read-only disk, mounting is refused: {reason}"
        ));
        None
    }

    /// Mounts it anew with other options.
    ///
    /// # Panics
    /// If that is refused.
    pub fn remount(&self, options: &str) {
        let mut command = Command::new("mount");
        command
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.at);
        assert!(command.status().expect("mount is a command").success());
    }

    /// Writes to a new file until no byte fits any more, and returns its path.
    ///
    /// # Panics
    /// If something else than that ends it.
    pub fn fill(&self, name: &str) -> PathBuf {
        let path = self.at.join(name);
        let mut file = File::create(&path).expect("a file can be made");
        loop {
            match file.write_all(&[1; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return path,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// A folder in it, as text.
    ///
    /// # Panics
    /// Never: the names of tests are plain.
    pub fn folder(&self, name: impl AsRef<Path>) -> String {
        let path = self.at.join(name);
        path.to_str().expect("a plain name").to_owned()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}
