//! Uploaded components: of a tenant, for its administrators; of the system and of any tenant, for system administrators.
//!
//! Handlers only translate: what is done is done by the components' service.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use components::service::InspectedVersion;
use components::{Inspected, Owner};
use model::entity::{Authority, Event};
use model::{ComponentRecord, EntityKind, Page, TenantId};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};
use uuid::Uuid;

use super::plugin_upload::{UPLOAD_BYTES_MAX, upload};
use crate::extract::{Body, Paging, Params, PathOf, Principal};
use crate::state::ApiState;
use crate::{ApiError, record};

const ALL: &str = "/api/plugins/components";

pub(super) fn routes() -> Router<ApiState> {
    let one = |rest: &str| format!("{ALL}/{{name}}{rest}");
    Router::new()
        .route(ALL, post(upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)).get(list))
        .route(&one(""), get(read).delete(remove))
        .route(&one("/activate"), post(activate))
        .route(&one("/rollback"), post(roll_back))
        .route(&one("/permissions"), post(decide))
        .route(&one("/metrics"), get(metrics))
        .route(&one("/events"), get(events))
        .route(&one("/versions/{version}"), delete(remove_version))
        .route(&one("/versions/{version}/download"), get(download))
}

/// Whose components a caller asks about: a tenant's administrator about the tenant's; a system administrator about the system's, or
/// with `tenantId` about a tenant's.
pub(super) struct Asked(pub(super) Owner);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfTenant {
    tenant_id: Option<Uuid>,
}

impl FromRequestParts<ApiState> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        let caller = Principal::from_request_parts(parts, api).await?;
        let Params(OfTenant { tenant_id }) = Params::from_request_parts(parts, api).await?;
        let tenant = match (caller.authority, tenant_id) {
            (Authority::CustomerUser, _) => return Err(ApiError::Forbidden),
            (Authority::TenantAdmin, None) => caller.user.tenant,
            (Authority::TenantAdmin, Some(id)) if id == caller.user.tenant.0 => caller.user.tenant,
            (Authority::TenantAdmin, Some(id)) => return Err(ApiError::no_entity("Tenant", id)),
            (Authority::SysAdmin, None) => TenantId::SYSTEM,
            (Authority::SysAdmin, Some(id)) => {
                record::get::<model::entity::Tenant>(&*api.store, TenantId::SYSTEM, id).await?;
                TenantId(id)
            }
        };
        Ok(Asked(Owner { tenant, by: caller.email }))
    }
}

async fn list(State(api): State<ApiState>, Asked(owner): Asked, Paging(page): Paging) -> Result<Json<Page<JsonValue>>, ApiError> {
    let page = api.components.list(owner.tenant, &page).await?;
    Ok(Json(page.map(|record| described(&record))))
}

async fn read(State(api): State<ApiState>, Asked(owner): Asked, PathOf(name): PathOf<String>) -> Result<Json<JsonValue>, ApiError> {
    Ok(Json(shown(&api.components.inspect(owner.tenant, &name).await?)))
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

async fn activate(
    State(api): State<ApiState>,
    Asked(owner): Asked,
    PathOf(name): PathOf<String>,
    Body(Version { version }): Body<Version>,
) -> Result<Json<JsonValue>, ApiError> {
    let digest = api.components.named_version(owner.tenant, &name, &version).await?;
    api.clone()
        .finish("activate component", async move {
            api.components.activate(&owner, &name, digest).await?;
            Ok(Json(shown(&api.components.inspect(owner.tenant, &name).await?)))
        })
        .await
}

async fn roll_back(State(api): State<ApiState>, Asked(owner): Asked, PathOf(name): PathOf<String>) -> Result<Json<JsonValue>, ApiError> {
    api.clone()
        .finish("roll back component", async move {
            api.components.roll_back(&owner, &name).await?;
            Ok(Json(shown(&api.components.inspect(owner.tenant, &name).await?)))
        })
        .await
}

#[derive(Deserialize)]
struct Decisions {
    #[serde(default)]
    grant: Vec<String>,
    #[serde(default)]
    deny: Vec<String>,
}

async fn decide(
    State(api): State<ApiState>,
    Asked(owner): Asked,
    PathOf(name): PathOf<String>,
    Body(Decisions { grant, deny }): Body<Decisions>,
) -> Result<Json<JsonValue>, ApiError> {
    Ok(Json(shown(&api.components.decide(&owner, &name, grant, deny).await?)))
}

/// How each version that is at work fares.
async fn metrics(State(api): State<ApiState>, Asked(owner): Asked, PathOf(name): PathOf<String>) -> Result<Json<JsonValue>, ApiError> {
    let inspected = api.components.inspect(owner.tenant, &name).await?;
    let at_work = inspected.versions.iter().filter_map(|version| {
        let state = version.state.as_ref()?;
        Some(json!({"version": version.version.digest, "metrics": state}))
    });
    Ok(Json(json!({"name": name, "versions": at_work.collect::<Vec<_>>()})))
}

async fn events(
    State(api): State<ApiState>,
    Asked(owner): Asked,
    PathOf(name): PathOf<String>,
    Paging(page): Paging,
) -> Result<Json<Page<JsonValue>>, ApiError> {
    let shown = |Event { id, ts_ms, body, .. }: Event| json!({"id": {"entityType": "EVENT", "id": id}, "createdTime": ts_ms, "body": body});
    Ok(Json(api.components.events(owner.tenant, &name, &page).await?.map(shown)))
}

async fn remove(State(api): State<ApiState>, Asked(owner): Asked, PathOf(name): PathOf<String>) -> Result<(), ApiError> {
    api.clone()
        .finish("delete component", async move { Ok(api.components.delete(&owner, &name).await?) })
        .await
}

async fn remove_version(
    State(api): State<ApiState>,
    Asked(owner): Asked,
    PathOf((name, version)): PathOf<(String, String)>,
) -> Result<(), ApiError> {
    let digest = api.components.named_version(owner.tenant, &name, &version).await?;
    Ok(api.components.delete_version(&owner, &name, digest).await?)
}

async fn download(
    State(api): State<ApiState>,
    Asked(owner): Asked,
    PathOf((name, version)): PathOf<(String, String)>,
) -> Result<Response, ApiError> {
    let digest = api.components.named_version(owner.tenant, &name, &version).await?;
    let bytes = api.components.download(owner.tenant, &name, digest).await?;
    // Names hold nothing that would end the quotation.
    let disposition = format!("attachment; filename=\"{name}.wasm\"");
    let headers = [
        (header::CONTENT_TYPE, "application/wasm".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, Bytes::from(bytes)).into_response())
}

/// A component, in the answer's form.
fn described(record: &ComponentRecord) -> JsonValue {
    json!({
        "name": record.name,
        "tenantId": {"entityType": EntityKind::Tenant.as_str(), "id": record.tenant.0},
        "createdTime": record.created_time,
        "active": record.active,
        "previous": record.previous,
        "suspended": record.suspended,
        "autoRollback": record.auto_rollback,
        "granted": record.granted,
        "denied": record.denied,
    })
}

/// A component with its versions.
pub(super) fn shown(inspected: &Inspected) -> JsonValue {
    let mut json = described(&inspected.record);
    json["versions"] = inspected.versions.iter().map(version).collect();
    json
}

/// A version, in the answer's form.
fn version(inspected: &InspectedVersion) -> JsonValue {
    let InspectedVersion {
        version,
        facts,
        permissions,
        state,
    } = inspected;
    json!({
        "version": version.digest,
        "createdTime": version.created_time,
        "bytes": version.bytes,
        "world": facts.world,
        "contract": facts.contract,
        "nodeTypes": facts.node_types,
        "permissions": permissions,
        "compileMs": facts.compile_ms,
        "metrics": state,
    })
}
