//! What tenants' guests use of the processors: a tenant's own for its administrators, everybody's for system administrators.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::TenantId;
use serde_json::{Value as JsonValue, json};
use shares::Usage;

use super::plugin::Asked;
use crate::ApiError;
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/api/plugins/usage", get(read))
}

async fn read(State(api): State<ApiState>, Asked(owner): Asked) -> Result<Json<JsonValue>, ApiError> {
    let shares = api.app.shares();
    if owner.tenant != TenantId::SYSTEM {
        return Ok(Json(told(owner.tenant, &shares.of(owner.tenant).usage())));
    }
    let mut all = shares.usage();
    all.sort_by_key(|(_, usage)| std::cmp::Reverse(usage.cpu_ms));
    let data: Vec<_> = all.iter().map(|(tenant, usage)| told(*tenant, usage)).collect();
    Ok(Json(json!({"data": data})))
}

fn told(tenant: TenantId, usage: &Usage) -> JsonValue {
    let mut told = json!(usage);
    told["tenantId"] = json!({"entityType": "TENANT", "id": tenant.0});
    told
}
