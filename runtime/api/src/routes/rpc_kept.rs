//! Requests to devices that are kept: reading, listing, removing.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::entity::{Rpc, RpcStatus};
use model::{DeviceId, Page};
use serde::Deserialize;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Member, Paging, Params, PathOf};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/rpc/persistent/{id}", get(one).delete(remove))
        .route("/api/rpc/persistent/device/{id}", get(of_device))
}

async fn one(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<Rpc>, ApiError> {
    find(&api, member, id).await.map(|(_, rpc)| Json(rpc))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    rpc_status: Option<String>,
}

async fn of_device(
    State(api): State<ApiState>,
    member: Member,
    PathOf(id): PathOf<Uuid>,
    Paging(page): Paging,
    Params(asked): Params<Asked>,
) -> Result<Json<Page<Rpc>>, ApiError> {
    let device = member.device_id(&api, id).await?;
    let status = match asked.rpc_status.as_deref() {
        None | Some("") => None,
        Some(name) => Some(RpcStatus::parse(name).ok_or_else(|| ApiError::Invalid(format!("Unknown RPC status {name}")))?),
    };
    Ok(Json(api.store.rpcs(device, status, &page).await?))
}

/// The device's actor removes it: it is the one that changes what it keeps.
async fn remove(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<(), ApiError> {
    let (device, rpc) = find(&api, member, id).await?;
    api.clone()
        .finish("remove a request", async move {
            api.app.remove_request(device, rpc).await.map_err(|_| ApiError::Unavailable)
        })
        .await
}

/// A request to a device that the caller may see.
async fn find(api: &ApiState, member: Member, id: Uuid) -> Result<(DeviceId, Rpc), ApiError> {
    let missing = || ApiError::no_entity("RPC", id);
    let rpc = api.store.rpc(member.tenant, id).await?.ok_or_else(missing)?;
    match member.device_id(api, rpc.device_id.id).await {
        Ok(device) => Ok((device, rpc)),
        Err(ApiError::NotFound(_)) => Err(missing()),
        Err(other) => Err(other),
    }
}
