//! Who asks. Handlers name in their arguments what a caller must be; a caller who is not is refused before the handler runs.
//!
//! A token alone is not enough: the login behind it must still be there, enabled, and not have voided its tokens since.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::http::request::Parts;
use model::entity::Authority;
use model::{TenantId, UserId};
use uuid::Uuid;

use crate::ApiError;
use crate::auth::token::{Claims, Purpose, TokenError};
use crate::state::ApiState;

const FAILED: ApiError = ApiError::Authentication("Authentication failed");

/// Anybody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub user: UserId,
    /// What the user logs in with.
    pub email: String,
    /// What the user may do.
    pub authority: Authority,
    /// The customer of a customer user.
    pub customer: Option<Uuid>,
    /// The login that the token stems from.
    pub session: Uuid,
}

/// A system administrator.
#[derive(Clone, Debug)]
pub struct SysAdmin(pub Principal);

/// An administrator of a tenant.
#[derive(Clone, Copy, Debug)]
pub struct TenantAdmin {
    /// The tenant.
    pub tenant: TenantId,
}

/// Somebody who belongs to a tenant: its administrator, or a user of one of its customers.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: Uuid,
    /// The customer whose things are all that the user sees; none: the user sees all of the tenant.
    pub customer: Option<Uuid>,
}

impl FromRequestParts<ApiState> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or(FAILED)?;
        Principal::of(api, &claims(api, token)?).await
    }
}

/// What a token says that is ours and has not ended.
pub(crate) fn claims(api: &ApiState, token: &str) -> Result<Claims, ApiError> {
    api.tokens.verify(token, api.clock.now_ms()).map_err(|error| match error {
        TokenError::Expired => ApiError::TokenExpired,
        TokenError::Invalid => FAILED,
    })
}

impl FromRequestParts<ApiState> for SysAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        let principal = Principal::from_request_parts(parts, api).await?;
        if principal.authority == Authority::SysAdmin {
            Ok(SysAdmin(principal))
        } else {
            Err(ApiError::Forbidden)
        }
    }
}

impl FromRequestParts<ApiState> for TenantAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        let principal = Principal::from_request_parts(parts, api).await?;
        if principal.authority == Authority::TenantAdmin {
            Ok(TenantAdmin {
                tenant: principal.user.tenant,
            })
        } else {
            Err(ApiError::Forbidden)
        }
    }
}

impl FromRequestParts<ApiState> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, ApiError> {
        Principal::from_request_parts(parts, api).await?.member()
    }
}

impl Principal {
    /// Who asks with these claims, as things stand now.
    pub(crate) async fn of(api: &ApiState, claims: &Claims) -> Result<Self, ApiError> {
        if claims.exp.saturating_mul(1_000) <= api.clock.now_ms() {
            return Err(ApiError::TokenExpired);
        }
        let Some(Purpose::Access(authority)) = claims.purpose() else {
            return Err(FAILED);
        };
        let login = api.store.login(&claims.sub).await?.ok_or(FAILED)?;
        if !claims.stems_from(&login) || !login.enabled {
            return Err(FAILED);
        }
        Ok(Principal {
            user: login.user,
            customer: claims.customer(),
            email: login.email,
            authority,
            session: claims.session_id,
        })
    }

    /// The caller as somebody who belongs to a tenant.
    ///
    /// # Errors
    /// [`ApiError::Forbidden`] for system administrators, who see no tenant's data, and for customer users without a customer.
    pub fn member(&self) -> Result<Member, ApiError> {
        let (tenant, user) = (self.user.tenant, self.user.id);
        match (self.authority, self.customer) {
            (Authority::TenantAdmin, _) => Ok(Member {
                tenant,
                user,
                customer: None,
            }),
            (Authority::CustomerUser, Some(customer)) => Ok(Member {
                tenant,
                user,
                customer: Some(customer),
            }),
            (Authority::CustomerUser, None) | (Authority::SysAdmin, _) => Err(ApiError::Forbidden),
        }
    }
}

/// The token of `X-Authorization` or `Authorization`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers
        .get("x-authorization")
        .or_else(|| headers.get(AUTHORIZATION))?
        .to_str()
        .ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_token_in_either_header() {
        let cases = [
            ("x-authorization", "Bearer abc", Some("abc")),
            ("authorization", "bearer abc", Some("abc")),
            ("authorization", "Basic abc", None),
            ("authorization", "abc", None),
            ("cookie", "Bearer abc", None),
        ];
        for (name, value, expected) in cases {
            let headers = HeaderMap::from_iter([(
                name.parse::<axum::http::HeaderName>().expect("a name"),
                value.parse().expect("a value"),
            )]);
            assert_eq!(bearer(&headers), expected, "{name}: {value}");
        }
    }
}
