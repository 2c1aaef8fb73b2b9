//! Lists of alarms.

use std::cmp::Ordering;

use model::entity::Alarm;
use model::{EntityId, Page, PageRequest, TenantId};

use super::matches;
use crate::AlarmFilter;

/// Whether an alarm of a tenant belongs to a list. `search`: part of its type, in lower case.
pub fn passes(alarm: &Alarm, tenant: TenantId, filter: &AlarmFilter, search: Option<&String>) -> bool {
    filter.entity.is_none_or(|entity| is_shown(alarm, tenant, entity))
        && filter
            .customer
            .is_none_or(|customer| alarm.customer_id.is_some_and(|of| of.id == customer))
        && filter.alarm_type.as_ref().is_none_or(|alarm_type| alarm.alarm_type == *alarm_type)
        && filter.cleared.is_none_or(|cleared| alarm.cleared == cleared)
        && filter.acknowledged.is_none_or(|acknowledged| alarm.acknowledged == acknowledged)
        && (filter.severities.is_empty() || filter.severities.contains(&alarm.severity))
        && filter.from_ms.is_none_or(|from| alarm.created_time >= from)
        && filter.to_ms.is_none_or(|to| alarm.created_time <= to)
        && matches(search, &alarm.alarm_type)
}

/// Whether an entity shows an alarm: its own, or one that propagates to it.
fn is_shown(alarm: &Alarm, tenant: TenantId, entity: EntityId) -> bool {
    alarm.originator.of(tenant) == entity || alarm.shown_to.iter().any(|one| one.of(tenant) == entity)
}

/// The part that a request asks for, of all alarms that pass. Newest first unless the request names a property, and with it a direction.
pub fn page(mut alarms: Vec<Alarm>, page: &PageRequest) -> Page<Alarm> {
    let property = page.sort_property.as_deref();
    let descending = page.descending || property.is_none();
    alarms.sort_unstable_by(|a, b| if descending { order(property, b, a) } else { order(property, a, b) });
    Page::of(alarms, page)
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
