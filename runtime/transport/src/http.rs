//! The HTTP device API, below `/api/v1/{token}`. Each request is a session of one exchange.

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use model::DownlinkKind;
use session::{AuthError, Credentials, Event, Inbound, OpenError, PublishError, Session, Sessions, Transport};

/// Bytes of a body at most.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a body of a request or reply at most.
const RPC_BODY_BYTES_MAX: usize = 64 << 10;
/// How long the answer to an exchange may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a waiting request waits, if it does not say; and at most.
const POLL_MS: (u64, u64) = (60_000, 300_000);

type Parameters = Query<HashMap<String, String>>;

/// The routes.
pub fn router(sessions: Sessions) -> Router {
    let body = DefaultBodyLimit::max(BODY_BYTES_MAX);
    let rpc_body = DefaultBodyLimit::max(RPC_BODY_BYTES_MAX);
    Router::new()
        .route("/api/v1/{token}/telemetry", post(telemetry).layer(body))
        .route("/api/v1/{token}/attributes", get(attributes).post(save_attributes).layer(body))
        .route("/api/v1/{token}/attributes/updates", get(attribute_updates))
        .route("/api/v1/{token}/rpc", get(wait_for_rpc).post(call).layer(rpc_body))
        .route("/api/v1/{token}/rpc/{id}", post(reply).layer(rpc_body))
        .with_state(sessions)
}

async fn telemetry(State(sessions): State<Sessions>, Path(token): Path<String>, body: Bytes) -> Response {
    publish(&sessions, &token, "POST telemetry", body).await
}

async fn save_attributes(State(sessions): State<Sessions>, Path(token): Path<String>, body: Bytes) -> Response {
    publish(&sessions, &token, "POST attributes", body).await
}

async fn reply(State(sessions): State<Sessions>, Path((token, id)): Path<(String, String)>, body: Bytes) -> Response {
    publish(&sessions, &token, &format!("POST rpc/{id}"), body).await
}

async fn attributes(State(sessions): State<Sessions>, Path(token): Path<String>, Query(parameters): Parameters) -> Response {
    let query = parameters.into_iter().collect();
    ask(
        &sessions,
        &token,
        Inbound::new(Transport::Http, "GET attributes", query, Bytes::new()),
        DownlinkKind::AttributeResponse,
    )
    .await
}

async fn call(State(sessions): State<Sessions>, Path(token): Path<String>, body: Bytes) -> Response {
    ask(
        &sessions,
        &token,
        Inbound::new(Transport::Http, "POST rpc", Vec::new(), body),
        DownlinkKind::RpcResponse,
    )
    .await
}

async fn wait_for_rpc(State(sessions): State<Sessions>, Path(token): Path<String>, Query(parameters): Parameters) -> Response {
    wait(&sessions, &token, &parameters, DownlinkKind::RpcRequest).await
}

async fn attribute_updates(State(sessions): State<Sessions>, Path(token): Path<String>, Query(parameters): Parameters) -> Response {
    wait(&sessions, &token, &parameters, DownlinkKind::Attributes).await
}

/// Hands a body to the device's actor; answers 200 when its effects are durable.
async fn publish(sessions: &Sessions, token: &str, address: &str, body: Bytes) -> Response {
    let exchanged = async {
        let mut session = open(sessions, token, false).await?;
        session
            .publish(Inbound::new(Transport::Http, address, Vec::new(), body))
            .await
            .map_err(refused)?;
        settled(&mut session).await
    };
    finish(exchanged.await.map(|()| StatusCode::OK.into_response()))
}

/// Asks something and answers what comes back.
async fn ask(sessions: &Sessions, token: &str, inbound: Inbound, kind: DownlinkKind) -> Response {
    let exchanged = async {
        let mut session = open(sessions, token, false).await?;
        session.publish(inbound).await.map_err(refused)?;
        downlink(&mut session, kind, ANSWER_TIMEOUT).await
    };
    finish(exchanged.await)
}

/// Waits until the server has something for the device.
async fn wait(sessions: &Sessions, token: &str, parameters: &HashMap<String, String>, kind: DownlinkKind) -> Response {
    let exchanged = async {
        let timeout_ms = match parameters.get("timeout").map(|text| text.parse::<u64>()) {
            None => POLL_MS.0,
            Some(Ok(timeout_ms)) => timeout_ms.min(POLL_MS.1),
            Some(Err(_)) => return Err((StatusCode::BAD_REQUEST, "timeout must be a number of milliseconds".to_owned())),
        };
        let mut session = open(sessions, token, true).await?;
        let answer = downlink(&mut session, kind, Duration::from_millis(timeout_ms)).await;
        session.close().await;
        answer
    };
    finish(exchanged.await)
}

type Refusal = (StatusCode, String);

async fn open(sessions: &Sessions, token: &str, listening: bool) -> Result<Session, Refusal> {
    let device = sessions
        .authenticate(Credentials::AccessToken(token))
        .await
        .map_err(|error| match error {
            AuthError::Missing | AuthError::Unknown => (StatusCode::UNAUTHORIZED, String::new()),
            AuthError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        })?;
    sessions
        .exchange(device, Transport::Http, listening)
        .await
        .map_err(|error| match error {
            OpenError::NoDevice => (StatusCode::UNAUTHORIZED, String::new()),
            OpenError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        })
}

fn refused(error: PublishError) -> Refusal {
    match error {
        PublishError::UnknownAddress => (StatusCode::NOT_FOUND, error.to_string()),
        PublishError::Malformed(reason) => (StatusCode::BAD_REQUEST, reason),
        PublishError::Adapter(_) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn settled(session: &mut Session) -> Result<(), Refusal> {
    let deadline = tokio::time::Instant::now() + ANSWER_TIMEOUT;
    let mut events = Vec::new();
    loop {
        if tokio::time::timeout_at(deadline, session.events(&mut events)).await.is_err() {
            return Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "the message was not made durable in time".to_owned(),
            ));
        }
        for event in events.drain(..) {
            match event {
                Event::Settled(_, Ok(())) => return Ok(()),
                Event::Settled(_, Err(error)) => return Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
                Event::Downlink(..) | Event::Close(_) => {}
            }
        }
    }
}

async fn downlink(session: &mut Session, kind: DownlinkKind, patience: Duration) -> Result<Response, Refusal> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut events = Vec::new();
    loop {
        if tokio::time::timeout_at(deadline, session.events(&mut events)).await.is_err() {
            return Err((StatusCode::REQUEST_TIMEOUT, String::new()));
        }
        for event in events.drain(..) {
            match event {
                Event::Downlink(outbound, found) if found == kind => {
                    return Ok(([(header::CONTENT_TYPE, "application/json")], outbound.payload).into_response());
                }
                Event::Settled(_, Err(error)) => return Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
                Event::Settled(_, Ok(())) | Event::Downlink(..) | Event::Close(_) => {}
            }
        }
    }
}

/// Errors of the device API are a JSON string, or nothing.
fn finish(result: Result<Response, Refusal>) -> Response {
    result.unwrap_or_else(|(status, reason)| {
        if reason.is_empty() {
            status.into_response()
        } else {
            (status, axum::Json(reason)).into_response()
        }
    })
}
