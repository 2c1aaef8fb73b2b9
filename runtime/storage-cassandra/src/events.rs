//! Events: side by side for each entity, kind and time bucket. A list reads times and ids, and the bodies of one page only.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use model::entity::Event;
use model::{EntityId, Page, PageRequest};
use storage::{EventFilter, EventStore, StorageError};
use uuid::Uuid;

use crate::bind::tiny;
use crate::queries::Query;
use crate::store::{CassandraStore, Inner, parse};

/// Requests of one caller under way at most.
const SIDE_BY_SIDE: usize = 16;

#[async_trait]
impl EventStore for CassandraStore {
    /// Events have no name: text search does not apply. The only order is time.
    async fn events(&self, entity: EntityId, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>, StorageError> {
        let mut all = self.0.event_times(entity, filter).await?;
        all.sort_unstable();
        // Newest first unless the request names a property, and with it a direction.
        if page.descending || page.sort_property.is_none() {
            all.reverse();
        }
        let page = Page::of(all, page);
        let kind = tiny(filter.kind as u8);
        let bodies = futures::stream::iter(page.data).map(|(ts_ms, id)| {
            let (tenant, of, bucket) = (entity.tenant.0, tiny(entity.kind.number()), self.0.buckets.of(ts_ms));
            let values = (tenant, of, entity.id, kind, bucket, ts_ms, id);
            async move { self.0.driver.first::<(String,)>(Query::Event, values).await }
        });
        let bodies: Vec<Option<(String,)>> = bodies.buffered(SIDE_BY_SIDE).try_collect().await?;
        // One that is gone meanwhile is left out.
        let data = bodies.into_iter().flatten().map(|(body,)| parse("an event", &body));
        Ok(Page {
            data: data.collect::<Result<_, _>>()?,
            total_pages: page.total_pages,
            total_elements: page.total_elements,
            has_next: page.has_next,
        })
    }
}

impl Inner {
    async fn event_times(&self, entity: EntityId, filter: &EventFilter) -> Result<Vec<(i64, Uuid)>, StorageError> {
        let (from_ms, to_ms) = (filter.from_ms.unwrap_or(i64::MIN), filter.to_ms.unwrap_or(i64::MAX));
        if from_ms > to_ms {
            return Ok(Vec::new());
        }
        let (tenant, of, kind) = (entity.tenant.0, tiny(entity.kind.number()), tiny(filter.kind as u8));
        let values = (tenant, of, entity.id, kind, self.buckets.of(from_ms), self.buckets.of(to_ms));
        let buckets = self
            .driver
            .rows::<(i64,)>("time buckets of events", Query::EventBuckets, values)
            .await?;
        let times = futures::stream::iter(buckets).map(|(bucket,)| {
            let values = (tenant, of, entity.id, kind, bucket, from_ms, to_ms);
            async move {
                self.driver
                    .rows::<(i64, Uuid)>("events of an entity", Query::EventTimes, values)
                    .await
            }
        });
        let times: Vec<Vec<(i64, Uuid)>> = times.buffered(SIDE_BY_SIDE).try_collect().await?;
        Ok(times.into_iter().flatten().collect())
    }
}
