//! Requests to devices. A request enters the device's rule chain as a message; the node that performs it answers here.
//!
//! There are two families of paths, which differ in how they say that a device does not answer.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cluster::{Call, RpcError};
use model::{MessageKind, Metadata, Payload};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Body, Member, PathOf};
use crate::state::ApiState;

/// Bytes of a request at most, to a device or to a rule chain alone: transports take no larger ones.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;
/// Bytes of a method at most.
const METHOD_BYTES_MAX: usize = 255;
/// How long whoever is asked has, a device or a rule chain, if the caller does not say; and at most, unless the request is kept.
pub(super) const TIMEOUT_MS: i64 = 10_000;
pub(super) const TIMEOUT_MS_MAX: i64 = 3_600_000;
/// How long a device has at least.
const TIMEOUT_MS_MIN: i64 = 5_000;
/// How much longer than the device the rule chain has to answer.
const CHAIN_MS: i64 = 1_000;
/// What stands for this server in messages.
pub(super) const SERVICE: &str = "pacificsoft";

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/plugins/rpc/oneway/{id}", post(old_oneway))
        .route("/api/plugins/rpc/twoway/{id}", post(old_twoway))
        .route("/api/rpc/oneway/{id}", post(oneway))
        .route("/api/rpc/twoway/{id}", post(twoway))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// A request as its caller writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: Option<String>,
    params: Option<Json>,
    timeout: Option<i64>,
    expiration_time: Option<i64>,
    #[serde(default)]
    persistent: bool,
    retries: Option<u32>,
    additional_info: Option<Json>,
    #[serde(rename = "requestUUID")]
    request_uuid: Option<Uuid>,
}

/// How a device's silence is told.
#[derive(Clone, Copy)]
struct Silence {
    timeout: StatusCode,
    not_connected: StatusCode,
}

const OLD: Silence = Silence {
    timeout: StatusCode::REQUEST_TIMEOUT,
    not_connected: StatusCode::CONFLICT,
};
const NEW: Silence = Silence {
    timeout: StatusCode::GATEWAY_TIMEOUT,
    not_connected: StatusCode::GATEWAY_TIMEOUT,
};

async fn old_oneway(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>, Body(asked): Body<Asked>) -> Answer {
    ask(api, member, id, asked, true, OLD).await
}

async fn old_twoway(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>, Body(asked): Body<Asked>) -> Answer {
    ask(api, member, id, asked, false, OLD).await
}

async fn oneway(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>, Body(asked): Body<Asked>) -> Answer {
    ask(api, member, id, asked, true, NEW).await
}

async fn twoway(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>, Body(asked): Body<Asked>) -> Answer {
    ask(api, member, id, asked, false, NEW).await
}

type Answer = Result<Response, ApiError>;

async fn ask(api: ApiState, member: Member, device: Uuid, asked: Asked, oneway: bool, silence: Silence) -> Answer {
    let device = member.device_id(&api, device).await?;
    let now_ms = api.clock.now_ms();
    let expires_ms = expiration(&asked, now_ms)?;
    let id = asked.request_uuid.unwrap_or_else(Uuid::now_v7);
    let metadata = metadata(&asked, id, expires_ms, oneway);
    let patience = if asked.persistent { TIMEOUT_MS } else { expires_ms - now_ms }.max(0) + CHAIN_MS;
    let payload = payload(asked)?;
    let (reply, answer) = oneshot::channel();
    let call = Call {
        id,
        kind: MessageKind::RpcToDevice,
        metadata,
        payload,
        reply,
    };
    api.app.call(device, call).await;
    let patience = Duration::from_millis(patience.unsigned_abs());
    match tokio::time::timeout(patience, answer).await {
        Err(_) => Ok(silence.timeout.into_response()),
        Ok(Err(_)) => Err(ApiError::Unavailable),
        Ok(Ok(Ok(None))) => Ok(StatusCode::OK.into_response()),
        Ok(Ok(Ok(Some(reply)))) => Ok(([(header::CONTENT_TYPE, "application/json")], reply.text().to_owned()).into_response()),
        Ok(Ok(Err(error))) => refused(error, silence),
    }
}

fn refused(error: RpcError, silence: Silence) -> Answer {
    match error {
        RpcError::Timeout => Ok(silence.timeout.into_response()),
        RpcError::NotConnected => Ok(silence.not_connected.into_response()),
        RpcError::TooMany => Err(ApiError::TooMany { retry_after_s: 1 }),
        RpcError::NoRoute | RpcError::NotKept | RpcError::Moved | RpcError::NotAsked => Err(ApiError::Unavailable),
    }
}

/// When a request is given up.
fn expiration(asked: &Asked, now_ms: i64) -> Result<i64, ApiError> {
    let timeout_ms = asked.timeout.unwrap_or(TIMEOUT_MS).max(TIMEOUT_MS_MIN);
    let expires_ms = asked.expiration_time.unwrap_or(now_ms.saturating_add(timeout_ms));
    if !asked.persistent && expires_ms.saturating_sub(now_ms) > TIMEOUT_MS_MAX {
        return Err(ApiError::Invalid(format!(
            "A request waits for at most {TIMEOUT_MS_MAX} ms. Use persistent=true for one that waits longer."
        )));
    }
    Ok(expires_ms)
}

/// What the message says of the request.
fn metadata(asked: &Asked, id: Uuid, expires_ms: i64, oneway: bool) -> Metadata {
    let mut metadata: Metadata = [
        ("requestUUID", id.to_string()),
        ("originServiceId", SERVICE.to_owned()),
        ("expirationTime", expires_ms.to_string()),
        ("oneway", oneway.to_string()),
        ("persistent", asked.persistent.to_string()),
    ]
    .into_iter()
    .collect();
    if let Some(retries) = asked.retries {
        metadata.insert("retries", retries.to_string());
    }
    metadata
}

/// The message's data. Without `params` they are null, as with ThingsBoard.
fn payload(asked: Asked) -> Result<Payload, ApiError> {
    let method = asked.method.unwrap_or_default();
    if method.is_empty() || method.len() > METHOD_BYTES_MAX {
        return Err(ApiError::Invalid(format!(
            "A request needs a method of 1 to {METHOD_BYTES_MAX} bytes"
        )));
    }
    let mut body = json!({"method": method, "params": asked.params});
    if let Some(info) = asked.additional_info {
        body["additionalInfo"] = info;
    }
    Ok(Payload::new(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: Json) -> Asked {
        serde_json::from_value(body).expect("a request")
    }

    #[test]
    fn time_has_a_least_and_a_most() {
        let cases = [
            (json!({}), Some(11_000)),
            (json!({"timeout": 1}), Some(6_000)),
            (json!({"timeout": 20_000}), Some(21_000)),
            (json!({"timeout": 20_000, "expirationTime": 1_500}), Some(1_500)),
            (json!({"timeout": 3_600_001}), None),
            (json!({"expirationTime": i64::MAX}), None),
            (json!({"expirationTime": i64::MAX, "persistent": true}), Some(i64::MAX)),
            (json!({"expirationTime": i64::MIN}), Some(i64::MIN)),
        ];
        for (body, expected) in cases {
            assert_eq!(expiration(&asked(body.clone()), 1_000).ok(), expected, "{body}");
        }
    }

    #[test]
    fn a_method_is_needed() {
        for (body, taken) in [
            (json!({"method": "on"}), true),
            (json!({"method": "", "params": 1}), false),
            (json!({"params": 1}), false),
            (json!({"method": "m".repeat(256)}), false),
        ] {
            assert_eq!(payload(asked(body.clone())).is_ok(), taken, "{body}");
        }
        let full = payload(asked(json!({"method": "on", "params": [1], "additionalInfo": {"a": 1}}))).expect("taken");
        assert_eq!(full.json(), &json!({"method": "on", "params": [1], "additionalInfo": {"a": 1}}));
    }

    #[test]
    fn silence_is_told_in_both_ways() {
        for (error, old, new) in [(RpcError::Timeout, 408, 504), (RpcError::NotConnected, 409, 504)] {
            for (silence, expected) in [(OLD, old), (NEW, new)] {
                assert_eq!(refused(error, silence).map(|answer| answer.status().as_u16()).ok(), Some(expected));
            }
        }
        assert!(refused(RpcError::NoRoute, OLD).is_err());
    }
}
