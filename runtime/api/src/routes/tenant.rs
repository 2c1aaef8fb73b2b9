//! Tenants, for system administrators; a tenant's own administrator may look at it.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::entity::{Authority, Tenant};
use model::{Page, TenantId};
use storage::{EntityFilter, StorageError};
use uuid::Uuid;

use super::tenant_profile::{check_named, tenant_limits_changed};
use crate::ApiError;
use crate::extract::{Body, Paging, PathOf, Principal, SysAdmin};
use crate::record::{self, check_name};
use crate::seed::{self, SeedError, default_root_chain};
use crate::state::ApiState;

/// Name of the chain that a tenant starts with.
const ROOT: &str = "Root Rule Chain";

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/tenant", post(save))
        .route("/api/tenant/{id}", get(read))
        .route("/api/tenants", get(list))
}

async fn save(State(api): State<ApiState>, _: SysAdmin, Body(mut tenant): Body<Tenant>) -> Result<Json<Tenant>, ApiError> {
    check_name("Tenant", "title", &tenant.title)?;
    check_named(&api, &tenant).await?;
    api.clone()
        .finish("save tenant", async move {
            match record::given_id::<Tenant>(tenant.id)? {
                None => {
                    let saved = seed::save_new_tenant(
                        &*api.store,
                        api.components.shipped(),
                        &*api.clock,
                        &mut tenant,
                        default_root_chain(ROOT),
                    )
                    .await;
                    saved.map_err(refused)?;
                }
                Some(id) => {
                    let stored: Tenant = record::get(&*api.store, TenantId::SYSTEM, id).await?;
                    let base = tenant.version.or(stored.version).unwrap_or(0);
                    tenant.created_time = stored.created_time;
                    tenant.region = stored.region;
                    tenant.name = Some(tenant.title.clone());
                    let saved = record::save(&*api.store, TenantId::SYSTEM, id, base, &mut tenant).await;
                    saved.map_err(|error| ApiError::saving("Tenant", error))?;
                    tenant_limits_changed(&api, TenantId(id)).await?;
                }
            }
            Ok(Json(tenant))
        })
        .await
}

async fn read(State(api): State<ApiState>, caller: Principal, PathOf(id): PathOf<Uuid>) -> Result<Json<Tenant>, ApiError> {
    match caller.authority {
        Authority::SysAdmin => {}
        Authority::TenantAdmin if caller.user.tenant.0 == id => {}
        Authority::TenantAdmin => return Err(ApiError::no_entity("Tenant", id)),
        Authority::CustomerUser => return Err(ApiError::Forbidden),
    }
    record::get(&*api.store, TenantId::SYSTEM, id).await.map(Json)
}

async fn list(State(api): State<ApiState>, _: SysAdmin, Paging(page): Paging) -> Result<Json<Page<Tenant>>, ApiError> {
    record::page(&*api.store, TenantId::SYSTEM, &EntityFilter::default(), &page)
        .await
        .map(Json)
}

fn refused(error: SeedError) -> ApiError {
    match error {
        SeedError::Storage(error @ StorageError::NameTaken(_)) => ApiError::saving("Tenant", error),
        SeedError::Storage(error) => error.into(),
        other => ApiError::internal(other),
    }
}
