//! Requests to rule chains: what somebody sends enters a chain as a message of type `REST_API_REQUEST`, and a node there answers.
//!
//! A message about a device takes the way of everything about it: to its actor, on whichever server that lives, and into its profile's
//! chain. Any other enters the tenant's root chain here.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cluster::{Call, RpcError};
use model::{CustomerId, DeviceId, EntityId, EntityKind, MessageKind, Metadata, Payload};
use serde_json::Value as Json;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::rpc::{BODY_BYTES_MAX, SERVICE, TIMEOUT_MS, TIMEOUT_MS_MAX};
use crate::ApiError;
use crate::extract::{Body, Member, PathOf};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/rule-engine", post(about_user))
        .route("/api/rule-engine/", post(about_user))
        .route("/api/rule-engine/{kind}/{id}", post(about))
        .route("/api/rule-engine/{kind}/{id}/{timeout}", post(about_within))
        .route("/api/rule-engine/{kind}/{id}/{queue}/{timeout}", post(about_in_queue))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

type Answer = Result<Response, ApiError>;

async fn about_user(State(api): State<ApiState>, member: Member, Body(body): Body<Json>) -> Answer {
    let user = EntityId::new(member.tenant, EntityKind::User, member.user);
    ask(api, member, user, TIMEOUT_MS, body).await
}

async fn about(State(api): State<ApiState>, member: Member, PathOf((kind, id)): PathOf<(String, Uuid)>, Body(body): Body<Json>) -> Answer {
    let entity = member.entity_named(&api, &kind, id).await?;
    ask(api, member, entity, TIMEOUT_MS, body).await
}

async fn about_within(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id, timeout)): PathOf<(String, Uuid, i64)>,
    Body(body): Body<Json>,
) -> Answer {
    let entity = member.entity_named(&api, &kind, id).await?;
    ask(api, member, entity, timeout, body).await
}

/// There is one queue, so its name changes nothing.
async fn about_in_queue(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id, _, timeout)): PathOf<(String, Uuid, String, i64)>,
    Body(body): Body<Json>,
) -> Answer {
    let entity = member.entity_named(&api, &kind, id).await?;
    ask(api, member, entity, timeout, body).await
}

async fn ask(api: ApiState, member: Member, entity: EntityId, timeout_ms: i64, body: Json) -> Answer {
    if !(0..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
        return Err(ApiError::Invalid(format!("A request waits for 0 to {TIMEOUT_MS_MAX} ms.")));
    }
    let id = Uuid::now_v7();
    let expires_ms = api.clock.now_ms().saturating_add(timeout_ms);
    let (reply, answer) = oneshot::channel();
    let call = Call {
        id,
        kind: MessageKind::RestApiRequest,
        metadata: metadata(id, expires_ms),
        payload: Payload::new(body),
        reply,
    };
    // What a full chain makes wait is part of the caller's patience.
    let asked = async {
        match DeviceId::try_from(entity) {
            Ok(device) => api.app.call(device, call).await,
            Err(_) => {
                let customer = member.customer.map(|customer| CustomerId::new(member.tenant, customer));
                api.app.ask(entity, customer, call).await;
            }
        }
        answer.await
    };
    match tokio::time::timeout(Duration::from_millis(timeout_ms.unsigned_abs()), asked).await {
        Err(_) => Ok(StatusCode::REQUEST_TIMEOUT.into_response()),
        Ok(Ok(Ok(reply))) => {
            let text = reply.map_or_else(|| "null".to_owned(), |reply| reply.text().to_owned());
            Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
        }
        Ok(Ok(Err(RpcError::TooMany))) => Err(ApiError::TooMany { retry_after_s: 1 }),
        Ok(Ok(Err(_)) | Err(_)) => Err(ApiError::Unavailable),
    }
}

/// What the message says of the request.
fn metadata(id: Uuid, expires_ms: i64) -> Metadata {
    [
        ("serviceId", SERVICE.to_owned()),
        ("requestUUID", id.to_string()),
        ("expirationTime", expires_ms.to_string()),
    ]
    .into_iter()
    .collect()
}
