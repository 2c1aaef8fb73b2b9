//! Numbers of time series. A number of 8 bytes stands in the key of every reading instead of tenant, entity and key. Only the writer
//! thread hands numbers out, so the ones it has in memory are never out of date.

use std::collections::HashMap;

use quick_cache::unsync::Cache;

use super::tables::{Table, Tables};
use crate::StorageError;

/// In [`Table::Meta`].
pub(super) const NEXT_KEY: &[u8] = b"series_next";

/// Numbers known, and the next one.
pub(super) struct SeriesIds {
    known: Cache<Box<[u8]>, u64>,
    /// Handed out, but not yet in the table: [`SeriesIds::known`] may forget them, this does not.
    fresh: HashMap<Box<[u8]>, u64>,
    next: u64,
}

impl SeriesIds {
    /// Goes on where the last process ended.
    pub(super) fn load(tables: &Tables, cached_max: usize) -> Result<Self, StorageError> {
        let next = tables.get(Table::Meta, NEXT_KEY)?.map_or(Ok(1), |bytes| number(&bytes))?;
        Ok(SeriesIds {
            known: Cache::new(cached_max.max(1)),
            fresh: HashMap::new(),
            next,
        })
    }

    /// The number of a series (by its key in [`Table::Series`]), if it has one.
    pub(super) fn find(&mut self, tables: &Tables, key: &[u8]) -> Result<Option<u64>, StorageError> {
        if let Some(id) = self.known.get(key).or_else(|| self.fresh.get(key)) {
            return Ok(Some(*id));
        }
        let stored = stored(tables, key)?;
        if let Some(id) = stored {
            self.known.insert(key.into(), id);
        }
        Ok(stored)
    }

    /// A number for a new series. The caller stages it, and [`SeriesIds::next`] with it.
    pub(super) fn give(&mut self, key: &[u8]) -> u64 {
        let id = self.next;
        self.next += 1;
        self.fresh.insert(key.into(), id);
        self.known.insert(key.into(), id);
        id
    }

    /// The next number to store, if numbers were handed out since [`SeriesIds::written`].
    pub(super) fn next(&self) -> Option<u64> {
        (!self.fresh.is_empty()).then_some(self.next)
    }

    /// Everything handed out is in the table now.
    pub(super) fn written(&mut self) {
        self.fresh.clear();
    }

    /// Forgets a series that is removed.
    pub(super) fn forget(&mut self, key: &[u8]) {
        self.known.remove(key);
    }
}

/// The number of a series, as readers see it.
pub(super) fn stored(tables: &Tables, key: &[u8]) -> Result<Option<u64>, StorageError> {
    tables.get(Table::Series, key)?.map(|bytes| number(&bytes)).transpose()
}

/// A stored number.
pub(super) fn number(bytes: &[u8]) -> Result<u64, StorageError> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| StorageError::Corrupt("the number of a time series is not 8 bytes".into()))
}
