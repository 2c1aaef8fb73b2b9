//! All routes of the gateway, and those that the people who run it look at.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::ApiError;
use crate::routes;
use crate::state::{ApiConfig, ApiState};

/// Bytes of a body at most.
const BODY_BYTES_MAX: usize = 16 << 20;

/// The gateway: everything below `/api` but the device API, and `/health/ready`, `/health/live`, `/metrics`. Has a fallback of its own:
/// what it is merged with must have none.
pub fn router(config: ApiConfig) -> Router {
    Router::new()
        .merge(routes::routes())
        .route("/health/ready", get(ready))
        .route("/health/live", get(|| async { Json(json!({"status": "UP"})) }))
        .route("/metrics", get(metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(ApiState::new(config))
}

async fn ready(State(api): State<ApiState>) -> Response {
    if api.ready.load(Ordering::Relaxed) {
        Json(json!({"status": "UP"})).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "DOWN"}))).into_response()
    }
}

async fn metrics(State(api): State<ApiState>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        (api.metrics)(),
    )
        .into_response()
}

async fn no_route(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("No endpoint {}", uri.path().chars().take(200).collect::<String>()))
}
