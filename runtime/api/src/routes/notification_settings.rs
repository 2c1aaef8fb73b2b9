//! A tenant's settings for notifications, as ThingsBoard has them: the token of its bot at Slack. It is one of the tenant's secrets, and no answer
//! has it.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cluster::{Change, What};
use model::TenantId;
use secrets::SecretError;
use serde::Deserialize;
use serde_json::{Map, Value as JsonValue, json};

use crate::ApiError;
use crate::extract::{Body, TenantAdmin};
use crate::state::ApiState;

/// The one method there is.
const SLACK: &str = "SLACK";
/// Under which name the node send to slack finds the token.
const TOKEN: &str = "slack-bot-token";

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/api/notification/settings", get(read).post(save))
}

/// Has no text of its own: nobody prints a token by mistake.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    delivery_methods_configs: Map<String, JsonValue>,
}

async fn read(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin) -> Result<Json<JsonValue>, ApiError> {
    is_set(&api, tenant).await.map(shown)
}

/// Replaces the settings; a token that is not said stays.
async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(Wanted { delivery_methods_configs }): Body<Wanted>,
) -> Result<Json<JsonValue>, ApiError> {
    if delivery_methods_configs.keys().any(|method| method != SLACK) {
        return Err(ApiError::invalid("deliveryMethodsConfigs: there is SLACK, and no other method"));
    }
    let _turn = api.turns.take(("secrets", tenant)).await;
    let set = match delivery_methods_configs.get(SLACK) {
        None => {
            api.secrets.delete(tenant, TOKEN).await?;
            false
        }
        Some(slack) => {
            match &slack["botToken"] {
                JsonValue::Null if is_set(&api, tenant).await? => {}
                JsonValue::String(token) if !token.trim().is_empty() => {
                    api.secrets.set(tenant, TOKEN, token.trim(), api.clock.now_ms()).await?;
                }
                _ => return Err(ApiError::invalid("deliveryMethodsConfigs.SLACK.botToken is missing")),
            }
            true
        }
    };
    api.app.announce(Change::new(tenant, What::Outside));
    Ok(shown(set))
}

async fn is_set(api: &ApiState, tenant: TenantId) -> Result<bool, ApiError> {
    match api.secrets.reveal(tenant, TOKEN).await {
        Ok(_) => Ok(true),
        // One that cannot be opened any more has to be set again.
        Err(SecretError::NotFound(_) | SecretError::Sealed(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn shown(set: bool) -> Json<JsonValue> {
    Json(match set {
        true => json!({"deliveryMethodsConfigs": {SLACK: {"method": SLACK}}}),
        false => json!({"deliveryMethodsConfigs": {}}),
    })
}
