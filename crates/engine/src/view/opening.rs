//! Opening the view in what a former process has left in its store, or throwing that away.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use model::{InputPartition, Kinds, Month, Offset, Timestamp};
use prost::Message as _;
use sketch::Precision;
use wire::v1;

use super::holding::Holding;
use super::{View, collect, damaged, decode, keys, signed, stated};
use crate::ports::{Change, Error, Store};
use crate::settings;

/// Why a state directory was thrown away when it was opened.
pub type Discarded = Option<&'static str>;

impl View {
    /// Opens the view in a store; what belongs to other topics is thrown away.
    ///
    /// # Errors
    /// If the store can't be read, holds a newer format, or contradicts itself.
    pub fn open(
        store: &mut dyn Store,
        kinds: Kinds,
        precision: Precision,
        first_month: Month,
        topic_ids: [[u8; 16]; 2],
    ) -> Result<(Self, Discarded), Error> {
        let mut discarded = None;
        let mut value = Vec::new();
        if check_format(store)? {
            store.get(keys::TOPICS_KEY, &mut value)?;
            if value != topic_ids.concat() {
                discarded = Some("it belongs to other topics of the same names");
            }
        }
        let mut view = Self {
            kinds,
            precision,
            first_month,
            stated: BTreeMap::new(),
            read: BTreeMap::new(),
            settings: None,
            settings_at: None,
            newest_append: None,
            closed: BTreeMap::new(),
            changes: BTreeMap::new(),
            recount: BTreeMap::new(),
            holding: Holding::default(),
        };
        if discarded.is_some() {
            view.discard(store)?;
        }
        store.write(&[
            Change::Put(
                keys::FORMAT_KEY.to_vec(),
                keys::FORMAT.to_be_bytes().to_vec(),
            ),
            Change::Put(keys::TOPICS_KEY.to_vec(), topic_ids.concat()),
        ])?;
        view.load(store)?;
        Ok((view, discarded))
    }

    /// Throws everything away; reading begins anew.
    ///
    /// # Errors
    /// If the store can't be written.
    pub fn discard(&mut self, store: &mut dyn Store) -> Result<(), Error> {
        let mut value = Vec::new();
        let mut changes = vec![Change::DeleteRange(Vec::new(), keys::END.to_vec())];
        for key in [keys::FORMAT_KEY, keys::TOPICS_KEY] {
            if store.get(key, &mut value)? {
                changes.push(Change::Put(key.to_vec(), value.clone()));
            }
        }
        store.write(&changes)?;
        self.stated.clear();
        self.read.clear();
        self.settings = None;
        self.settings_at = None;
        self.newest_append = None;
        self.closed.clear();
        self.changes.clear();
        self.recount.clear();
        self.holding.clear();
        Ok(())
    }

    fn load(&mut self, store: &dyn Store) -> Result<(), Error> {
        let mut value = Vec::new();
        if store.get(keys::SETTINGS_KEY, &mut value)? {
            self.settings = Some(settings::read(&value)?);
        }
        if store.get(keys::SETTINGS_AT_KEY, &mut value)? {
            self.settings_at = Some(Timestamp::from_millis(signed(&value)?));
        }
        if store.get(keys::APPEND_KEY, &mut value)? {
            self.newest_append = Some(Timestamp::from_millis(signed(&value)?));
        }
        for (key, value) in collect(store, b"read/", b"read0")? {
            let at = keys::read_of(&key).ok_or_else(damaged)?;
            self.read.insert(at, Offset(signed(&value)?));
        }
        for (key, value) in collect(store, b"progress/", b"progress0")? {
            let (kind, partition) = keys::progress_of(&key).ok_or_else(damaged)?;
            let kind = self.kind(kind)?;
            let (appended_at, progress) = value.split_at_checked(8).ok_or_else(damaged)?;
            let appended_at = Some(signed(appended_at)?).filter(|at| *at != i64::MIN);
            let appended_at = appended_at.map(Timestamp::from_millis);
            let stated = stated(decode(progress)?, appended_at).ok_or_else(damaged)?;
            self.stated
                .insert(InputPartition { kind, partition }, stated);
        }
        let (from, to) = keys::releases();
        let mut releases = Vec::new();
        store.scan(&from, &to, &mut |_, value| {
            releases.push(v1::MonthClose::decode(value));
            ControlFlow::Continue(())
        })?;
        for release in releases {
            self.note_closed(&release.map_err(|_| damaged())?)?;
        }
        self.note_recount();
        Ok(())
    }
}

/// Whether there is a view in a store, of a format that this version reads.
///
/// # Errors
/// If the store can't be read or holds a newer format.
pub fn check_format(store: &dyn Store) -> Result<bool, Error> {
    let mut value = Vec::new();
    if !store.get(keys::FORMAT_KEY, &mut value)? {
        return Ok(false);
    }
    let format = value
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| damaged())?;
    if format > keys::FORMAT {
        return Err(Error::Configuration(format!(
            "the state directory has format {format}, this version reads formats up to {}: use the version that \
             wrote it, or delete the directory (it is restored from the partials topic)",
            keys::FORMAT
        )));
    }
    Ok(true)
}
