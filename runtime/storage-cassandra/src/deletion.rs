//! Removing an entity with everything that belongs to it. Its own row goes last: what was interrupted is there still, and can be removed
//! again.

use model::entity::RelationGroup;
use model::{DeviceId, EntityId, EntityKind};
use storage::StorageError;
use uuid::Uuid;

use crate::bind::{Write, entity, part, tiny};
use crate::queries::Query;
use crate::relations;
use crate::store::Inner;

impl Inner {
    /// Also removes what was written for an entity that is gone, or never was: readings may arrive while it is being deleted.
    pub(crate) async fn delete_entity(&self, id: EntityId) -> Result<bool, StorageError> {
        self.order.settled().await;
        // Before the time is taken: who writes a reading later than that writes the series' row, too.
        self.known.forget(id);
        let stamp_us = self.order.stamp();
        let mut writes = self.series_to_remove(id, stamp_us).await?;
        writes.extend(self.events_to_remove(id, stamp_us).await?);
        for query in [
            Query::DropSeries,
            Query::DropAttributes,
            Query::DropEventBuckets,
            Query::DropNodeState,
        ] {
            writes.push(Write::remove(query, entity(id), [], stamp_us));
        }
        let device = DeviceId::try_from(id).ok().filter(|_| id.kind == EntityKind::Device);
        if let Some(device) = device {
            writes.extend(self.requests_to_remove(device, stamp_us).await?);
        }
        self.driver.write(writes).await?;
        for group in RelationGroup::ALL {
            relations::remove_all(self, id, group, stamp_us).await?;
        }
        if let Some(device) = device {
            self.remove_credentials(device).await?;
        }
        self.remove_entity(id).await
    }

    async fn series_to_remove(&self, id: EntityId, stamp_us: i64) -> Result<Vec<Write>, StorageError> {
        let series = self.series_of(id, None).await?;
        let mut buckets: Vec<i64> = series.into_iter().flat_map(|(_, buckets)| buckets).collect();
        buckets.sort_unstable();
        buckets.dedup();
        let partitions = buckets.into_iter();
        Ok(partitions
            .map(|bucket| Write::remove(Query::DropPoints, part(id, bucket), [], stamp_us))
            .collect())
    }

    async fn events_to_remove(&self, id: EntityId, stamp_us: i64) -> Result<Vec<Write>, StorageError> {
        let values = (id.tenant.0, tiny(id.kind.number()), id.id);
        let rows = self
            .driver
            .rows::<(i8, i64)>("time buckets of events", Query::AllEventBuckets, values)
            .await?;
        let partition = |(kind, bucket): (i8, i64)| {
            let mut key = part(id, kind);
            key.push(bucket.into());
            Write::remove(Query::DropEvents, key, [], stamp_us)
        };
        Ok(rows.into_iter().map(partition).collect())
    }

    async fn requests_to_remove(&self, device: DeviceId, stamp_us: i64) -> Result<Vec<Write>, StorageError> {
        let values = (device.tenant.0, device.id);
        let ids = self.driver.rows::<(Uuid,)>("requests to a device", Query::RpcIds, values).await?;
        let tenant = || device.tenant.into();
        let mut writes: Vec<Write> = ids
            .into_iter()
            .map(|(id,)| Write::remove(Query::DeleteRpcDevice, vec![tenant(), id.into()], [], stamp_us))
            .collect();
        for query in [Query::DropRpcs, Query::DropOpenRpcs] {
            writes.push(Write::remove(query, vec![tenant(), device.id.into()], [], stamp_us));
        }
        let reminder = [device.id.into()];
        writes.push(Write::remove(Query::DeleteReminder, vec![tenant()], reminder, stamp_us));
        Ok(writes)
    }
}
