//! The HTTP device API, below `/api/v1/{token}`. Each request is a session of one exchange.
//!
//! 1. [`caller`] – who asks, and what it sends,
//! 2. [`listener`] – the sockets, for this API and all others,
//! 3. [`patient`] – gives slow readers up,
//! 4. [`remainder`] – bodies that are too large.

mod caller;
pub mod listener;
mod patient;
mod remainder;

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use model::{DownlinkKind, DownlinkKinds};
use session::{AuthError, Credentials, Event, Inbound, OpenError, ProvisionError, PublishError, Session, Sessions, Transport};

use caller::{Body, Caller};
pub use listener::{ClientAddress, HttpListener};

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
        .route("/api/v1/provision", post(provision).layer(rpc_body))
        .route("/api/v1/{token}/claim", post(claim).layer(rpc_body))
        .route("/api/v1/{token}/telemetry", post(telemetry).layer(body))
        .route("/api/v1/{token}/attributes", get(attributes).post(save_attributes).layer(body))
        .route("/api/v1/{token}/attributes/updates", get(attribute_updates))
        .route("/api/v1/{token}/rpc", get(wait_for_rpc).post(call).layer(rpc_body))
        .route("/api/v1/{token}/rpc/{id}", post(reply).layer(rpc_body))
        .layer(map_response(counted))
        .with_state(sessions)
}

/// Each refusal is counted by its status; 408: there was nothing to tell, or what was to come did not come in time.
async fn counted(answer: Response) -> Response {
    let status = answer.status();
    if status.is_client_error() || status.is_server_error() {
        metrics::counter!("http_device_refusals_total", "status" => status.as_str().to_owned()).increment(1);
    }
    answer
}

async fn telemetry(caller: Caller, Path(token): Path<String>, Body(body): Body) -> Response {
    publish(&caller, &token, "POST telemetry", body).await
}

async fn save_attributes(caller: Caller, Path(token): Path<String>, Body(body): Body) -> Response {
    publish(&caller, &token, "POST attributes", body).await
}

async fn claim(caller: Caller, Path(token): Path<String>, Body(body): Body) -> Response {
    publish(&caller, &token, "POST claim", body).await
}

/// A device that has no credentials yet asks for some.
async fn provision(caller: Caller, Body(body): Body) -> Response {
    let answered = caller.sessions.provision(caller.address, &body).await;
    let answered = answered.map_err(|error| match error {
        ProvisionError::Malformed(reason) => (StatusCode::BAD_REQUEST, reason).into(),
        ProvisionError::TooMany { retry_after_s } => Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            reason: error.to_string(),
            retry_after_s: Some(retry_after_s),
        },
        ProvisionError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into(),
    });
    finish(answered.map(|answer| ([(header::CONTENT_TYPE, "application/json")], answer).into_response()))
}

async fn reply(caller: Caller, Path((token, id)): Path<(String, String)>, Body(body): Body) -> Response {
    publish(&caller, &token, &format!("POST rpc/{id}"), body).await
}

async fn attributes(caller: Caller, Path(token): Path<String>, Query(parameters): Parameters) -> Response {
    let query = parameters.into_iter().collect();
    ask(
        &caller,
        &token,
        Inbound::new(Transport::Http, "GET attributes", query, Bytes::new()),
        DownlinkKind::AttributeResponse,
    )
    .await
}

async fn call(caller: Caller, Path(token): Path<String>, Body(body): Body) -> Response {
    ask(
        &caller,
        &token,
        Inbound::new(Transport::Http, "POST rpc", Vec::new(), body),
        DownlinkKind::RpcResponse,
    )
    .await
}

async fn wait_for_rpc(caller: Caller, Path(token): Path<String>, Query(parameters): Parameters) -> Response {
    wait(&caller, &token, &parameters, DownlinkKind::RpcRequest).await
}

async fn attribute_updates(caller: Caller, Path(token): Path<String>, Query(parameters): Parameters) -> Response {
    wait(&caller, &token, &parameters, DownlinkKind::Attributes).await
}

/// Hands a body to the device's actor; answers 200 when its effects are durable.
async fn publish(caller: &Caller, token: &str, address: &str, body: Bytes) -> Response {
    let exchanged = async {
        let mut session = open(caller, token, None).await?;
        session
            .publish(Inbound::new(Transport::Http, address, Vec::new(), body))
            .await
            .map_err(refused)?;
        settled(&mut session).await
    };
    finish(exchanged.await.map(|()| StatusCode::OK.into_response()))
}

/// Asks something and answers what comes back.
async fn ask(caller: &Caller, token: &str, inbound: Inbound, kind: DownlinkKind) -> Response {
    let exchanged = async {
        let mut session = open(caller, token, None).await?;
        session.publish(inbound).await.map_err(refused)?;
        downlink(&mut session, kind, ANSWER_TIMEOUT).await
    };
    finish(exchanged.await)
}

/// Waits until the server has something for the device.
async fn wait(caller: &Caller, token: &str, parameters: &HashMap<String, String>, kind: DownlinkKind) -> Response {
    let exchanged = async {
        let timeout_ms = match parameters.get("timeout").map(|text| text.parse::<u64>()) {
            None => POLL_MS.0,
            Some(Ok(timeout_ms)) => timeout_ms.min(POLL_MS.1),
            Some(Err(_)) => {
                let reason = "timeout must be a number of milliseconds".to_owned();
                return Err((StatusCode::BAD_REQUEST, reason).into());
            }
        };
        let mut session = open(caller, token, Some(kind.into())).await?;
        let answer = downlink(&mut session, kind, Duration::from_millis(timeout_ms)).await;
        session.close().await;
        answer
    };
    finish(exchanged.await)
}

/// How a request is refused; with a reason in words, or none.
struct Refusal {
    status: StatusCode,
    reason: String,
    retry_after_s: Option<u64>,
}

impl From<(StatusCode, String)> for Refusal {
    fn from((status, reason): (StatusCode, String)) -> Self {
        Refusal {
            status,
            reason,
            retry_after_s: None,
        }
    }
}

async fn open(caller: &Caller, token: &str, listening: Option<DownlinkKinds>) -> Result<Session, Refusal> {
    let found = caller
        .sessions
        .authenticate_from(caller.address, Credentials::AccessToken(token))
        .await;
    let device = found.map_err(|error| match error {
        AuthError::Missing | AuthError::Unknown => (StatusCode::UNAUTHORIZED, String::new()).into(),
        AuthError::TooMany { retry_after_s } => Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            reason: error.to_string(),
            retry_after_s: Some(retry_after_s),
        },
        AuthError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into(),
    })?;
    let opened = caller.sessions.exchange(device, Transport::Http, listening).await;
    opened.map_err(|error| match error {
        OpenError::NoDevice => (StatusCode::UNAUTHORIZED, String::new()).into(),
        OpenError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into(),
    })
}

fn refused(error: PublishError) -> Refusal {
    match error {
        PublishError::UnknownAddress => (StatusCode::NOT_FOUND, error.to_string()).into(),
        PublishError::Malformed(reason) => (StatusCode::BAD_REQUEST, reason).into(),
        PublishError::RateExceeded(_) => Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            reason: error.to_string(),
            retry_after_s: Some(1),
        },
        PublishError::TooManyDevices | PublishError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into(),
        PublishError::Adapter(_) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into(),
    }
}

async fn settled(session: &mut Session) -> Result<(), Refusal> {
    let deadline = tokio::time::Instant::now() + ANSWER_TIMEOUT;
    let mut events = Vec::new();
    loop {
        if tokio::time::timeout_at(deadline, session.events(&mut events)).await.is_err() {
            let reason = "the message was not made durable in time".to_owned();
            return Err((StatusCode::SERVICE_UNAVAILABLE, reason).into());
        }
        for event in events.drain(..) {
            match event {
                Event::Settled(_, Ok(())) => return Ok(()),
                Event::Settled(_, Err(error)) => return Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into()),
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
            return Err((StatusCode::REQUEST_TIMEOUT, String::new()).into());
        }
        for event in events.drain(..) {
            match event {
                Event::Downlink(outbound, found, request) if found == kind => {
                    if let Some(request) = request {
                        session.delivered(request).await;
                    }
                    return Ok(([(header::CONTENT_TYPE, "application/json")], outbound.payload).into_response());
                }
                Event::Settled(_, Err(error)) => return Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into()),
                Event::Settled(_, Ok(())) | Event::Downlink(..) | Event::Close(_) => {}
            }
        }
    }
}

/// Errors of the device API are a JSON string, or nothing.
fn finish(result: Result<Response, Refusal>) -> Response {
    result.unwrap_or_else(|refusal| {
        let Refusal {
            status,
            reason,
            retry_after_s,
        } = refusal;
        let mut answer = if reason.is_empty() {
            status.into_response()
        } else {
            (status, axum::Json(reason)).into_response()
        };
        if let Some(seconds) = retry_after_s {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    })
}
