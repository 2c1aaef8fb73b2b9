//! Tenant profiles, for system administrators: what tenants may have. One of them is the default.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::entity::{IdRef, Tenant, TenantProfile};
use model::{EntityId, EntityKind, Page, PageRequest, TenantId};
use serde_json::{Value as JsonValue, json};
use storage::{EntityFilter, StorageError};
use uuid::Uuid;

use crate::extract::{Body, Paging, PathOf, SysAdmin};
use crate::record::{self, check_name};
use crate::state::ApiState;
use crate::{ApiError, applier};

/// Name of the profile that is there from the beginning.
const DEFAULT: &str = "Default";
/// Profiles or tenants read at one time.
const PAGE: u32 = 1_000;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/tenantProfile", post(save))
        .route("/api/tenantProfile/{id}", get(read).delete(remove))
        .route("/api/tenantProfile/{id}/default", post(make_default))
        .route("/api/tenantProfiles", get(list))
        .route("/api/tenantProfileInfos", get(list_infos))
        .route("/api/tenantProfileInfo/default", get(default_info))
        .route("/api/tenantProfileInfo/{id}", get(read_info))
}

async fn save(State(api): State<ApiState>, _: SysAdmin, Body(profile): Body<TenantProfile>) -> Result<Json<TenantProfile>, ApiError> {
    check_name("Tenant profile", "name", &profile.name)?;
    profile.component_limits().map_err(ApiError::Invalid)?;
    let saving = api.clone();
    saving
        .finish("save tenant profile", async move { save_profile(&api, profile).await.map(Json) })
        .await
}

async fn save_profile(api: &ApiState, mut profile: TenantProfile) -> Result<TenantProfile, ApiError> {
    let _turn = turn(api).await;
    ensure_default(api).await?;
    let (id, base) = match record::given_id::<TenantProfile>(profile.id)? {
        None => {
            profile.created_time = api.clock.now_ms();
            profile.default = false;
            (Uuid::now_v7(), 0)
        }
        Some(id) => {
            let stored: TenantProfile = record::get(&*api.store, TenantId::SYSTEM, id).await?;
            (profile.created_time, profile.default) = (stored.created_time, stored.default);
            let base = profile.version.or(stored.version).unwrap_or(0);
            if base == 0 {
                return Err(StorageError::VersionConflict { given: 0, stored: 1 }.into());
            }
            (id, base)
        }
    };
    keep(api, id, base, &mut profile).await?;
    limits_changed(api).await?;
    Ok(profile)
}

async fn keep(api: &ApiState, id: Uuid, base: u64, profile: &mut TenantProfile) -> Result<(), ApiError> {
    profile.id = Some(IdRef::new(EntityKind::TenantProfile, id));
    let saved = record::save(&*api.store, TenantId::SYSTEM, id, base, profile).await;
    saved.map_err(|error| ApiError::saving("Tenant profile", error))
}

async fn read(State(api): State<ApiState>, _: SysAdmin, PathOf(id): PathOf<Uuid>) -> Result<Json<TenantProfile>, ApiError> {
    record::get(&*api.store, TenantId::SYSTEM, id).await.map(Json)
}

async fn remove(State(api): State<ApiState>, _: SysAdmin, PathOf(id): PathOf<Uuid>) -> Result<(), ApiError> {
    api.clone()
        .finish("delete tenant profile", async move {
            let _turn = turn(&api).await;
            let profile: TenantProfile = record::get(&*api.store, TenantId::SYSTEM, id).await?;
            if profile.default {
                return Err(ApiError::invalid("Deletion of Default Tenant Profile is prohibited!"));
            }
            if tenants(&api).await?.iter().any(|tenant| names(tenant, id)) {
                return Err(ApiError::invalid("The tenant profile referenced by the tenants cannot be deleted!"));
            }
            let entity = EntityId::new(TenantId::SYSTEM, EntityKind::TenantProfile, id);
            api.store.delete_entity(entity).await?;
            Ok(())
        })
        .await
}

async fn make_default(State(api): State<ApiState>, _: SysAdmin, PathOf(id): PathOf<Uuid>) -> Result<Json<TenantProfile>, ApiError> {
    api.clone()
        .finish("change the default tenant profile", async move {
            let _turn = turn(&api).await;
            // The new one first: between the two writes there are two, never none.
            let mut chosen: TenantProfile = record::get(&*api.store, TenantId::SYSTEM, id).await?;
            set_default(&api, id, &mut chosen, true).await?;
            for mut profile in all(&api).await? {
                if let Some(other) = profile.id.map(|other| other.id).filter(|other| *other != id) {
                    set_default(&api, other, &mut profile, false).await?;
                }
            }
            limits_changed(&api).await?;
            Ok(Json(chosen))
        })
        .await
}

async fn set_default(api: &ApiState, id: Uuid, profile: &mut TenantProfile, default: bool) -> Result<(), ApiError> {
    if std::mem::replace(&mut profile.default, default) == default {
        return Ok(());
    }
    keep(api, id, profile.version.unwrap_or(0), profile).await
}

async fn list(State(api): State<ApiState>, _: SysAdmin, Paging(page): Paging) -> Result<Json<Page<TenantProfile>>, ApiError> {
    ensure_default_in_turn(&api).await?;
    pages(&api, &page).await.map(Json)
}

async fn list_infos(State(api): State<ApiState>, _: SysAdmin, Paging(page): Paging) -> Result<Json<Page<JsonValue>>, ApiError> {
    ensure_default_in_turn(&api).await?;
    let found = pages(&api, &page).await?;
    Ok(Json(found.map(|profile| info(&profile))))
}

async fn read_info(State(api): State<ApiState>, _: SysAdmin, PathOf(id): PathOf<Uuid>) -> Result<Json<JsonValue>, ApiError> {
    let profile = record::get(&*api.store, TenantId::SYSTEM, id).await?;
    Ok(Json(info(&profile)))
}

async fn default_info(State(api): State<ApiState>, _: SysAdmin) -> Result<Json<JsonValue>, ApiError> {
    ensure_default_in_turn(&api).await.map(|profile| Json(info(&profile)))
}

fn info(profile: &TenantProfile) -> JsonValue {
    json!({"id": profile.id, "name": profile.name})
}

async fn turn(api: &ApiState) -> impl Sized + '_ {
    api.turns.take(("tenant profiles", TenantId::SYSTEM)).await
}

async fn ensure_default_in_turn(api: &ApiState) -> Result<TenantProfile, ApiError> {
    let _turn = turn(api).await;
    ensure_default(api).await
}

/// The default profile; made if there is none yet.
async fn ensure_default(api: &ApiState) -> Result<TenantProfile, ApiError> {
    if let Some(found) = all(api).await?.into_iter().find(|profile| profile.default) {
        return Ok(found);
    }
    let mut profile = TenantProfile {
        id: None,
        created_time: api.clock.now_ms(),
        name: DEFAULT.to_owned(),
        description: Some("Limits as the server has them".to_owned()),
        isolated_tb_rule_engine: false,
        default: true,
        profile_data: Some(json!({"configuration": {"type": "DEFAULT"}})),
        version: None,
    };
    keep(api, Uuid::now_v7(), 0, &mut profile).await?;
    Ok(profile)
}

async fn all(api: &ApiState) -> Result<Vec<TenantProfile>, ApiError> {
    Ok(pages(api, &PageRequest::first(PAGE)).await?.data)
}

async fn pages(api: &ApiState, page: &PageRequest) -> Result<Page<TenantProfile>, ApiError> {
    record::page(&*api.store, TenantId::SYSTEM, &EntityFilter::default(), page).await
}

async fn tenants(api: &ApiState) -> Result<Vec<Tenant>, ApiError> {
    let mut found = Vec::new();
    let mut page = PageRequest::first(PAGE);
    loop {
        let part = api
            .store
            .entities(TenantId::SYSTEM, EntityKind::Tenant, &EntityFilter::default(), &page)
            .await?;
        for record in part.data {
            found.push(record::read::<Tenant>(record)?);
        }
        if !part.has_next {
            return Ok(found);
        }
        page.page += 1;
    }
}

fn names(tenant: &Tenant, profile: Uuid) -> bool {
    tenant.tenant_profile_id.is_some_and(|named| named.id == profile)
}

/// Tenants at work learn what they may have now.
async fn limits_changed(api: &ApiState) -> Result<(), ApiError> {
    api.app.announce(Change::new(TenantId::SYSTEM, What::Limits));
    for tenant in tenants(api).await? {
        if let Some(id) = tenant.id {
            applier::limits_changed(&api.components, &api.app, TenantId(id.id)).await?;
        }
    }
    Ok(())
}

/// A tenant at work learns what it may have now.
pub(super) async fn tenant_limits_changed(api: &ApiState, tenant: TenantId) -> Result<(), ApiError> {
    api.app.announce(Change::new(tenant, What::Limits));
    Ok(applier::limits_changed(&api.components, &api.app, tenant).await?)
}

/// Whether a tenant may name a profile.
pub(super) async fn check_named(api: &ApiState, tenant: &Tenant) -> Result<(), ApiError> {
    let Some(named) = tenant.tenant_profile_id else { return Ok(()) };
    let found: Option<TenantProfile> = match named.entity_type {
        EntityKind::TenantProfile => record::find(&*api.store, TenantId::SYSTEM, named.id).await?,
        _ => None,
    };
    found
        .map(drop)
        .ok_or_else(|| ApiError::invalid("Tenant is referencing to non-existent tenant profile!"))
}
