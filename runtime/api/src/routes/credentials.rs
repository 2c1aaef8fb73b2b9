//! Credentials of devices. Only access tokens for now: other kinds are refused, since nothing would let such a device in.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::DeviceId;
use model::entity::{CredentialsType, DeviceCredentials};
use session::CloseReason;
use storage::StorageError;
use uuid::Uuid;

use crate::extract::{Body, Member, PathOf, TenantAdmin};
use crate::state::ApiState;
use crate::{ApiError, seed};

/// Bytes of a token at most: transports look up no longer ones.
const TOKEN_BYTES_MAX: usize = 512;

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
    check_type(given.credentials_type)?;
    check_token(&given.credentials_id)?;
    let device = DeviceId::new(tenant, given.device_id.id);
    if api.store.entity(device.entity()).await?.is_none() {
        return Err(ApiError::no_entity("Device", device.id));
    }
    api.clone()
        .finish("save credentials", async move {
            replace_token(&api, device, &given.credentials_id, given.version).await
        })
        .await
        .map(Json)
}

/// Refuses kinds of credentials that no transport takes.
pub(super) fn check_type(kind: CredentialsType) -> Result<(), ApiError> {
    if kind == CredentialsType::AccessToken {
        Ok(())
    } else {
        Err(ApiError::invalid("Only credentials of the type ACCESS_TOKEN are supported yet"))
    }
}

/// Refuses tokens that no device could present.
pub(super) fn check_token(token: &str) -> Result<(), ApiError> {
    if token.is_empty() {
        return Err(ApiError::invalid("Device credentials id should be specified!"));
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(ApiError::Invalid(format!(
            "Device credentials id must have {TOKEN_BYTES_MAX} bytes at most"
        )));
    }
    if token.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/') {
        return Err(ApiError::invalid(
            "An access token must not contain white space, control characters or '/'",
        ));
    }
    Ok(())
}

/// Gives a device another token. Whoever is connected with the old one has to connect again. `base`: the version the change is based on.
pub(super) async fn replace_token(api: &ApiState, device: DeviceId, token: &str, base: Option<u64>) -> Result<DeviceCredentials, ApiError> {
    let _turn = api.turns.take(("credentials", device)).await;
    let now_ms = api.clock.now_ms();
    let saved = match api.store.credentials_of(device).await? {
        None => seed::new_credentials(device, now_ms, token),
        Some(old) => {
            let stored = old.version.unwrap_or(1);
            if let Some(given) = base.filter(|given| *given != stored) {
                return Err(StorageError::VersionConflict { given, stored }.into());
            }
            if old.credentials_id == token {
                return Ok(old);
            }
            DeviceCredentials {
                credentials_id: token.to_owned(),
                credentials_value: None,
                version: Some(stored + 1),
                ..old
            }
        }
    };
    api.store.save_credentials(device.tenant, saved.clone()).await?;
    api.sessions.close_device(device, CloseReason::Administrative).await;
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_what_devices_can_present() {
        for (token, taken) in [
            ("A1_TEST_TOKEN", true),
            ("a.b-c", true),
            ("", false),
            ("a b", false),
            ("a/b", false),
            ("a\n", false),
            (&*"x".repeat(513), false),
        ] {
            assert_eq!(check_token(token).is_ok(), taken, "{token}");
        }
        assert!(check_type(CredentialsType::MqttBasic).is_err());
    }
}
