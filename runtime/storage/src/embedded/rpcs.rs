//! Requests to devices that are kept: side by side for each device; the open ones have an index.

use async_trait::async_trait;
use model::entity::{Rpc, RpcStatus};
use model::{DeviceId, EntityId, EntityKind, Page, PageRequest, TenantId};
use uuid::Uuid;

use super::apply::{delete_rpc, from_json};
use super::change::Change;
use super::tables::{Table, Tables, capped};
use super::{EmbeddedStore, keys};
use crate::{RpcStore, StorageError, lists};

const WHAT: &str = "a request to a device";

#[async_trait]
impl RpcStore for EmbeddedStore {
    async fn rpc(&self, tenant: TenantId, id: Uuid) -> Result<Option<Rpc>, StorageError> {
        let Some(device) = self.0.tables.get(Table::RpcDevices, keys::of_tenant(tenant, id))? else {
            return Ok(None);
        };
        let device = EntityId::new(tenant, EntityKind::Device, keys::trailing_id(&device)?);
        let stored = self.0.tables.get(Table::Rpcs, keys::rpc(device, id))?;
        stored.map(|bytes| from_json(WHAT, &bytes)).transpose()
    }

    /// Nearly always there is none: read at once.
    async fn open_rpcs(&self, device: DeviceId) -> Result<Vec<Rpc>, StorageError> {
        let tables = &self.0.tables;
        let mut open = Vec::new();
        for row in tables.prefix(Table::OpenRpcs, &keys::entity(device.entity())) {
            // One that is deleted in between is not open.
            if let Some(bytes) = tables.get(Table::Rpcs, row?.0)? {
                open.push(from_json(WHAT, &bytes)?);
            }
        }
        open.sort_unstable_by_key(lists::rpcs::age);
        Ok(open)
    }

    async fn rpcs(&self, device: DeviceId, status: Option<RpcStatus>, page: &PageRequest) -> Result<Page<Rpc>, StorageError> {
        let page = page.clone();
        self.scan(move |tables| list(tables, device, status, &page)).await
    }
}

fn list(tables: &Tables, device: DeviceId, status: Option<RpcStatus>, page: &PageRequest) -> Result<Page<Rpc>, StorageError> {
    let search = lists::search(page);
    let mut all: Vec<Rpc> = Vec::new();
    let rows = tables.prefix(Table::Rpcs, &keys::entity(device.entity()));
    for row in capped("requests to a device", rows) {
        let rpc: Rpc = from_json(WHAT, &row?.1)?;
        if lists::rpcs::passes(&rpc, status, search.as_ref()) {
            all.push(rpc);
        }
    }
    Ok(lists::rpcs::page(all, page))
}

/// Stages the removal of everything that is kept for a device.
pub(super) fn delete_all(change: &mut Change, device: DeviceId) -> Result<(), StorageError> {
    for row in change.prefix(Table::Rpcs, &keys::entity(device.entity()))? {
        delete_rpc(change, device, keys::trailing_id(&row?.0)?);
    }
    Ok(())
}
