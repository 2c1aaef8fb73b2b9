//! JSON Web Tokens, HS512, with ThingsBoard's claims. A token is for one purpose: access, refreshing, or setting the first password.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::entity::Authority;
use model::{TenantId, UserId};
use serde::{Deserialize, Serialize};
use storage::Login;
use uuid::Uuid;

/// How long an access token is good for, seconds.
pub const ACCESS_S: i64 = 9_000;
/// How long a refresh token is good for, seconds.
pub const REFRESH_S: i64 = 604_800;
/// How long a token for the first password is good for, seconds.
pub const ACTIVATION_S: i64 = 86_400;

/// Bytes of a token at most: longer ones are not looked at.
const TOKEN_BYTES_MAX: usize = 4_096;
/// Bytes of a signing key at least.
const KEY_BYTES_MIN: usize = 32;
/// Clients of ThingsBoard know this issuer.
const ISSUER: &str = "thingsboard.io";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Asking, with this authority.
    Access(Authority),
    /// Getting the next pair of tokens.
    Refresh,
    /// Setting the first password.
    Activation,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// E-mail address.
    pub sub: String,
    /// User.
    pub user_id: Uuid,
    /// One: the authority, or another purpose.
    pub scopes: Vec<String>,
    /// The login that it stems from.
    pub session_id: Uuid,
    /// Issuer.
    pub iss: String,
    /// When it was made, seconds since 1970-01-01 UTC.
    pub iat: i64,
    /// When it ends, seconds since 1970-01-01 UTC.
    pub exp: i64,
    /// When it was made, milliseconds: seconds are too coarse for voiding tokens.
    pub iat_ms: i64,
    /// Always: who is not enabled gets no token.
    pub enabled: bool,
    /// Never.
    pub is_public: bool,
    /// Tenant; the system for its administrators.
    pub tenant_id: Uuid,
    /// Customer; [`TenantId::SYSTEM`]'s id stands for none.
    pub customer_id: Uuid,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
}

/// Whom a token is made for.
#[derive(Clone, Debug)]
pub struct Subject {
    /// User.
    pub user: UserId,
    /// E-mail address.
    pub email: String,
    /// Customer.
    pub customer: Option<Uuid>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The login that it stems from.
    pub session: Uuid,
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is too old: the client gets a new one.
    #[error("the token has expired")]
    Expired,
    /// It is none of ours.
    #[error("the token is not valid")]
    Invalid,
}

/// Makes and checks tokens.
pub struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// With a secret of 32 bytes or more. A shorter one is not used: then tokens are good until the server stops.
    pub fn new(key: &[u8]) -> Self {
        let own: [u8; 64];
        let key = if key.len() < KEY_BYTES_MIN {
            tracing::error!(
                len = key.len(),
                "the signing key is too short; using a fresh one, logins end with this process"
            );
            own = rand::random();
            &own
        } else {
            key
        };
        let mut validation = Validation::new(Algorithm::HS512);
        validation.set_issuer(&[ISSUER]);
        // Checked here, against the server's own clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Tokens {
            signing: EncodingKey::from_secret(key),
            checking: DecodingKey::from_secret(key),
            validation,
        }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(&self, subject: &Subject, purpose: Purpose, now_ms: i64) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = now_ms.div_euclid(1_000);
        let claims = Claims {
            sub: subject.email.clone(),
            user_id: subject.user.id,
            scopes: vec![purpose.scope().to_owned()],
            session_id: subject.session,
            iss: ISSUER.to_owned(),
            iat,
            exp: iat.saturating_add(purpose.seconds()),
            iat_ms: now_ms,
            enabled: true,
            is_public: false,
            tenant_id: subject.user.tenant.0,
            customer_id: subject.customer.unwrap_or(TenantId::SYSTEM.0),
            first_name: subject.first_name.clone(),
            last_name: subject.last_name.clone(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &self.signing)
    }

    /// What a token says, if it is ours and has not ended. Its purpose is for the caller to check.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(&self, token: &str, now_ms: i64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        if claims.exp.saturating_mul(1_000) <= now_ms {
            Err(TokenError::Expired)
        } else {
            Ok(claims)
        }
    }
}

impl Claims {
    /// What the token is for; none for one that this server does not know.
    pub fn purpose(&self) -> Option<Purpose> {
        let [scope] = self.scopes.as_slice() else { return None };
        [
            Purpose::Access(Authority::SysAdmin),
            Purpose::Access(Authority::TenantAdmin),
            Purpose::Access(Authority::CustomerUser),
            Purpose::Refresh,
            Purpose::Activation,
        ]
        .into_iter()
        .find(|purpose| purpose.scope() == scope)
    }

    /// The customer of a customer user.
    pub fn customer(&self) -> Option<Uuid> {
        Some(self.customer_id).filter(|customer| *customer != TenantId::SYSTEM.0)
    }

    /// Whether the token is of this login, and was made after the login last voided its tokens.
    pub fn stems_from(&self, login: &Login) -> bool {
        login.user == UserId::new(TenantId(self.tenant_id), self.user_id) && self.iat_ms >= login.tokens_valid_from_ms
    }
}

impl Purpose {
    fn scope(self) -> &'static str {
        match self {
            Purpose::Access(Authority::SysAdmin) => "SYS_ADMIN",
            Purpose::Access(Authority::TenantAdmin) => "TENANT_ADMIN",
            Purpose::Access(Authority::CustomerUser) => "CUSTOMER_USER",
            Purpose::Refresh => "REFRESH_TOKEN",
            Purpose::Activation => "ACTIVATION_TOKEN",
        }
    }

    fn seconds(self) -> i64 {
        match self {
            Purpose::Access(_) => ACCESS_S,
            Purpose::Refresh => REFRESH_S,
            Purpose::Activation => ACTIVATION_S,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_500;

    fn subject() -> Subject {
        Subject {
            user: UserId::generate(TenantId::generate()),
            email: "a@b.c".to_owned(),
            customer: None,
            first_name: None,
            last_name: None,
            session: Uuid::now_v7(),
        }
    }

    fn login(user: UserId, tokens_valid_from_ms: i64) -> Login {
        Login {
            user,
            email: "a@b.c".to_owned(),
            password_hash: None,
            enabled: true,
            tokens_valid_from_ms,
        }
    }

    #[test]
    fn a_token_says_what_it_was_made_for_until_it_ends() {
        let (tokens, subject) = (Tokens::new(&[7; 64]), subject());
        for purpose in [
            Purpose::Access(Authority::SysAdmin),
            Purpose::Access(Authority::CustomerUser),
            Purpose::Refresh,
            Purpose::Activation,
        ] {
            let token = tokens.issue(&subject, purpose, NOW).expect("a token");
            let claims = tokens.verify(&token, NOW).expect("valid");
            assert_eq!(
                (claims.purpose(), claims.user_id, claims.customer()),
                (Some(purpose), subject.user.id, None)
            );
            assert_eq!(claims.exp - claims.iat, purpose.seconds());
            let end = claims.exp * 1_000;
            assert!(tokens.verify(&token, end - 1).is_ok());
            assert_eq!(tokens.verify(&token, end), Err(TokenError::Expired));
        }
    }

    #[test]
    fn foreign_tokens_are_not_taken() {
        let (tokens, subject) = (Tokens::new(&[7; 64]), subject());
        let token = tokens.issue(&subject, Purpose::Refresh, NOW).expect("a token");
        let weaker = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &tokens.verify(&token, NOW).expect("valid"),
            &tokens.signing,
        );
        let other_key = Tokens::new(&[8; 64]).issue(&subject, Purpose::Refresh, NOW).expect("a token");
        for foreign in [
            other_key,
            weaker.expect("a token"),
            format!("{token}x"),
            String::new(),
            "a".repeat(5_000),
        ] {
            assert_eq!(tokens.verify(&foreign, NOW), Err(TokenError::Invalid), "{foreign}");
        }
    }

    #[test]
    fn short_keys_are_not_used() {
        let token = Tokens::new(b"short").issue(&subject(), Purpose::Refresh, NOW).expect("a token");
        assert_eq!(Tokens::new(b"short").verify(&token, NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_login_can_void_its_tokens() {
        let (tokens, subject) = (Tokens::new(&[7; 64]), subject());
        let token = tokens.issue(&subject, Purpose::Refresh, NOW).expect("a token");
        let claims = tokens.verify(&token, NOW).expect("valid");
        assert!(claims.stems_from(&login(subject.user, NOW)));
        assert!(!claims.stems_from(&login(subject.user, NOW + 1)));
        assert!(!claims.stems_from(&login(UserId::generate(subject.user.tenant), 0)));
    }
}
