//! Credentials of devices: access tokens, MQTT basic, X.509 certificates (see `model::entity::credentials`).

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::DeviceId;
use model::entity::{CredentialsType, DeviceCredentials, Proof};
use session::CloseReason;
use storage::StorageError;
use uuid::Uuid;

use crate::extract::{Body, Member, PathOf, TenantAdmin};
use crate::state::ApiState;
use crate::{ApiError, seed};

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/device/{id}/credentials", get(read))
        .route("/api/device/credentials", post(save))
}

async fn read(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<DeviceCredentials>, ApiError> {
    let device = member.device_id(&api, id).await?;
    let found = api.store.credentials_of(device).await?;
    found
        .map(Json)
        .ok_or_else(|| ApiError::NotFound(format!("Device with id [{id}] has no credentials")))
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(given): Body<DeviceCredentials>,
) -> Result<Json<DeviceCredentials>, ApiError> {
    let proof = proof(given.credentials_type, &given.credentials_id, given.credentials_value.as_deref())?;
    let device = DeviceId::new(tenant, given.device_id.id);
    if api.store.entity(device.entity()).await?.is_none() {
        return Err(ApiError::no_entity("Device", device.id));
    }
    api.clone()
        .finish("save credentials", async move { replace(&api, device, proof, given.version).await })
        .await
        .map(Json)
}

/// Credentials as somebody gave them, in the form in which they are stored.
pub(super) fn proof(kind: CredentialsType, id: &str, value: Option<&str>) -> Result<Proof, ApiError> {
    Proof::new(kind, id, value).map_err(|error| ApiError::invalid(error.to_string()))
}

/// Gives a device other credentials. Whoever is connected with the old ones has to connect again. `base`: the version the change is
/// based on.
pub(super) async fn replace(api: &ApiState, device: DeviceId, proof: Proof, base: Option<u64>) -> Result<DeviceCredentials, ApiError> {
    let _turn = api.turns.take(("credentials", device)).await;
    let now_ms = api.clock.now_ms();
    let saved = match api.store.credentials_of(device).await? {
        None => seed::new_credentials(device, now_ms, proof),
        Some(old) => {
            let stored = old.version.unwrap_or(1);
            if let Some(given) = base.filter(|given| *given != stored) {
                return Err(StorageError::VersionConflict { given, stored }.into());
            }
            let changed = DeviceCredentials {
                credentials_type: proof.credentials_type,
                credentials_id: proof.credentials_id,
                credentials_value: proof.credentials_value,
                ..old.clone()
            };
            if changed == old {
                return Ok(old);
            }
            DeviceCredentials {
                version: Some(stored + 1),
                ..changed
            }
        }
    };
    api.store.save_credentials(device.tenant, saved.clone()).await?;
    api.app.announce(Change::of(device, What::Credentials));
    api.sessions.close_device(device, CloseReason::Administrative).await;
    Ok(saved)
}
