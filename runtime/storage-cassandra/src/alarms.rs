//! Alarms: a row each, found by id; the same rows by time, for lists; and which of them are active. The last is only a hint and is
//! checked: a node that was away for long may bring an entry back that was removed meanwhile.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use model::entity::Alarm;
use model::{EntityId, Page, PageRequest, TenantId};
use storage::text::storable;
use storage::{AlarmFilter, AlarmStore, StorageError, lists};
use uuid::Uuid;

use crate::bind::tiny;
use crate::queries::Query;
use crate::store::{CassandraStore, Inner, parse};

const WHAT: &str = "an alarm";
/// Requests of one caller under way at most.
const SIDE_BY_SIDE: usize = 16;

#[async_trait]
impl AlarmStore for CassandraStore {
    async fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, StorageError> {
        self.0.alarm(tenant, id).await
    }

    async fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, StorageError> {
        if !storable(alarm_type) {
            return Ok(None);
        }
        let values = (originator.tenant.0, tiny(originator.kind.number()), originator.id, alarm_type);
        let rows = self.0.driver.rows(WHAT, Query::ActiveAlarmsOfType, values).await?;
        Ok(self.0.active(originator.tenant, rows).await?.pop())
    }

    async fn active_alarms(&self, originator: EntityId, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        let values = (originator.tenant.0, tiny(originator.kind.number()), originator.id);
        let rows = self.0.driver.rows(WHAT, Query::ActiveAlarms, values).await?;
        let mut active = self.0.active(originator.tenant, rows).await?;
        active.truncate(limit);
        Ok(active)
    }

    /// Reads all alarms of the tenant in the time asked for.
    async fn alarms(&self, tenant: TenantId, filter: &AlarmFilter, page: &PageRequest) -> Result<Page<Alarm>, StorageError> {
        let (first, last) = (filter.from_ms.unwrap_or(i64::MIN), filter.to_ms.unwrap_or(i64::MAX));
        let values = (tenant.0, self.0.buckets.of(first), self.0.buckets.of(last));
        let buckets = self
            .0
            .driver
            .rows::<(i64,)>("time buckets of alarms", Query::AlarmBuckets, values)
            .await?;
        let search = lists::search(page);
        let found = futures::stream::iter(buckets).map(|(bucket,)| {
            self.0
                .driver
                .rows::<(String,)>("alarms of a time bucket", Query::AlarmsByTime, (tenant.0, bucket))
        });
        let mut found = found.buffered(SIDE_BY_SIDE);
        let mut alarms: Vec<Alarm> = Vec::new();
        while let Some(rows) = found.try_next().await? {
            for (body,) in rows {
                let alarm: Alarm = parse(WHAT, &body)?;
                if lists::alarms::passes(&alarm, tenant, filter, search.as_ref()) {
                    alarms.push(alarm);
                }
            }
        }
        Ok(lists::alarms::page(alarms, page))
    }
}

impl Inner {
    async fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, StorageError> {
        let row = self.driver.first::<(String,)>(Query::Alarm, (tenant.0, id)).await?;
        row.map(|(body,)| parse(WHAT, &body)).transpose()
    }

    /// The alarms that entries of the index stand for and that are active, the newest of each type only, sorted by type.
    pub(crate) async fn active(&self, tenant: TenantId, entries: Vec<(String, Uuid)>) -> Result<Vec<Alarm>, StorageError> {
        let found = futures::stream::iter(entries).map(|(_, id)| self.alarm(tenant, id));
        let found: Vec<Option<Alarm>> = found.buffered(SIDE_BY_SIDE).try_collect().await?;
        let mut active: Vec<Alarm> = found.into_iter().flatten().filter(|alarm| !alarm.cleared).collect();
        active.sort_unstable_by(|a, b| {
            let newest_first = (b.created_time, b.id.id).cmp(&(a.created_time, a.id.id));
            a.alarm_type.cmp(&b.alarm_type).then(newest_first)
        });
        active.dedup_by(|later, first| later.alarm_type == first.alarm_type);
        Ok(active)
    }
}
