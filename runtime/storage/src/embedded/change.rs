//! What the writer thread is about to write. Changes are staged, then applied to the database as one atomic batch, then synced together
//! with others by [`super::writer`]. Reading a table here first applies what is staged for it, so every change sees the ones before it.

use std::sync::Arc;

use fjall::{OwnedWriteBatch, Slice};
use model::{Clock, EntityId};

use super::keys;
use super::series_ids::{NEXT_KEY, SeriesIds};
use super::tables::{Row, Table, Tables, failed};
use crate::StorageError;

/// Staged changes, and the state they build on.
pub(super) struct Change {
    tables: Tables,
    batch: OwnedWriteBatch,
    staged: [bool; Table::COUNT],
    series: SeriesIds,
    clock: Arc<dyn Clock>,
    /// Applied, but not yet synced.
    unsynced: bool,
    /// Why no further change can be applied.
    broken: Option<StorageError>,
    /// Readings of removed series wait to be removed.
    garbage: bool,
}

impl Change {
    /// Nothing staged.
    pub(super) fn new(tables: Tables, clock: Arc<dyn Clock>, series_cached_max: usize) -> Result<Self, StorageError> {
        Ok(Change {
            batch: tables.db().batch(),
            staged: [false; Table::COUNT],
            series: SeriesIds::load(&tables, series_cached_max)?,
            clock,
            unsynced: false,
            broken: None,
            // Whether the last process left some is found out by looking.
            garbage: true,
            tables,
        })
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Stages a row.
    pub(super) fn put(&mut self, table: Table, key: impl Into<Slice>, value: impl Into<Slice>) {
        self.batch.insert(self.tables.space(table), key, value);
        self.staged[table as usize] = true;
    }

    /// Stages the removal of a row.
    pub(super) fn remove(&mut self, table: Table, key: impl Into<Slice>) {
        self.batch.remove(self.tables.space(table), key);
        self.staged[table as usize] = true;
    }

    /// The value of a key, staged changes included.
    pub(super) fn get(&mut self, table: Table, key: impl AsRef<[u8]>) -> Result<Option<Slice>, StorageError> {
        self.settle(table)?;
        self.tables.get(table, key)
    }

    /// Rows whose keys start with a prefix, staged changes included.
    pub(super) fn prefix(&mut self, table: Table, prefix: &[u8]) -> Result<impl Iterator<Item = Row> + use<>, StorageError> {
        self.settle(table)?;
        Ok(self.tables.prefix(table, prefix))
    }

    /// Rows with `from <= key < to`, staged changes included.
    pub(super) fn range(&mut self, table: Table, from: &[u8], to: &[u8]) -> Result<impl Iterator<Item = Row> + use<>, StorageError> {
        self.settle(table)?;
        Ok(self.tables.range(table, from, to))
    }

    /// The number of a time series; a new one if it has none.
    pub(super) fn series(&mut self, key: &[u8]) -> Result<u64, StorageError> {
        if let Some(id) = self.series.find(&self.tables, key)? {
            return Ok(id);
        }
        let id = self.series.give(key);
        self.put(Table::Series, key, id.to_be_bytes());
        Ok(id)
    }

    /// The number of a time series, if it has one.
    pub(super) fn known_series(&mut self, entity: EntityId, key: &str) -> Result<Option<u64>, StorageError> {
        self.series.find(&self.tables, &keys::series(entity, key))
    }

    /// Stages the removal of a time series. Nobody sees its readings any more; they go when there is time.
    pub(super) fn discard_series(&mut self, key: Slice, id: u64) {
        self.series.forget(&key);
        self.remove(Table::Series, key);
        for half in [id, keys::apart(id)] {
            self.put(Table::Garbage, half.to_be_bytes(), []);
        }
        self.garbage = true;
    }

    /// Whether readings of removed series may wait to be removed.
    pub(super) fn has_garbage(&self) -> bool {
        self.garbage
    }

    /// No reading of a removed series is left.
    pub(super) fn swept(&mut self) {
        self.garbage = false;
    }

    /// Applies what is staged, as one atomic batch that readers see and that [`Change::unsynced`] tells of.
    pub(super) fn apply(&mut self) -> Result<(), StorageError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        if let Some(next) = self.series.next() {
            self.put(Table::Meta, NEXT_KEY, next.to_be_bytes());
        }
        let batch = std::mem::replace(&mut self.batch, self.tables.db().batch());
        self.staged = [false; Table::COUNT];
        match batch.commit().map_err(failed) {
            Ok(()) => {
                self.series.written();
                self.unsynced = true;
                Ok(())
            }
            Err(error) => {
                self.broken = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Forgets what is staged. Only for changes that ask for no new series: their numbers would be lost.
    pub(super) fn take_back(&mut self) {
        self.batch = self.tables.db().batch();
        self.staged = [false; Table::COUNT];
    }

    /// Whether something was applied since [`Change::synced`].
    pub(super) fn unsynced(&self) -> bool {
        self.unsynced
    }

    /// Everything applied is durable.
    pub(super) fn synced(&mut self) {
        self.unsynced = false;
    }

    /// Applies nothing any more.
    pub(super) fn give_up(&mut self, error: &StorageError) {
        self.broken.get_or_insert_with(|| error.clone());
    }

    /// Why no further change can be applied.
    pub(super) fn broken(&self) -> Option<&StorageError> {
        self.broken.as_ref()
    }

    fn settle(&mut self, table: Table) -> Result<(), StorageError> {
        if self.staged[table as usize] { self.apply() } else { Ok(()) }
    }
}
