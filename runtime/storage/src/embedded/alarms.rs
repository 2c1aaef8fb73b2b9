//! Alarms, and the index of those that are not cleared. A list reads all alarms of the tenant.

use async_trait::async_trait;
use model::entity::Alarm;
use model::{EntityId, Page, PageRequest, TenantId};
use uuid::Uuid;

use super::apply::from_json;
use super::tables::{Table, Tables, capped};
use super::{EmbeddedStore, keys};
use crate::{AlarmFilter, AlarmStore, StorageError, lists};

#[async_trait]
impl AlarmStore for EmbeddedStore {
    async fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, StorageError> {
        one(&self.0.tables, tenant, id)
    }

    async fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, StorageError> {
        active(&self.0.tables, originator, alarm_type)
    }

    async fn active_alarms(&self, originator: EntityId, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.scan(move |tables| all_active(tables, originator, limit)).await
    }

    async fn alarms(&self, tenant: TenantId, filter: &AlarmFilter, page: &PageRequest) -> Result<Page<Alarm>, StorageError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.scan(move |tables| list(tables, tenant, &filter, &page)).await
    }
}

/// One alarm.
pub(super) fn one(tables: &Tables, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, StorageError> {
    let stored = tables.get(Table::Alarms, keys::of_tenant(tenant, id))?;
    stored.map(|bytes| from_json("an alarm", &bytes)).transpose()
}

/// The alarm of a type that is not cleared.
pub(super) fn active(tables: &Tables, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, StorageError> {
    if !keys::storable(alarm_type) {
        return Ok(None);
    }
    let key = keys::active_alarm(originator, alarm_type);
    // Asked for every value below a threshold, and nearly always there is none: the cheap answer first.
    if tables.get(Table::ActiveAlarms, &key)?.is_none() {
        return Ok(None);
    }
    // Index and alarm of the same moment: in between it could be cleared.
    let moment = tables.moment();
    let Some(id) = moment.get(Table::ActiveAlarms, key)? else {
        return Ok(None);
    };
    let stored = moment.get(Table::Alarms, keys::of_tenant(originator.tenant, keys::trailing_id(&id)?))?;
    stored.map(|bytes| from_json("an alarm", &bytes)).transpose()
}

/// The alarms of an originator that are not cleared, sorted by type.
pub(super) fn all_active(tables: &Tables, originator: EntityId, limit: usize) -> Result<Vec<Alarm>, StorageError> {
    let mut found = Vec::new();
    for row in tables.prefix(Table::ActiveAlarms, &keys::entity(originator)).take(limit) {
        let (_, id) = row?;
        // Cleared since the index was read: left out.
        found.extend(one(tables, originator.tenant, keys::trailing_id(&id)?)?.filter(|alarm| !alarm.cleared));
    }
    Ok(found)
}

fn list(tables: &Tables, tenant: TenantId, filter: &AlarmFilter, page: &PageRequest) -> Result<Page<Alarm>, StorageError> {
    let search = lists::search(page);
    let mut alarms: Vec<Alarm> = Vec::new();
    for row in capped("alarms of a tenant", tables.prefix(Table::Alarms, tenant.0.as_bytes())) {
        let alarm: Alarm = from_json("an alarm", &row?.1)?;
        if lists::alarms::passes(&alarm, tenant, filter, search.as_ref()) {
            alarms.push(alarm);
        }
    }
    Ok(lists::alarms::page(alarms, page))
}
