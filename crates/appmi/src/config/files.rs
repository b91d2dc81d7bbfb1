//! The files that a configuration names: the key of the pseudonyms, and reference data.

use std::fs;

use model::Geography;
use sketch::HashKey;

use super::reader::Reader;
use super::tree::Key;
use super::values;

const ICBS: &str = "geography.icbs";
const PRACTICES: &str = "geography.practices";

/// Reads the key. Every byte of the file counts, a line end too.
pub(super) fn key(reader: &mut Reader, warnings: &mut Vec<String>) -> Option<HashKey> {
    const NAME: &str = "privacy.key_file";
    let path = reader.setting(NAME, "/etc/appmi/pseudonym.key", values::nonempty);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) => {
            let what = "make a key with `head -c 32 /dev/urandom` and keep it as long as the state";
            reader.refuse(&Key::new(NAME), format!("cannot be read: {error}; {what}"));
            return None;
        }
    };
    if is_open_to_others(&path) {
        warnings.push(format!(
            "{NAME} = {path:?}: every user of this machine may read it; take that away with `chmod o= {path}`"
        ));
    }
    match HashKey::derive(&content) {
        Ok(key) => Some(key),
        Err(error) => {
            reader.refuse(&Key::new(NAME), error.to_string());
            None
        }
    }
}

#[cfg(unix)]
fn is_open_to_others(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;

    const OTHERS: u32 = 0o007;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &str) -> bool {
    false
}

/// Loads the reference data: the files where they are named, else what is built in.
pub(super) fn geography(reader: &mut Reader) -> Option<Geography> {
    let icbs = csv(reader, ICBS);
    let practices = csv(reader, PRACTICES);
    let (Ok(icbs), Ok(practices)) = (icbs, practices) else {
        return None;
    };
    fn borrow(file: &Option<(String, String)>) -> Option<(&str, &str)> {
        file.as_ref()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }
    match Geography::load(borrow(&icbs), borrow(&practices)) {
        Ok(geography) => Some(geography),
        Err(messages) => {
            let boards = icbs.as_ref().map(|(name, _)| format!("{name}:"));
            for message in messages {
                let is_of_boards = boards
                    .as_ref()
                    .is_some_and(|name| message.starts_with(name));
                let key = if is_of_boards { ICBS } else { PRACTICES };
                reader.refuse(&Key::new(key), message);
            }
            None
        }
    }
}

/// Name and text of a CSV file, if one is named; an error has been noted.
fn csv(reader: &mut Reader, name: &str) -> Result<Option<(String, String)>, ()> {
    let path = reader.setting(name, "", values::text);
    if path.is_empty() {
        return Ok(None);
    }
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) => {
            let what = "name a CSV file, or \"\" for the built-in data";
            reader.refuse(&Key::new(name), format!("cannot be read: {error}; {what}"));
            Err(())
        }
    }
}
