//! One request: a session of one exchange. It is answered when what it caused is durable.

use std::time::Duration;

use coap::{Code, Request, Response};
use model::DownlinkKind;
use session::{AuthError, Event, Inbound, OpenError, Origin, Outbound, ProvisionError, PublishError, Session, Sessions, Transport};
use tokio::time::{Instant, timeout_at};

use super::place::{Place, address};

/// How long it may take until a message is durable.
const DURABLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the answer to something that was asked may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Serves a request of a device.
pub(super) async fn serve(sessions: &Sessions, place: &Place, request: Request) -> Response {
    let exchanged = async {
        let device = authenticate(sessions, place).await?;
        let mut session = sessions.exchange(device, Transport::Coap, None).await.map_err(not_opened)?;
        let inbound = Inbound::new(Transport::Coap, address(&request, &place.rest), request.query, request.payload);
        session.publish(inbound).await.map_err(not_taken)?;
        outcome(&mut session).await
    };
    exchanged.await.unwrap_or_else(|refusal| refusal)
}

/// Who a device is.
pub(super) async fn authenticate(sessions: &Sessions, place: &Place) -> Result<model::DeviceId, Response> {
    let found = sessions.authenticate_from(place.origin, place.who.credentials()).await;
    found.map_err(|error| match error {
        AuthError::Missing | AuthError::Unknown => Response::new(Code::UNAUTHORIZED),
        AuthError::TooMany { retry_after_s } => Response::too_many(retry_after_s),
        AuthError::Unavailable => Response::busy(),
    })
}

/// Answers a device that has no credentials yet.
pub(super) async fn provision(sessions: &Sessions, origin: Origin, request: Request) -> Response {
    if request.method != Code::POST {
        return Response::new(Code::METHOD_NOT_ALLOWED);
    }
    match sessions.provision(origin, &request.payload).await {
        Ok(answer) => Response::json(Code::CREATED, answer.into()),
        Err(ProvisionError::Malformed(reason)) => Response::refusal(Code::BAD_REQUEST, reason),
        Err(ProvisionError::TooMany { retry_after_s }) => Response::too_many(retry_after_s),
        Err(ProvisionError::Unavailable) => Response::busy(),
    }
}

/// Why there is no session, as a response.
pub(super) fn not_opened(error: OpenError) -> Response {
    match error {
        OpenError::NoDevice => Response::new(Code::UNAUTHORIZED),
        OpenError::Unavailable(reason) => {
            tracing::warn!(reason, "a device could not be served");
            Response::busy()
        }
    }
}

/// Why something was not taken, as a response.
pub(super) fn not_taken(error: PublishError) -> Response {
    match error {
        PublishError::UnknownAddress => Response::new(Code::NOT_FOUND),
        PublishError::Malformed(reason) => Response::refusal(Code::BAD_REQUEST, reason),
        PublishError::RateExceeded(_) => Response::too_many(1),
        PublishError::TooManyDevices | PublishError::Unavailable(_) => Response::busy(),
        PublishError::Adapter(_) => Response::new(Code::INTERNAL_SERVER_ERROR),
    }
}

/// What an adapter wrote, as a response: it may name a code in place of a topic.
pub(super) fn told(outbound: Outbound) -> Response {
    Response::json(outbound.address.parse().unwrap_or(Code::CONTENT), outbound.payload)
}

/// Waits until the publish is durable, or for the answer if it asked for one.
async fn outcome(session: &mut Session) -> Result<Response, Response> {
    let asks = session.asks();
    let deadline = Instant::now() + if asks { ANSWER_TIMEOUT } else { DURABLE_TIMEOUT };
    let mut events = Vec::new();
    while timeout_at(deadline, session.events(&mut events)).await.is_ok() {
        for event in events.drain(..) {
            match event {
                Event::Settled(_, Ok(())) if !asks => return Ok(Response::new(Code::CREATED)),
                Event::Settled(_, Err(error)) => {
                    tracing::warn!(device = %session.device(), %error, "a request is not answered well");
                    return Err(Response::new(Code::INTERNAL_SERVER_ERROR));
                }
                Event::Downlink(outbound, DownlinkKind::AttributeResponse | DownlinkKind::RpcResponse, _) => return Ok(told(outbound)),
                Event::Settled(_, Ok(())) | Event::Downlink(..) | Event::Close(_) => {}
            }
        }
    }
    Err(Response::new(if asks { Code::GATEWAY_TIMEOUT } else { Code::SERVICE_UNAVAILABLE }))
}
