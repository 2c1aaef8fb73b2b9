//! Listeners of stream adapters: created, listed, switched on and off, deleted. A listener is not changed otherwise.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::entity::{IdRef, StreamListener};
use model::{EntityKind, Page, TenantId};
use serde::Serialize;
use storage::EntityFilter;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Body, Paging, PathOf, TenantAdmin};
use crate::listeners::ListenerStatus;
use crate::record::{self, check_name};
use crate::state::ApiState;

/// Listeners of a tenant at most.
const LISTENERS_MAX: u64 = 20;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/plugins/listeners", get(list).post(create))
        .route("/api/plugins/listeners/{id}", get(read).delete(remove))
        .route("/api/plugins/listeners/{id}/enable", post(enable))
        .route("/api/plugins/listeners/{id}/disable", post(disable))
}

/// A listener, and what it does.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    listener: StreamListener,
    status: ListenerStatus,
}

fn shown(api: &ApiState, listener: StreamListener) -> Shown {
    let status = listener.id.map(|id| api.listeners.status(id.id)).unwrap_or_default();
    Shown { listener, status }
}

async fn create(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(listener): Body<StreamListener>,
) -> Result<Json<Shown>, ApiError> {
    check_name("Listener", "name", &listener.name)?;
    check_name("Listener", "adapter", &listener.adapter)?;
    if listener.id.is_some() {
        return Err(ApiError::invalid("A listener is not changed: delete it and create another"));
    }
    api.clone()
        .finish("create listener", async move {
            let listener = create_listener(&api, tenant, listener).await?;
            Ok(Json(shown(&api, listener)))
        })
        .await
}

async fn create_listener(api: &ApiState, tenant: TenantId, mut listener: StreamListener) -> Result<StreamListener, ApiError> {
    let _turn = api.turns.take(("listeners", tenant)).await;
    let page = model::PageRequest::first(1);
    let there = api
        .store
        .entities(tenant, EntityKind::StreamListener, &EntityFilter::default(), &page)
        .await?;
    if there.total_elements >= LISTENERS_MAX {
        return Err(ApiError::Invalid(format!("A tenant has {LISTENERS_MAX} listeners at most")));
    }
    let id = Uuid::now_v7();
    listener.id = Some(IdRef::new(EntityKind::StreamListener, id));
    listener.tenant_id = Some(IdRef::tenant(tenant));
    listener.created_time = api.clock.now_ms();
    api.listeners.reserve(tenant, id, listener.port)?;
    let created = async {
        let saved = record::save(&*api.store, tenant, id, 0, &mut listener).await;
        saved.map_err(|error| ApiError::saving("Listener", error))?;
        if listener.enabled {
            api.listeners.start(tenant, &listener).await?;
        }
        // Now that it is known to run: what does not is not kept.
        api.app.announce(Change::new(tenant, What::Listener(id)));
        Ok(())
    };
    if let Err(error) = created.await {
        api.listeners.release(id);
        api.store
            .delete_entity(model::EntityId::new(tenant, EntityKind::StreamListener, id))
            .await?;
        return Err(error);
    }
    Ok(listener)
}

async fn read(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<Json<Shown>, ApiError> {
    let listener = record::get(&*api.store, tenant, id).await?;
    Ok(Json(shown(&api, listener)))
}

async fn list(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Paging(page): Paging,
) -> Result<Json<Page<Shown>>, ApiError> {
    let found = record::page(&*api.store, tenant, &EntityFilter::default(), &page).await?;
    Ok(Json(found.map(|listener| shown(&api, listener))))
}

async fn remove(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<(), ApiError> {
    let entity = model::EntityId::new(tenant, EntityKind::StreamListener, id);
    api.clone()
        .finish("delete listener", async move {
            let _turn = api.turns.take(("listeners", tenant)).await;
            if !api.store.delete_entity(entity).await? {
                return Err(ApiError::no_entity("Listener", id));
            }
            api.app.announce(Change::new(tenant, What::Listener(id)));
            api.listeners.stop(id).await;
            api.listeners.release(id);
            Ok(())
        })
        .await
}

async fn enable(State(api): State<ApiState>, admin: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<Json<Shown>, ApiError> {
    switch(api, admin.tenant, id, true).await
}

async fn disable(State(api): State<ApiState>, admin: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<Json<Shown>, ApiError> {
    switch(api, admin.tenant, id, false).await
}

async fn switch(api: ApiState, tenant: TenantId, id: Uuid, enabled: bool) -> Result<Json<Shown>, ApiError> {
    api.clone()
        .finish("switch listener", async move {
            let _turn = api.turns.take(("listeners", tenant)).await;
            let mut listener: StreamListener = record::get(&*api.store, tenant, id).await?;
            if enabled {
                // First: what does not start is not kept as running.
                api.listeners.start(tenant, &listener).await?;
            }
            if listener.enabled != enabled {
                listener.enabled = enabled;
                let base = listener.version.unwrap_or(0);
                record::save(&*api.store, tenant, id, base, &mut listener).await?;
                api.app.announce(Change::new(tenant, What::Listener(id)));
            }
            if !enabled {
                api.listeners.stop(id).await;
            }
            Ok(Json(shown(&api, listener)))
        })
        .await
}
