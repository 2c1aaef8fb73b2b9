//! Secrets of a tenant: set, listed by name, deleted. No answer has a value.

use axum::extract::State;
use axum::routing::{delete, get};
use axum::{Json, Router};
use cluster::{Change, What};
use model::Page;
use secrets::{SecretError, SecretInfo};
use serde::Deserialize;

use crate::ApiError;
use crate::extract::{Body, Paging, PathOf, TenantAdmin};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/plugins/secrets", get(list).post(set))
        .route("/api/plugins/secrets/{name}", delete(remove))
}

/// Has no text of its own: nobody prints it by mistake.
#[derive(Deserialize)]
struct Wanted {
    name: String,
    value: String,
}

async fn set(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(Wanted { name, value }): Body<Wanted>,
) -> Result<Json<SecretInfo>, ApiError> {
    let _turn = api.turns.take(("secrets", tenant)).await;
    let set_time = api.clock.now_ms();
    api.secrets.set(tenant, &name, &value, set_time).await?;
    api.app.announce(Change::new(tenant, What::Outside));
    Ok(Json(SecretInfo { name, set_time }))
}

async fn list(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Paging(page): Paging,
) -> Result<Json<Page<SecretInfo>>, ApiError> {
    Ok(Json(api.secrets.list(tenant, &page).await?))
}

async fn remove(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin, PathOf(name): PathOf<String>) -> Result<(), ApiError> {
    let _turn = api.turns.take(("secrets", tenant)).await;
    match api.secrets.delete(tenant, &name).await? {
        true => {
            api.app.announce(Change::new(tenant, What::Outside));
            Ok(())
        }
        false => Err(ApiError::NotFound(format!("Secret [{name}] is not found"))),
    }
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Invalid(_) | SecretError::TooMany { .. } => ApiError::Invalid(error.to_string()),
            SecretError::NotFound(_) => ApiError::NotFound(error.to_string()),
            SecretError::Conflict(_) => ApiError::Conflict(error.to_string()),
            SecretError::Storage(error) => error.into(),
            SecretError::Sealed(_) | SecretError::Key { .. } => ApiError::internal(error),
        }
    }
}
