//! Time series. A series has a number ([`super::series_ids`]); its readings lie side by side, in order of time, so the newest one is
//! the last row of the series that has not expired. One reading may stand behind them all: that which is in no history. Those that are in the
//! history alone lie in a half of their own, where nobody looks for the newest one.

use std::sync::Arc;

use async_trait::async_trait;
use model::{EntityId, Reading};

use super::series_ids::{number, stored};
use super::tables::{Row, Table, Tables, capped};
use super::{EmbeddedStore, keys};
use crate::{SeriesQuery, StorageError, TimeSeriesStore, lists, value_codec};

/// Readings of one answer at most.
const READINGS_MAX: u32 = 100_000;

#[async_trait]
impl TimeSeriesStore for EmbeddedStore {
    async fn series_keys(&self, entity: EntityId) -> Result<Vec<Arc<str>>, StorageError> {
        self.scan(move |tables| series_of(tables, entity).map(|series| series.map(|(key, _)| key)).collect())
            .await
    }

    async fn latest(&self, entity: EntityId, keys: Option<&[Arc<str>]>) -> Result<Vec<(Arc<str>, Reading)>, StorageError> {
        let now_ms = self.0.clock.now_ms();
        let Some(keys) = keys else {
            return self.scan(move |tables| latest_of_all(tables, entity, now_ms)).await;
        };
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        self.scan(move |tables| {
            let readings = keys
                .into_iter()
                .map(|key| Ok(latest(tables, entity, &key, now_ms)?.map(|reading| (key, reading))));
            readings.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn series(&self, entity: EntityId, key: &str, query: &SeriesQuery) -> Result<Vec<Reading>, StorageError> {
        let (key, query, now_ms) = (key.to_owned(), query.clone(), self.0.clock.now_ms());
        self.scan(move |tables| of_key(tables, entity, &key, &query, now_ms)).await
    }
}

/// Readings of a key.
pub(super) fn of_key(tables: &Tables, entity: EntityId, key: &str, query: &SeriesQuery, now_ms: i64) -> Result<Vec<Reading>, StorageError> {
    if !keys::storable(key) {
        return Ok(Vec::new());
    }
    match stored(tables, &keys::series(entity, key))? {
        Some(id) => readings(tables, id, query, now_ms),
        None => Ok(Vec::new()),
    }
}

/// The newest reading of a key.
pub(super) fn latest(tables: &Tables, entity: EntityId, key: &str, now_ms: i64) -> Result<Option<Reading>, StorageError> {
    if !keys::storable(key) {
        return Ok(None);
    }
    match stored(tables, &keys::series(entity, key))? {
        Some(id) => newest(tables, id, now_ms),
        None => Ok(None),
    }
}

fn latest_of_all(tables: &Tables, entity: EntityId, now_ms: i64) -> Result<Vec<(Arc<str>, Reading)>, StorageError> {
    let mut all = Vec::new();
    for series in series_of(tables, entity) {
        let (key, id) = series?;
        if let Some(reading) = newest(tables, id, now_ms)? {
            all.push((key, reading));
        }
    }
    Ok(all)
}

/// Keys and numbers of an entity's series, in order of keys.
fn series_of(tables: &Tables, entity: EntityId) -> impl Iterator<Item = Result<(Arc<str>, u64), StorageError>> {
    let prefix = keys::entity(entity);
    let skip = prefix.len();
    capped("time series of an entity", tables.prefix(Table::Series, &prefix)).map(move |row| {
        let (key, id) = row?;
        Ok((keys::text(&key, skip)?.into(), number(&id)?))
    })
}

fn newest(tables: &Tables, series: u64, now_ms: i64) -> Result<Option<Reading>, StorageError> {
    let rows = tables.prefix(Table::Points, &series.to_be_bytes()).rev();
    let mut alive = rows.filter_map(|row| reading(row, now_ms).transpose());
    let Some((key_ms, first)) = alive.next().transpose()? else {
        return Ok(None);
    };
    if key_ms != keys::LATEST_MS {
        return Ok(Some(first));
    }
    // It is in no history: what is newest there may be newer.
    let newest = alive.next().transpose()?.map(|(_, reading)| reading);
    Ok(Some(match newest {
        Some(newest) if newest.ts_ms > first.ts_ms => newest,
        _ => first,
    }))
}

fn readings(tables: &Tables, series: u64, query: &SeriesQuery, now_ms: i64) -> Result<Vec<Reading>, StorageError> {
    let limit = query.limit.clamp(1, READINGS_MAX) as usize;
    let ordinary = of_half(tables, series, query, limit, now_ms)?;
    let apart = of_half(tables, keys::apart(series), query, limit, now_ms)?;
    Ok(lists::readings::merged(ordinary, apart, query.descending, limit))
}

fn of_half(tables: &Tables, series: u64, query: &SeriesQuery, limit: usize, now_ms: i64) -> Result<Vec<Reading>, StorageError> {
    let rows = tables.range(
        Table::Points,
        &keys::point(series, query.from_ms),
        &keys::point(series, query.to_ms),
    );
    let alive = |row: Row| reading(row, now_ms).map(|row| row.map(|(_, reading)| reading)).transpose();
    match query.descending {
        true => rows.rev().filter_map(alive).take(limit).collect(),
        false => rows.filter_map(alive).take(limit).collect(),
    }
}

/// The reading of a row, unless it has expired, after the time in the row's key.
fn reading(row: Row, now_ms: i64) -> Result<Option<(i64, Reading)>, StorageError> {
    let (key, value) = row?;
    let key_ms = keys::point_time(&key)?;
    let reading = value_codec::decode_point(key_ms, &value, now_ms)?;
    Ok(reading.map(|reading| (key_ms, reading)))
}
