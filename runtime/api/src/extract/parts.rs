//! Body, query and path. Refusals are [`ApiError`]s; a body is JSON whatever its content type says, as with ThingsBoard's login.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

use crate::ApiError;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The request's JSON.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let OptionalBody(given) = OptionalBody::from_request(request, state).await?;
        given.map(Body).ok_or_else(|| ApiError::invalid("Required request body is missing"))
    }
}

/// The request's JSON, if there is a body.
#[derive(Clone, Debug)]
pub struct OptionalBody<T>(pub Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state))
            .await
            .map_err(|_| ApiError::Slow)?;
        let bytes = read.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
            _ => ApiError::invalid("The request body could not be read"),
        })?;
        if bytes.is_empty() {
            return Ok(OptionalBody(None));
        }
        serde_json::from_slice(&bytes)
            .map(|given| OptionalBody(Some(given)))
            .map_err(|error| ApiError::Invalid(format!("The request body is not understood: {error}")))
    }
}

/// The request's query.
#[derive(Clone, Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Params(params)),
            Err(rejection) => Err(ApiError::Invalid(format!("The query is not understood: {}", rejection.body_text()))),
        }
    }
}

/// The variable parts of the request's path.
#[derive(Clone, Debug)]
pub struct PathOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(PathOf(path)),
            Err(rejection) => Err(ApiError::Invalid(format!("The path is not understood: {}", rejection.body_text()))),
        }
    }
}

/// The parts of a comma-separated list, without empty ones.
pub fn csv(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}
