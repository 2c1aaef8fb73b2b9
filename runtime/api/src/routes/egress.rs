//! The servers that a tenant's components may reach.

use ::egress::{AllowList, EgressError};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cluster::{Change, What};
use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::extract::{Body, TenantAdmin};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/api/plugins/egress", get(read).post(save))
}

#[derive(Serialize)]
struct Shown {
    allowed: AllowList,
}

#[derive(Deserialize)]
struct Wanted {
    allowed: Vec<String>,
}

async fn read(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin) -> Result<Json<Shown>, ApiError> {
    let allowed = api.egress.allow_list(tenant).await?;
    Ok(Json(Shown { allowed }))
}

/// Replaces the list.
async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(Wanted { allowed }): Body<Wanted>,
) -> Result<Json<Shown>, ApiError> {
    let allowed = AllowList::parse(&allowed).map_err(ApiError::Invalid)?;
    api.egress.set_allow_list(tenant, &allowed).await?;
    api.app.announce(Change::new(tenant, What::Outside));
    Ok(Json(Shown { allowed }))
}

impl From<EgressError> for ApiError {
    fn from(error: EgressError) -> Self {
        match error {
            EgressError::Storage(error) => error.into(),
            other => ApiError::internal(other),
        }
    }
}
