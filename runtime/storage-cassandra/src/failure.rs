//! What errors of the driver mean: whether it may help to try again, and what the caller is told.

use std::time::Duration;

use scylla::errors::{
    DbError, DeserializationError, ExecutionError, IntoRowsResultError, MaybeFirstRowError, NextPageError, NextRowError,
    PagerExecutionError, RequestAttemptError, RequestError, TypeCheckError,
};
use storage::StorageError;

/// An attempt that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The cluster does not answer, or not enough replicas do, or it has too much to do: later it may.
    Passing(String),
    /// It will be the same next time.
    Lasting(String),
}

impl Failure {
    /// An attempt that got no answer.
    pub(crate) fn timed_out(after: Duration) -> Self {
        Failure::Passing(format!("no answer within {} ms", after.as_millis()))
    }

    /// What the caller is told when nothing has helped.
    pub(crate) fn meaning(self) -> StorageError {
        match self {
            Failure::Passing(_) => StorageError::Unavailable("the database does not answer"),
            Failure::Lasting(why) => StorageError::Failed(why),
        }
    }
}

/// Whether an error is one of the statement, or of who asks, and not of the moment.
fn lasts(error: &DbError) -> bool {
    matches!(
        error,
        DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::FunctionFailure { .. }
            | DbError::AuthenticationError
            | DbError::Unauthorized
            | DbError::ConfigError
            | DbError::ProtocolError
    )
}

impl From<RequestAttemptError> for Failure {
    fn from(error: RequestAttemptError) -> Self {
        let text = error.to_string();
        match error {
            RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_) => Failure::Lasting(text),
            RequestAttemptError::DbError(error, _) if lasts(&error) => Failure::Lasting(text),
            _ => Failure::Passing(text),
        }
    }
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::BadQuery(error) => Failure::Lasting(error.to_string()),
            ExecutionError::LastAttemptError(error) => error.into(),
            other => Failure::Passing(other.to_string()),
        }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::LastAttemptError(error) => error.into(),
            other => Failure::Passing(other.to_string()),
        }
    }
}

impl From<NextPageError> for Failure {
    fn from(error: NextPageError) -> Self {
        match error {
            NextPageError::RequestFailure(error) => error.into(),
            other => Failure::Lasting(other.to_string()),
        }
    }
}

impl From<PagerExecutionError> for Failure {
    fn from(error: PagerExecutionError) -> Self {
        match error {
            PagerExecutionError::NextPageError(error) => error.into(),
            PagerExecutionError::SerializationError(error) => Failure::Lasting(error.to_string()),
            other => Failure::Passing(other.to_string()),
        }
    }
}

impl From<NextRowError> for Failure {
    fn from(error: NextRowError) -> Self {
        match error {
            NextRowError::NextPageError(error) => error.into(),
            other => Failure::Lasting(other.to_string()),
        }
    }
}

macro_rules! lasting {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::Lasting(error.to_string())
            }
        }
    )*};
}

lasting!(DeserializationError, IntoRowsResultError, MaybeFirstRowError, TypeCheckError);
