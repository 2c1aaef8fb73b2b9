//! Requests to devices that are kept: all of a device in one partition. Which are open is a hint, checked like that of active alarms.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use model::entity::{Rpc, RpcStatus};
use model::{DeviceId, Page, PageRequest, TenantId};
use storage::{RpcStore, StorageError, lists};
use uuid::Uuid;

use crate::queries::Query;
use crate::store::{CassandraStore, Inner, parse};

const WHAT: &str = "a request to a device";
/// Requests of one caller under way at most.
const SIDE_BY_SIDE: usize = 16;

#[async_trait]
impl RpcStore for CassandraStore {
    async fn rpc(&self, tenant: TenantId, id: Uuid) -> Result<Option<Rpc>, StorageError> {
        let device = self.0.driver.first::<(Uuid,)>(Query::RpcDevice, (tenant.0, id)).await?;
        match device {
            Some((device,)) => self.0.rpc(DeviceId::new(tenant, device), id).await,
            None => Ok(None),
        }
    }

    async fn open_rpcs(&self, device: DeviceId) -> Result<Vec<Rpc>, StorageError> {
        let values = (device.tenant.0, device.id);
        let ids = self.0.driver.rows::<(Uuid,)>(WHAT, Query::OpenRpcs, values).await?;
        let found = futures::stream::iter(ids).map(|(id,)| self.0.rpc(device, id));
        let found: Vec<Option<Rpc>> = found.buffered(SIDE_BY_SIDE).try_collect().await?;
        let mut open: Vec<Rpc> = found.into_iter().flatten().filter(Rpc::is_open).collect();
        open.sort_unstable_by_key(lists::rpcs::age);
        Ok(open)
    }

    async fn rpcs(&self, device: DeviceId, status: Option<RpcStatus>, page: &PageRequest) -> Result<Page<Rpc>, StorageError> {
        let values = (device.tenant.0, device.id);
        let rows = self.0.driver.rows::<(String,)>("requests to a device", Query::Rpcs, values).await?;
        let search = lists::search(page);
        let mut all: Vec<Rpc> = Vec::new();
        for (body,) in rows {
            let rpc: Rpc = parse(WHAT, &body)?;
            if lists::rpcs::passes(&rpc, status, search.as_ref()) {
                all.push(rpc);
            }
        }
        Ok(lists::rpcs::page(all, page))
    }
}

impl Inner {
    async fn rpc(&self, device: DeviceId, id: Uuid) -> Result<Option<Rpc>, StorageError> {
        let row = self.driver.first::<(String,)>(Query::Rpc, (device.tenant.0, device.id, id)).await?;
        row.map(|(body,)| parse(WHAT, &body)).transpose()
    }
}
