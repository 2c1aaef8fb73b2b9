//! The way to live values: a WebSocket, whose session is [`crate::live`]'s.

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use axum::routing::any;
use serde::Deserialize;

use crate::ApiError;
use crate::extract::{Params, Principal, principal};
use crate::live::{self, Caller};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/ws", any(connect))
        .route("/api/ws/plugins/telemetry", any(connect))
}

#[derive(Deserialize)]
struct Asked {
    /// Who gives none says who it is with the first message.
    token: Option<String>,
}

async fn connect(
    State(api): State<ApiState>,
    Params(asked): Params<Asked>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|rejection| ApiError::Invalid(rejection.body_text()))?;
    let caller = match asked.token {
        Some(token) => {
            let claims = principal::claims(&api, &token)?;
            let principal = Principal::of(&api, &claims).await?;
            let entry = api.live.enter(principal.user).map_err(|refused| {
                tracing::debug!(reason = %refused, "a session of the live feed was refused");
                ApiError::TooMany { retry_after_s: 5 }
            })?;
            Caller::Known(Box::new((principal, claims, entry)))
        }
        None => Caller::Stranger(api.live.stranger().ok_or(ApiError::Unavailable)?),
    };
    let bytes_max = api.live.config().frame_bytes_max();
    let upgrade = upgrade.max_message_size(bytes_max).max_frame_size(bytes_max);
    Ok(upgrade.on_upgrade(move |socket| live::serve(api, socket, caller)))
}
