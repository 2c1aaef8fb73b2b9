//! Alarms, and the index of those that are not cleared. A list reads all alarms of the tenant.

use std::cmp::Ordering;

use async_trait::async_trait;
use model::entity::Alarm;
use model::{EntityId, Page, PageRequest, TenantId};
use uuid::Uuid;

use super::apply::from_json;
use super::tables::{Table, Tables, capped};
use super::{EmbeddedStore, keys};
use crate::{AlarmFilter, AlarmStore, StorageError};

#[async_trait]
impl AlarmStore for EmbeddedStore {
    async fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, StorageError> {
        one(&self.0.tables, tenant, id)
    }

    async fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, StorageError> {
        active(&self.0.tables, originator, alarm_type)
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
    let search = page.text_search.as_ref().map(|text| text.to_lowercase());
    let mut alarms: Vec<Alarm> = Vec::new();
    for row in capped("alarms of a tenant", tables.prefix(Table::Alarms, tenant.0.as_bytes())) {
        let alarm: Alarm = from_json("an alarm", &row?.1)?;
        if passes(&alarm, tenant, filter) && search.as_ref().is_none_or(|text| alarm.alarm_type.to_lowercase().contains(text)) {
            alarms.push(alarm);
        }
    }
    let property = page.sort_property.as_deref();
    // Newest first unless the request names a property, and with it a direction.
    let descending = page.descending || property.is_none();
    alarms.sort_unstable_by(|a, b| if descending { order(property, b, a) } else { order(property, a, b) });
    Ok(Page::of(alarms, page))
}

fn passes(alarm: &Alarm, tenant: TenantId, filter: &AlarmFilter) -> bool {
    filter.originator.is_none_or(|originator| alarm.originator.of(tenant) == originator)
        && filter
            .customer
            .is_none_or(|customer| alarm.customer_id.is_some_and(|of| of.id == customer))
        && filter.alarm_type.as_ref().is_none_or(|alarm_type| alarm.alarm_type == *alarm_type)
        && filter.cleared.is_none_or(|cleared| alarm.cleared == cleared)
        && filter.acknowledged.is_none_or(|acknowledged| alarm.acknowledged == acknowledged)
        && (filter.severities.is_empty() || filter.severities.contains(&alarm.severity))
        && filter.from_ms.is_none_or(|from| alarm.created_time >= from)
        && filter.to_ms.is_none_or(|to| alarm.created_time <= to)
}

/// By a property of the REST API, then by creation, then by id, so that pages never overlap.
fn order(property: Option<&str>, a: &Alarm, b: &Alarm) -> Ordering {
    let by_property = match property {
        Some("type" | "name") => a.alarm_type.cmp(&b.alarm_type),
        Some("severity") => a.severity.cmp(&b.severity),
        Some("status") => a.status().cmp(b.status()),
        Some("startTs") => a.start_ts.cmp(&b.start_ts),
        Some("endTs") => a.end_ts.cmp(&b.end_ts),
        Some("ackTs") => a.ack_ts.cmp(&b.ack_ts),
        Some("clearTs") => a.clear_ts.cmp(&b.clear_ts),
        _ => Ordering::Equal,
    };
    by_property.then_with(|| (a.created_time, a.id.id).cmp(&(b.created_time, b.id.id)))
}
