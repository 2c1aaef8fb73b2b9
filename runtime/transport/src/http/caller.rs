//! Who asks, and what it sends: what handlers of the device API take of a request.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use session::Sessions;

use super::ClientAddress;

/// A body must be there within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The way to sessions, for somebody at an address.
pub(super) struct Caller {
    pub(super) sessions: Sessions,
    pub(super) address: IpAddr,
}

impl FromRequestParts<Sessions> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, sessions: &Sessions) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ClientAddress>().map(|address| address.0);
        Ok(Caller {
            sessions: sessions.clone(),
            // Only where something else than our listener serves the routes.
            address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        })
    }
}

/// What a request carries.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<Sessions> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, sessions: &Sessions) -> Result<Self, Response> {
        match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, sessions)).await {
            Ok(Ok(body)) => Ok(Body(body)),
            Ok(Err(refused)) => Err(refused.into_response()),
            Err(_) => {
                metrics::counter!("http_requests_slow_total").increment(1);
                Err(StatusCode::REQUEST_TIMEOUT.into_response())
            }
        }
    }
}
