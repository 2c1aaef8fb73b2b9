//! Customers claim devices that let themselves be claimed, and give them back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use model::entity::{ClaimWindow, Device, IdRef, claim};
use model::{AttributeScope, DeviceId, EntityKind, TenantId};
use serde::Deserialize;
use serde_json::json;
use storage::{Mutation, StorageError};
use uuid::Uuid;

use super::device::{change_device, shown};
use crate::ApiError;
use crate::extract::{Member, OptionalBody, PathOf};
use crate::record;
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/api/customer/device/{name}/claim", post(take).delete(give_back))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    secret_key: Option<String>,
}

/// What became of a claim.
enum Claimed {
    Success(Box<Device>),
    /// Wrong secret, or the device does not let itself be claimed now: told apart by nobody.
    Failure,
    /// Somebody has it.
    Taken,
}

async fn take(
    State(api): State<ApiState>,
    member: Member,
    PathOf(name): PathOf<String>,
    OptionalBody(given): OptionalBody<Claim>,
) -> Result<Response, ApiError> {
    let Some(customer) = member.customer else {
        return Err(ApiError::Forbidden);
    };
    let now_ms = api.clock.now_ms();
    if let Err(retry_after_s) = api.claims.check(&member.user, now_ms) {
        return Err(ApiError::TooMany { retry_after_s });
    }
    let (tenant, secret) = (member.tenant, given.unwrap_or_default().secret_key.unwrap_or_default());
    let user = member.user;
    let claimed = api
        .clone()
        .finish("claim device", async move {
            let claimed = claim_device(&api, tenant, customer, &name, &secret).await;
            if matches!(claimed, Ok(Claimed::Failure) | Err(ApiError::NotFound(_))) {
                api.claims.failed(&user, now_ms);
            }
            claimed
        })
        .await?;
    Ok(match claimed {
        Claimed::Success(device) => Json(json!({"device": shown(*device), "response": "SUCCESS"})).into_response(),
        Claimed::Failure => refused("FAILURE"),
        Claimed::Taken => refused("CLAIMED"),
    })
}

fn refused(response: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"device": null, "response": response}))).into_response()
}

async fn named(api: &ApiState, tenant: TenantId, name: &str) -> Result<(DeviceId, Device), ApiError> {
    let found = api.store.entity_by_name(tenant, EntityKind::Device, name).await?;
    let device: Option<Device> = found.map(record::read).transpose()?;
    let found = device.and_then(|device| Some((DeviceId::new(tenant, device.id?.id), device)));
    found.ok_or_else(|| ApiError::NotFound("Device with requested name wasn't found!".to_owned()))
}

async fn claim_device(api: &ApiState, tenant: TenantId, customer: Uuid, name: &str, secret: &str) -> Result<Claimed, ApiError> {
    let _turn = api.turns.take(("claims", tenant, name)).await;
    let (id, mut device) = named(api, tenant, name).await?;
    if device.customer_id.is_some() {
        return Ok(Claimed::Taken);
    }
    let key: Arc<str> = claim::ATTRIBUTE.into();
    let known = api.store.attributes(id.entity(), AttributeScope::ServerScope, Some(&[key])).await?;
    let window = known.into_iter().next().map(|(_, reading)| reading.value.to_json());
    let window: Option<ClaimWindow> = window.and_then(|window| serde_json::from_value(window).ok());
    if !window.is_some_and(|window| window.lets_in(secret, api.clock.now_ms())) {
        return Ok(Claimed::Failure);
    }
    // Nobody claims with the same words again, whatever becomes of the device.
    close(api, id).await?;
    device.customer_id = Some(IdRef::new(EntityKind::Customer, customer));
    match change_device(api, tenant, device).await {
        Ok(device) => Ok(Claimed::Success(Box::new(device))),
        // Somebody else changed it in between.
        Err(ApiError::Conflict(_)) => Ok(Claimed::Failure),
        Err(error) => Err(error),
    }
}

async fn give_back(State(api): State<ApiState>, member: Member, PathOf(name): PathOf<String>) -> Result<StatusCode, ApiError> {
    let (tenant, own) = (member.tenant, member.customer);
    api.clone()
        .finish("give device back", async move {
            let _turn = api.turns.take(("claims", tenant, name.as_str())).await;
            let (id, mut device) = named(&api, tenant, &name).await?;
            let customer = device.customer_id.map(|customer| customer.id);
            if own.is_some() && customer != own {
                return Err(ApiError::NotFound("Device with requested name wasn't found!".to_owned()));
            }
            if customer.is_none() {
                return Ok(StatusCode::BAD_REQUEST);
            }
            close(&api, id).await?;
            device.customer_id = None;
            change_device(&api, tenant, device).await?;
            Ok(StatusCode::OK)
        })
        .await
}

/// The device lets itself be claimed no more, until it says so again.
async fn close(api: &ApiState, device: DeviceId) -> Result<(), StorageError> {
    let mutation = Mutation::DeleteAttributes {
        entity: device.entity(),
        scope: AttributeScope::ServerScope,
        keys: vec![claim::ATTRIBUTE.into()],
    };
    api.store.submit(vec![mutation]).await?.await
}
