//! Time series. `series` tells the keys of an entity and the buckets of each; the newest reading of a key is the first row of its newest
//! bucket that has one. A bucket that no time has holds the one reading of a key that is in no history, if there is one; buckets below those
//! of all times hold what is in the history alone.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use model::{EntityId, Reading};
use storage::text::storable;
use storage::{SeriesQuery, StorageError, TimeSeriesStore, lists, value_codec};

use crate::bind::tiny;
use crate::buckets::{Buckets, LATEST};
use crate::queries::Query;
use crate::store::{CassandraStore, Inner};

/// Readings of one answer at most.
const READINGS_MAX: u32 = 100_000;
/// Keys looked up with one request.
const KEYS_AT_ONCE: usize = 100;
/// Requests of one caller under way at most.
const SIDE_BY_SIDE: usize = 16;
const WHAT: &str = "time series of an entity";

/// A key, and its buckets, the newest first.
type Series = (Arc<str>, Vec<i64>);

#[async_trait]
impl TimeSeriesStore for CassandraStore {
    async fn series_keys(&self, entity: EntityId) -> Result<Vec<Arc<str>>, StorageError> {
        Ok(self.0.series_of(entity, None).await?.into_iter().map(|(key, _)| key).collect())
    }

    async fn latest(&self, entity: EntityId, keys: Option<&[Arc<str>]>) -> Result<Vec<(Arc<str>, Reading)>, StorageError> {
        let series = self.0.series_of(entity, keys).await?;
        let newest = futures::stream::iter(series).map(|(key, buckets)| async move {
            let reading = self.0.newest(entity, &key, &buckets).await?;
            Ok::<_, StorageError>(reading.map(|reading| (key, reading)))
        });
        let found = newest.buffered(SIDE_BY_SIDE).try_filter_map(|found| std::future::ready(Ok(found)));
        found.try_collect().await
    }

    async fn series(&self, entity: EntityId, key: &str, query: &SeriesQuery) -> Result<Vec<Reading>, StorageError> {
        if !storable(key) || query.from_ms >= query.to_ms {
            return Ok(Vec::new());
        }
        let limit = query.limit.clamp(1, READINGS_MAX) as usize;
        let (ordinary, apart) = self.0.buckets_of(entity, key, query.from_ms, query.to_ms).await?;
        let ordinary = self.0.points_of(entity, key, ordinary, query, limit).await?;
        let apart = self.0.points_of(entity, key, apart, query, limit).await?;
        Ok(lists::readings::merged(ordinary, apart, query.descending, limit))
    }
}

impl Inner {
    /// Buckets that may have readings of a key with `from_ms <= time < to_ms`, the newest first; and those of what is in the history alone.
    pub(crate) async fn buckets_of(
        &self,
        entity: EntityId,
        key: &str,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<(Vec<i64>, Vec<i64>), StorageError> {
        let last_ms = to_ms.saturating_sub(1);
        let between = |first: i64, last: i64| async move {
            let values = (entity.tenant.0, tiny(entity.kind.number()), entity.id, key, first, last);
            let rows = self.driver.rows::<(i64,)>(WHAT, Query::BucketsOf, values).await?;
            Ok::<Vec<i64>, StorageError>(rows.into_iter().map(|(bucket,)| bucket).collect())
        };
        let buckets = self.buckets;
        let ordinary = between(buckets.of(from_ms), buckets.of(last_ms));
        let apart = between(buckets.apart_of(from_ms), buckets.apart_of(last_ms));
        futures::future::try_join(ordinary, apart).await
    }

    /// Readings of a key in some buckets, which stand the newest first.
    async fn points_of(
        &self,
        entity: EntityId,
        key: &str,
        mut buckets: Vec<i64>,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<Reading>, StorageError> {
        if !query.descending {
            buckets.reverse();
        }
        let mut readings = Vec::new();
        for bucket in buckets {
            let left = limit - readings.len();
            if left == 0 {
                break;
            }
            readings.extend(self.points(entity, key, bucket, query, left).await?);
        }
        Ok(readings)
    }

    /// The series of the keys given, or all, sorted by key.
    pub(crate) async fn series_of(&self, entity: EntityId, keys: Option<&[Arc<str>]>) -> Result<Vec<Series>, StorageError> {
        let (tenant, kind, id) = (entity.tenant.0, tiny(entity.kind.number()), entity.id);
        let rows = match keys {
            None => self.driver.rows::<(String, i64)>(WHAT, Query::SeriesOf, (tenant, kind, id)).await?,
            Some(keys) => {
                let mut rows = Vec::new();
                for keys in asked(keys).chunks(KEYS_AT_ONCE) {
                    let values = (tenant, kind, id, keys);
                    rows.extend(self.driver.rows::<(String, i64)>(WHAT, Query::SeriesOfKeys, values).await?);
                }
                rows
            }
        };
        let mut series: Vec<Series> = Vec::new();
        for (key, bucket) in rows {
            match series.last_mut() {
                Some((last, buckets)) if **last == *key => buckets.push(bucket),
                _ => series.push((key.into(), vec![bucket])),
            }
        }
        Ok(series)
    }

    async fn newest(&self, entity: EntityId, key: &str, buckets: &[i64]) -> Result<Option<Reading>, StorageError> {
        let mut latest = None;
        // The newest first: the bucket that no time has is the very first, and those of what is in the history alone are the last.
        for bucket in buckets.iter().take_while(|bucket| !Buckets::is_apart(**bucket)) {
            let found = self.newest_of(entity, key, *bucket).await?;
            match found {
                Some(reading) if *bucket == LATEST.1 => latest = Some(reading),
                Some(reading) => return Ok(Some(newer(reading, latest))),
                None => {}
            }
        }
        Ok(latest)
    }

    async fn newest_of(&self, entity: EntityId, key: &str, bucket: i64) -> Result<Option<Reading>, StorageError> {
        let values = (entity.tenant.0, tiny(entity.kind.number()), entity.id, bucket, key);
        let row = self.driver.first::<(i64, Vec<u8>)>(Query::NewestPoint, values).await?;
        row.map(|(ts_ms, bytes)| reading(ts_ms, &bytes)).transpose()
    }

    /// The reading of a key that is in no history.
    pub(crate) async fn latest_of(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, StorageError> {
        self.newest_of(entity, key, LATEST.1).await
    }

    async fn points(
        &self,
        entity: EntityId,
        key: &str,
        bucket: i64,
        asked: &SeriesQuery,
        limit: usize,
    ) -> Result<Vec<Reading>, StorageError> {
        let query = if asked.descending { Query::PointsDown } else { Query::PointsUp };
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let values = (
            entity.tenant.0,
            tiny(entity.kind.number()),
            entity.id,
            bucket,
            key,
            asked.from_ms,
            asked.to_ms,
            limit,
        );
        let rows = self.driver.rows::<(i64, Vec<u8>)>("readings of a bucket", query, values).await?;
        rows.iter().map(|(ts_ms, bytes)| reading(*ts_ms, bytes)).collect()
    }
}

/// Keys that something can be stored under, sorted, each once.
pub(crate) fn asked(keys: &[Arc<str>]) -> Vec<&str> {
    let mut keys: Vec<&str> = keys.iter().map(|key| &**key).filter(|key| storable(key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A reading of its row. The database has removed what has expired.
fn reading(ts_ms: i64, bytes: &[u8]) -> Result<Reading, StorageError> {
    let reading = value_codec::decode_point(ts_ms, bytes, i64::MIN)?;
    reading.ok_or_else(|| StorageError::Corrupt("a reading has expired before it was written".into()))
}

/// The newest of a history, or the one in no history, if that is not older.
fn newer(of_history: Reading, latest: Option<Reading>) -> Reading {
    match latest {
        Some(latest) if latest.ts_ms >= of_history.ts_ms => latest,
        _ => of_history,
    }
}
