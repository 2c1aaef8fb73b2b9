//! The two tokens that a login answers.

use model::UserId;
use model::entity::User;
use serde::Serialize;
use uuid::Uuid;

use super::token::{Purpose, Subject};
use crate::ApiError;
use crate::state::ApiState;

/// Both tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenPair {
    /// For asking.
    pub token: String,
    /// For the next pair.
    pub refresh_token: String,
}

/// Whom tokens of a user are made for.
pub fn subject(id: UserId, user: &User, session: Uuid) -> Subject {
    Subject {
        user: id,
        email: user.email.clone(),
        customer: user.customer_id.map(|customer| customer.id),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        session,
    }
}

/// Makes both tokens, as of a time.
///
/// # Errors
/// [`ApiError::Internal`].
pub fn issue(api: &ApiState, id: UserId, user: &User, session: Uuid, now_ms: i64) -> Result<TokenPair, ApiError> {
    let subject = subject(id, user, session);
    let make = |purpose| api.tokens.issue(&subject, purpose, now_ms).map_err(ApiError::internal);
    Ok(TokenPair {
        token: make(Purpose::Access(user.authority))?,
        refresh_token: make(Purpose::Refresh)?,
    })
}
