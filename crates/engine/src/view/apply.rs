//! Applying records to the view: one atomic write of what they change and of the positions behind them.
//!
//! Idempotent: a piece or progress whose checkpoint is not newer than what is there is ignored;
//! what is newer is applied, whatever compaction took from between. Tombstones carry no meaning.

use std::collections::BTreeMap;

use model::{InputPartition, KindId, Month, Timestamp};
use prost::Message as _;
use wire::partials::PartialKey;
use wire::releases::{self, ReleaseKey};
use wire::v1;

use super::{View, keys, load_page, stated};
use crate::ports::{Change, Error, Partial, Published, PublishedBatch, Store};
use crate::settings;

/// Pages of unions that a write changes, by kind, month, lineage and page.
type Unions = BTreeMap<(KindId, Month, String, usize), Vec<u8>>;

/// What one write changes.
struct Writing {
    /// The highest floor before it.
    floor: Month,
    changes: Vec<Change>,
    unions: Unions,
    page: Vec<u8>,
    scratch: Vec<u8>,
}

impl Writing {
    fn begin(view: &View) -> Self {
        Self {
            floor: view.highest_floor(),
            changes: Vec::new(),
            unions: Unions::new(),
            page: vec![0; view.precision.page_len()],
            scratch: Vec::new(),
        }
    }
}

impl View {
    /// Applies what has been read, whole checkpoints and releases only; the beginning of another one waits.
    /// Comes back with true if the settings are of another filling: then nothing was applied, the
    /// view is to be discarded and the topics are to be read from their beginnings.
    ///
    /// # Errors
    /// If the store fails or a record can't be understood.
    pub fn apply(&mut self, store: &mut dyn Store, batch: PublishedBatch) -> Result<bool, Error> {
        let batch = self.holding.add(batch);
        if batch.records.is_empty() && batch.positions.is_empty() {
            return Ok(false);
        }
        let mut writing = Writing::begin(self);
        for record in &batch.records {
            match record.at {
                Published::Partials(_) => {
                    let is_other =
                        self.note_append(record.timestamp, &record.key, record.value.as_deref())?;
                    if is_other {
                        return Ok(true);
                    }
                    if let Some(value) = &record.value {
                        let appended_at = Some(record.timestamp);
                        self.apply_partial(store, &mut writing, &record.key, value, appended_at)?;
                    }
                }
                Published::MonthClose(_) => {
                    if let Some(value) = &record.value {
                        self.apply_release(&mut writing, &record.key, value)?;
                    }
                }
            }
        }
        for (at, position) in batch.positions {
            writing
                .changes
                .push(put(keys::read(at), position.0.to_be_bytes().to_vec()));
            self.read.insert(at, position);
        }
        if let Some(append) = self.newest_append {
            let value = append.as_millis().to_be_bytes().to_vec();
            writing.changes.push(put(keys::APPEND_KEY.to_vec(), value));
        }
        self.finish(store, writing)?;
        Ok(false)
    }

    /// Applies an own checkpoint whose transaction is committed.
    ///
    /// # Errors
    /// If the store fails.
    pub fn apply_own<'a>(
        &mut self,
        store: &mut dyn Store,
        partials: impl Iterator<Item = &'a Partial>,
    ) -> Result<(), Error> {
        let mut writing = Writing::begin(self);
        for partial in partials {
            if let Some(value) = &partial.value {
                self.apply_partial(store, &mut writing, &partial.key, value, None)?;
            }
        }
        self.finish(store, writing)
    }

    /// Takes note of a record's append time; true if it is the settings of another filling.
    fn note_append(
        &mut self,
        at: Timestamp,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<bool, Error> {
        self.newest_append = Some(self.newest_append.map_or(at, |newest| newest.max(at)));
        let (Some(value), Some(settings)) = (value, &self.settings) else {
            return Ok(false);
        };
        if !matches!(PartialKey::decode(key), Ok(PartialKey::Settings)) {
            return Ok(false);
        }
        Ok(settings::read(value)?.filling != settings.filling)
    }

    fn apply_partial(
        &mut self,
        store: &dyn Store,
        writing: &mut Writing,
        key: &[u8],
        value: &[u8],
        appended_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let piece = PartialKey::decode(key).map_err(|_| unreadable(key))?;
        let partition = match piece {
            PartialKey::Settings => {
                return self.apply_settings(writing, value, appended_at);
            }
            PartialKey::Progress { kind, partition }
            | PartialKey::Window {
                kind, partition, ..
            }
            | PartialKey::Count {
                kind, partition, ..
            }
            | PartialKey::Page {
                kind, partition, ..
            } => InputPartition {
                kind: self.kind(kind)?,
                partition,
            },
        };
        match piece {
            PartialKey::Settings => {}
            PartialKey::Progress { .. } => {
                self.apply_progress(writing, partition, (key, value), appended_at)?;
            }
            PartialKey::Window { parity, slice, .. } => {
                let message: v1::WindowSlice = read(key, value)?;
                if self.is_newer(partition, message.checkpoint) {
                    let (kind, number) = (self.kind_name(partition), partition.partition);
                    let key = keys::window(kind, number, u64::from(parity), slice as usize);
                    writing.changes.push(put(key, value.to_vec()));
                }
            }
            PartialKey::Count { month, lineage, .. } => {
                self.apply_count(writing, partition, (month, lineage), &read(key, value)?);
            }
            PartialKey::Page {
                month,
                lineage,
                page,
                ..
            } => {
                let (cell, page) = ((month, lineage), usize::from(page));
                if page >= self.precision.pages() {
                    return Err(unreadable(key));
                }
                self.apply_page(store, writing, partition, cell, page, read(key, value)?)?;
            }
        }
        Ok(())
    }

    fn apply_count(
        &mut self,
        writing: &mut Writing,
        partition: InputPartition,
        (month, lineage): (Month, &str),
        count: &v1::Count,
    ) {
        if self.is_newer(partition, count.checkpoint) && self.is_kept(partition, month) {
            let kind = self.kind_name(partition);
            let key = keys::count(kind, partition.partition, month, lineage);
            let value = count.events.to_be_bytes().to_vec();
            writing.changes.push(put(key, value));
            *self.changes.entry(month).or_default() += 1;
        }
    }

    fn apply_page(
        &mut self,
        store: &dyn Store,
        writing: &mut Writing,
        partition: InputPartition,
        (month, lineage): (Month, &str),
        page: usize,
        message: v1::Page,
    ) -> Result<(), Error> {
        if self.is_newer(partition, message.checkpoint) && self.is_kept(partition, month) {
            let union = (partition.kind, month, lineage, page);
            let kind = self.kind_name(partition);
            let key = keys::page(kind, partition.partition, month, lineage, page);
            sketch::decode_page(&message.registers, &mut writing.page)
                .map_err(|_| unreadable(&key))?;
            self.unite(store, writing, union)?;
            writing.changes.push(put(key, message.registers));
            *self.changes.entry(month).or_default() += 1;
        }
        Ok(())
    }

    fn is_newer(&self, partition: InputPartition, checkpoint: u64) -> bool {
        self.stated(partition)
            .is_none_or(|stated| checkpoint > stated.progress.checkpoint)
    }

    fn is_kept(&self, partition: InputPartition, month: Month) -> bool {
        self.stated(partition)
            .is_none_or(|stated| month >= stated.floor)
    }

    /// Lays the page that was read last over its union.
    fn unite(
        &self,
        store: &dyn Store,
        writing: &mut Writing,
        (kind, month, lineage, page): (KindId, Month, &str, usize),
    ) -> Result<(), Error> {
        if month < self.highest_floor() {
            return Ok(());
        }
        let Writing {
            unions,
            page: decoded,
            scratch,
            ..
        } = writing;
        let union = match unions.entry((kind, month, lineage.to_owned(), page)) {
            std::collections::btree_map::Entry::Occupied(union) => union.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                let mut union = vec![0; self.precision.page_len()];
                let key = keys::union(&self.kinds.get(kind).name, month, lineage, page);
                load_page(store, &key, scratch, &mut union)?;
                free.insert(union)
            }
        };
        sketch::union_into(union, decoded);
        Ok(())
    }

    fn apply_settings(
        &mut self,
        writing: &mut Writing,
        value: &[u8],
        appended_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let settings = settings::read(value)?;
        if self
            .settings
            .as_ref()
            .is_none_or(|known| settings.number > known.number)
        {
            writing
                .changes
                .push(put(keys::SETTINGS_KEY.to_vec(), value.to_vec()));
            if let Some(at) = appended_at {
                let at = at.as_millis().to_be_bytes().to_vec();
                writing
                    .changes
                    .push(put(keys::SETTINGS_AT_KEY.to_vec(), at));
            }
            self.settings = Some(settings);
            self.settings_at = appended_at;
            self.note_recount();
        }
        Ok(())
    }

    fn apply_progress(
        &mut self,
        writing: &mut Writing,
        partition: InputPartition,
        (key, value): (&[u8], &[u8]),
        appended_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let new = stated(read(key, value)?, appended_at).ok_or_else(|| unreadable(key))?;
        let recount = self
            .settings()
            .and_then(|settings| settings.recount.as_ref());
        if recount.is_some_and(|recount| new.progress.settings < recount.settings) {
            return Err(former_filling(key));
        }
        let known_floor = self.stated.get(&partition).map(|known| known.floor);
        let is_repeated = match self.stated.get(&partition) {
            Some(known) if known.progress.checkpoint > new.progress.checkpoint => return Ok(()),
            Some(known) => known.progress.checkpoint == new.progress.checkpoint,
            None => false,
        };
        if is_repeated && appended_at.is_none() {
            return Ok(());
        }
        let kind = self.kinds.get(partition.kind).name.clone();
        if known_floor.is_none_or(|floor| floor < new.floor) {
            let number = partition.partition;
            writing.changes.push(Change::DeleteRange(
                keys::counts_begin(&kind, number),
                keys::counts_from(&kind, number, new.floor),
            ));
            writing.changes.push(Change::DeleteRange(
                keys::pages_begin(&kind, number),
                keys::pages_from(&kind, number, new.floor),
            ));
        }
        let append = appended_at.map_or(i64::MIN, Timestamp::as_millis);
        let stored = [append.to_be_bytes().as_slice(), value].concat();
        writing
            .changes
            .push(put(keys::progress(&kind, partition.partition), stored));
        if self
            .recount
            .get(&partition)
            .is_some_and(|until| *until <= new.position())
        {
            self.recount.remove(&partition);
        }
        self.stated.insert(partition, new);
        Ok(())
    }

    fn apply_release(
        &mut self,
        writing: &mut Writing,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        let ReleaseKey { month, .. } = ReleaseKey::decode(key).map_err(|_| unreadable(key))?;
        let release = releases::decode(value).map_err(|_| unreadable(key))?;
        if self
            .closed(month)
            .is_some_and(|last| release.revision < last.revision)
        {
            return Ok(());
        }
        writing
            .changes
            .push(put(keys::release(key), release.encode_to_vec()));
        self.note_closed(&release)
    }

    fn finish(&self, store: &mut dyn Store, writing: Writing) -> Result<(), Error> {
        let Writing {
            floor,
            mut changes,
            unions,
            ..
        } = writing;
        let kept_from = self.highest_floor();
        for ((kind, month, lineage, page), registers) in unions {
            if month >= kept_from {
                let key = keys::union(&self.kinds.get(kind).name, month, &lineage, page);
                let mut value = Vec::new();
                sketch::encode_page(&registers, &mut value);
                changes.push(put(key, value));
            }
        }
        if kept_from > floor {
            for (_, kind) in self.kinds.iter() {
                changes.push(Change::DeleteRange(
                    keys::unions_begin(&kind.name),
                    keys::unions_from(&kind.name, kept_from),
                ));
            }
        }
        store.write(&changes)
    }
}

fn put(key: Vec<u8>, value: Vec<u8>) -> Change {
    Change::Put(key, value)
}

fn read<M: prost::Message + Default>(key: &[u8], value: &[u8]) -> Result<M, Error> {
    M::decode(value).map_err(|_| unreadable(key))
}

/// It was no member of the group any more when that was emptied, or has joined before the new settings were there.
fn former_filling(key: &[u8]) -> Error {
    Error::Contradiction(format!(
        "the record `{}` was written after `appmi reset` by a process that still counted into the former filling: \
         stop every instance and run `appmi reset` again",
        String::from_utf8_lossy(key)
    ))
}

fn unreadable(key: &[u8]) -> Error {
    Error::Contradiction(format!(
        "the record `{}` of an owned topic can't be understood: was it written by a newer version, or by \
         something else?",
        String::from_utf8_lossy(key)
    ))
}
