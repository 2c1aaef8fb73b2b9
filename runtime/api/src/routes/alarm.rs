//! Alarms: reading, acknowledging, clearing.
//!
//! A customer user sees the alarms that were raised while the originator belonged to the customer, whoever they propagate to.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::entity::{Alarm, Device};
use model::{EntityId, EntityKind, Page, TenantId};
use serde::{Deserialize, Serialize};
use storage::{AlarmFilter, Mutation};
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Member, Paging, Params, PathOf};
use crate::record::{self, shown_customer};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/alarms", get(all))
        .route("/api/alarm/{a}", get(read))
        .route("/api/alarm/info/{a}", get(info))
        .route("/api/alarm/{a}/{b}", get(of_entity))
        .route("/api/alarm/{a}/ack", post(acknowledge))
        .route("/api/alarm/{a}/clear", post(clear))
}

/// An alarm, its status, and the name of what it is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlarmInfo {
    #[serde(flatten)]
    alarm: Alarm,
    status: &'static str,
    originator_name: Option<String>,
    originator_label: Option<String>,
    assignee: Option<()>,
}

/// An alarm and its status.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    alarm: Alarm,
    status: &'static str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    search_status: Option<String>,
    status: Option<String>,
    assignee_id: Option<Uuid>,
    start_time: Option<i64>,
    end_time: Option<i64>,
}

async fn all(
    State(api): State<ApiState>,
    member: Member,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<AlarmInfo>>, ApiError> {
    list(&api, member, None, asked, paging).await
}

/// Of an originator, and what propagates to it.
async fn of_entity(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id)): PathOf<(String, Uuid)>,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<AlarmInfo>>, ApiError> {
    let entity = member.entity_named(&api, &kind, id).await?;
    list(&api, member, Some(entity), asked, paging).await
}

async fn list(
    api: &ApiState,
    member: Member,
    entity: Option<EntityId>,
    asked: Asked,
    Paging(page): Paging,
) -> Result<Json<Page<AlarmInfo>>, ApiError> {
    // Alarms cannot be assigned yet, so nobody has any.
    if asked.assignee_id.is_some() {
        return Ok(Json(Page::of(Vec::new(), &page)));
    }
    let filter = AlarmFilter {
        entity,
        customer: member.customer,
        ..filter(&asked)?
    };
    let mut found = api.store.alarms(member.tenant, &filter, &page).await?;
    let mut names = HashMap::new();
    let mut infos = Vec::with_capacity(found.data.len());
    for alarm in std::mem::take(&mut found.data) {
        infos.push(alarm_info(api, member.tenant, alarm, &mut names).await?);
    }
    Ok(Json(found.with(infos)))
}

async fn read(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<Shown>, ApiError> {
    let mut alarm = find(&api, member, id).await?;
    alarm.customer_id = shown_customer(alarm.customer_id);
    Ok(Json(Shown {
        status: alarm.status(),
        alarm,
    }))
}

async fn info(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<AlarmInfo>, ApiError> {
    let alarm = find(&api, member, id).await?;
    alarm_info(&api, member.tenant, alarm, &mut HashMap::new()).await.map(Json)
}

async fn acknowledge(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<AlarmInfo>, ApiError> {
    change(api, member, id, |alarm, now_ms| {
        if alarm.acknowledged {
            return Err(ApiError::invalid("Alarm was already acknowledged!"));
        }
        alarm.acknowledged = true;
        alarm.ack_ts = now_ms;
        Ok(())
    })
    .await
}

async fn clear(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<AlarmInfo>, ApiError> {
    change(api, member, id, |alarm, now_ms| {
        if alarm.cleared {
            return Err(ApiError::invalid("Alarm was already cleared!"));
        }
        alarm.cleared = true;
        // As when a rule node clears it.
        alarm.clear_ts = now_ms;
        alarm.end_ts = alarm.end_ts.max(now_ms);
        Ok(())
    })
    .await
}

/// Changes an alarm, in turn with other requests and with rule nodes.
async fn change(
    api: ApiState,
    member: Member,
    id: Uuid,
    change: impl FnOnce(&mut Alarm, i64) -> Result<(), ApiError> + Send + 'static,
) -> Result<Json<AlarmInfo>, ApiError> {
    api.clone()
        .finish("change alarm", async move {
            // Whose alarm it is never changes; everything else is read again when it is this request's turn.
            let originator = find(&api, member, id).await?.originator;
            let _turn = api.app.alarm_turn(originator.id).await;
            let mut alarm = find(&api, member, id).await?;
            change(&mut alarm, api.clock.now_ms())?;
            api.store.submit(vec![Mutation::PutAlarm(Arc::new(alarm.clone()))]).await?.await?;
            alarm_info(&api, member.tenant, alarm, &mut HashMap::new()).await
        })
        .await
        .map(Json)
}

async fn find(api: &ApiState, member: Member, id: Uuid) -> Result<Alarm, ApiError> {
    let alarm = api.store.alarm(member.tenant, id).await?;
    let seen = |alarm: &Alarm| match member.customer {
        None => true,
        Some(own) => alarm.customer_id.is_some_and(|customer| customer.id == own),
    };
    alarm.filter(seen).ok_or_else(|| ApiError::no_entity("Alarm", id))
}

/// `names`: names and labels of originators looked up so far.
async fn alarm_info(
    api: &ApiState,
    tenant: TenantId,
    mut alarm: Alarm,
    names: &mut HashMap<EntityId, (Option<String>, Option<String>)>,
) -> Result<AlarmInfo, ApiError> {
    let originator = alarm.originator.of(tenant);
    let (originator_name, originator_label) = match names.get(&originator) {
        Some(known) => known.clone(),
        None => {
            let record = api.store.entity(originator).await?;
            let name = record.as_ref().map(|record| record.name.clone());
            let label = match record {
                Some(record) if originator.kind == EntityKind::Device => record::read::<Device>(record)?.label,
                _ => None,
            };
            names.entry(originator).insert_entry((name, label)).get().clone()
        }
    };
    alarm.customer_id = shown_customer(alarm.customer_id);
    Ok(AlarmInfo {
        status: alarm.status(),
        originator_name,
        originator_label,
        assignee: None,
        alarm,
    })
}

fn filter(asked: &Asked) -> Result<AlarmFilter, ApiError> {
    let mut filter = AlarmFilter {
        from_ms: asked.start_time,
        to_ms: asked.end_time,
        ..AlarmFilter::default()
    };
    match asked.search_status.as_deref() {
        None | Some("" | "ANY") => {}
        Some("ACTIVE") => filter.cleared = Some(false),
        Some("CLEARED") => filter.cleared = Some(true),
        Some("ACK") => filter.acknowledged = Some(true),
        Some("UNACK") => filter.acknowledged = Some(false),
        Some(other) => return Err(ApiError::Invalid(format!("Unknown search status {other}"))),
    }
    let (cleared, acknowledged) = match asked.status.as_deref() {
        None | Some("") => return Ok(filter),
        Some(_) if asked.search_status.as_deref().is_some_and(|status| !status.is_empty()) => {
            return Err(ApiError::invalid(
                "Invalid alarms search query: Both parameters 'searchStatus' and 'status' can't be specified at the same time!",
            ));
        }
        Some("ACTIVE_UNACK") => (false, false),
        Some("ACTIVE_ACK") => (false, true),
        Some("CLEARED_UNACK") => (true, false),
        Some("CLEARED_ACK") => (true, true),
        Some(other) => return Err(ApiError::Invalid(format!("Unknown alarm status {other}"))),
    };
    Ok(AlarmFilter {
        cleared: Some(cleared),
        acknowledged: Some(acknowledged),
        ..filter
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_filters() {
        let cases = [
            (None, None, Some((None, None))),
            (Some("ACTIVE"), None, Some((Some(false), None))),
            (Some("UNACK"), None, Some((None, Some(false)))),
            (None, Some("CLEARED_ACK"), Some((Some(true), Some(true)))),
            (Some("LOUD"), None, None),
            (None, Some("LOUD"), None),
            (Some("ACTIVE"), Some("ACTIVE_ACK"), None),
        ];
        for (search_status, status, expected) in cases {
            let asked = Asked {
                search_status: search_status.map(str::to_owned),
                status: status.map(str::to_owned),
                ..Asked::default()
            };
            let found = filter(&asked).ok().map(|filter| (filter.cleared, filter.acknowledged));
            assert_eq!(found, expected, "{search_status:?} {status:?}");
        }
    }
}
