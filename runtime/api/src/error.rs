//! Every refusal of the API, and the one form in which it is told: status, errorCode, message, timestamp.
//!
//! Knows no resource. What went wrong inside is logged here and not told.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Clock, SystemClock};
use serde::Serialize;
use storage::StorageError;

/// Why a request was not carried out, by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Log in, or log in with something else.
    #[error("{0}")]
    Authentication(&'static str),
    /// Refresh the token.
    #[error("Token has expired")]
    TokenExpired,
    /// Ask somebody who may.
    #[error("You don't have permission to perform this operation!")]
    Forbidden,
    /// Change the request.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing, or none that the caller may know of.
    #[error("{0}")]
    NotFound(String),
    /// There is no such route with this method.
    #[error("Request method is not supported")]
    Method,
    /// The body did not arrive in time.
    #[error("The request body did not arrive in time")]
    Slow,
    /// Send less.
    #[error("Request body is larger than the limit")]
    TooLarge,
    /// Come again later.
    #[error("Too many requests")]
    TooMany {
        /// In how many seconds.
        retry_after_s: u64,
    },
    /// Load and try again: somebody saved in between.
    #[error("{0}")]
    Conflict(String),
    /// Try again: nothing was done.
    #[error("The server cannot do this now")]
    Unavailable,
    /// Nothing the caller can do.
    #[error("Internal server error")]
    Internal,
}

/// The body of every refusal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody {
    status: u16,
    message: String,
    error_code: u32,
    /// Milliseconds since 1970-01-01 UTC.
    timestamp: i64,
}

impl ApiError {
    /// A request that makes no sense.
    pub fn invalid(text: impl Into<String>) -> Self {
        ApiError::Invalid(text.into())
    }

    /// An entity that is not there, or not for the caller.
    pub fn no_entity(label: &str, id: impl std::fmt::Display) -> Self {
        ApiError::NotFound(format!("{label} with id [{id}] is not found"))
    }

    /// Logs what happened inside; the caller learns nothing of it.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        ApiError::Internal
    }

    /// What saving an entity of a kind answers.
    pub fn saving(label: &str, error: StorageError) -> Self {
        match error {
            StorageError::NameTaken(_) => ApiError::Invalid(format!("{label} with such name already exists!")),
            other => other.into(),
        }
    }

    /// Status and errorCode.
    fn codes(&self) -> (StatusCode, u32) {
        match self {
            ApiError::Authentication(_) => (StatusCode::UNAUTHORIZED, 10),
            ApiError::TokenExpired => (StatusCode::UNAUTHORIZED, 11),
            ApiError::Forbidden => (StatusCode::FORBIDDEN, 20),
            ApiError::Invalid(_) => (StatusCode::BAD_REQUEST, 31),
            ApiError::Method => (StatusCode::METHOD_NOT_ALLOWED, 31),
            ApiError::Slow => (StatusCode::REQUEST_TIMEOUT, 31),
            ApiError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 31),
            ApiError::NotFound(_) => (StatusCode::NOT_FOUND, 32),
            ApiError::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, 33),
            ApiError::Conflict(_) => (StatusCode::CONFLICT, 35),
            ApiError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 2),
            ApiError::Internal => (StatusCode::INTERNAL_SERVER_ERROR, 2),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, error_code) = self.codes();
        metrics::counter!("api_refusals_total", "status" => status.as_str().to_owned()).increment(1);
        let body = ErrorBody {
            status: status.as_u16(),
            message: self.to_string(),
            error_code,
            timestamp: SystemClock.now_ms(),
        };
        let mut response = (status, Json(body)).into_response();
        if let ApiError::TooMany { retry_after_s } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        }
        response
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NameTaken(name) => ApiError::Invalid(format!("The name {name:?} is taken")),
            StorageError::CredentialsTaken => ApiError::invalid("Device credentials are already assigned to another device!"),
            StorageError::VersionConflict { given, stored } => ApiError::Conflict(format!(
                "The entity was changed by somebody else: version {given} is not the stored version {stored}"
            )),
            StorageError::NotFound => ApiError::NotFound("Requested item wasn't found!".to_owned()),
            StorageError::Unfit(why) => ApiError::Invalid(why),
            StorageError::Unavailable(reason) => {
                tracing::warn!(reason, "the store refused a request");
                ApiError::Unavailable
            }
            failed @ (StorageError::Failed(_) | StorageError::Corrupt(_)) => ApiError::internal(failed),
        }
    }
}

impl From<components::ComponentError> for ApiError {
    fn from(error: components::ComponentError) -> Self {
        use components::ComponentError;
        match error {
            ComponentError::Refused(_) | ComponentError::Invalid(_) | ComponentError::Quota(_) => ApiError::Invalid(error.to_string()),
            ComponentError::NotFound(text) => ApiError::NotFound(text),
            ComponentError::Conflict(_) | ComponentError::Misfits(_) => ApiError::Conflict(error.to_string()),
            ComponentError::Busy => ApiError::TooMany { retry_after_s: 5 },
            ComponentError::Storage(error) => error.into(),
            ComponentError::Host(text) => ApiError::internal(text),
        }
    }
}

impl From<tenant::TenantError> for ApiError {
    fn from(error: tenant::TenantError) -> Self {
        match error {
            tenant::TenantError::Storage(error) => error.into(),
            tenant::TenantError::Stopping => ApiError::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let cases = [
            (ApiError::Authentication("Authentication failed"), 401, 10),
            (ApiError::TokenExpired, 401, 11),
            (ApiError::Forbidden, 403, 20),
            (ApiError::invalid("x"), 400, 31),
            (ApiError::no_entity("Device", 1), 404, 32),
            (ApiError::TooMany { retry_after_s: 60 }, 429, 33),
            (StorageError::VersionConflict { given: 1, stored: 2 }.into(), 409, 35),
            (StorageError::CredentialsTaken.into(), 400, 31),
            (StorageError::Unavailable("closing").into(), 503, 2),
            (StorageError::Failed("disk".into()).into(), 500, 2),
        ];
        for (error, status, code) in cases {
            assert_eq!(error.codes(), (StatusCode::from_u16(status).expect("a status"), code), "{error:?}");
        }
    }

    #[test]
    fn what_went_wrong_inside_is_not_told() {
        assert!(
            !ApiError::from(StorageError::Failed("/secret/path".into()))
                .to_string()
                .contains("secret")
        );
    }

    #[test]
    fn says_when_to_come_again() {
        let response = ApiError::TooMany { retry_after_s: 60 }.into_response();
        assert_eq!(
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()),
            Some("60")
        );
    }
}
