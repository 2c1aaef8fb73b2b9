//! Logging in and out, refreshing tokens, passwords.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::entity::User;
use serde::Deserialize;
use storage::Login;
use uuid::Uuid;

use super::user::shown;
use crate::auth::pair::{self, TokenPair};
use crate::auth::password::check_new;
use crate::auth::token::{Purpose, TokenError};
use crate::extract::{Body, Principal};
use crate::state::ApiState;
use crate::{ApiError, record};

/// Bytes of an e-mail address at most.
const EMAIL_BYTES_MAX: usize = 320;
const REFUSED: ApiError = ApiError::Authentication("Invalid username or password");
const FAILED: ApiError = ApiError::Authentication("Authentication failed");

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/auth/login", post(login))
        .route("/api/auth/token", post(refresh))
        .route("/api/auth/logout", post(logout))
        .route("/api/auth/user", get(user))
        .route("/api/auth/changePassword", post(change_password))
        .route("/api/noauth/activate", post(activate))
}

#[derive(Deserialize)]
struct Named {
    username: String,
    password: String,
}

async fn login(State(api): State<ApiState>, Body(Named { username, password }): Body<Named>) -> Result<Json<TokenPair>, ApiError> {
    let email = username.trim().to_lowercase();
    if email.is_empty() || email.len() > EMAIL_BYTES_MAX {
        return Err(REFUSED);
    }
    let turn = api.passwords.turn().await?;
    // Within the turn: requests side by side must not get past the limit together.
    api.attempts
        .check(&email, api.clock.now_ms())
        .map_err(|retry_after_s| ApiError::TooMany { retry_after_s })?;
    let known = api.store.login(&email).await?;
    let hash = known
        .as_ref()
        .filter(|login| login.enabled)
        .and_then(|login| login.password_hash.clone());
    // The failure is counted before the answer is known, so that a client that leaves early has used its attempt.
    api.attempts.failed(&email, api.clock.now_ms());
    let matches = turn.verify(password, hash).await?;
    let Some(known) = known.filter(|_| matches) else {
        metrics::counter!("api_logins_refused_total").increment(1);
        return Err(REFUSED);
    };
    api.attempts.succeeded(&email);
    new_pair(&api, &known, Uuid::new_v4(), api.clock.now_ms()).await.map(Json)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refreshing {
    refresh_token: String,
}

async fn refresh(State(api): State<ApiState>, Body(asked): Body<Refreshing>) -> Result<Json<TokenPair>, ApiError> {
    let now_ms = api.clock.now_ms();
    let claims = api.tokens.verify(&asked.refresh_token, now_ms).map_err(refused)?;
    if claims.purpose() != Some(Purpose::Refresh) {
        return Err(FAILED);
    }
    let login = api.store.login(&claims.sub).await?.ok_or(FAILED)?;
    if !login.enabled || !claims.stems_from(&login) {
        return Err(FAILED);
    }
    new_pair(&api, &login, claims.session_id, now_ms).await.map(Json)
}

/// Voids all tokens of the user: nothing is kept of a single login.
async fn logout(State(api): State<ApiState>, principal: Principal) -> Result<(), ApiError> {
    api.clone()
        .finish("log out", async move {
            change_login(&api, &principal.email, |login, now_ms| {
                login.tokens_valid_from_ms = next_moment(login, now_ms);
                Ok(())
            })
            .await
            .map(drop)
        })
        .await
}

async fn user(State(api): State<ApiState>, principal: Principal) -> Result<Json<User>, ApiError> {
    record::get(&*api.store, principal.user.tenant, principal.user.id)
        .await
        .map(shown)
        .map(Json)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Passwords {
    current_password: String,
    new_password: String,
}

async fn change_password(
    State(api): State<ApiState>,
    principal: Principal,
    Body(asked): Body<Passwords>,
) -> Result<Json<TokenPair>, ApiError> {
    check_new(&asked.new_password)?;
    let turn = api.passwords.turn().await?;
    api.attempts
        .check(&principal.email, api.clock.now_ms())
        .map_err(|retry_after_s| ApiError::TooMany { retry_after_s })?;
    let stored = api.store.login(&principal.email).await?.ok_or(FAILED)?;
    api.attempts.failed(&principal.email, api.clock.now_ms());
    if !turn.verify(asked.current_password, stored.password_hash.clone()).await? {
        return Err(ApiError::invalid("Current password doesn't match!"));
    }
    api.attempts.succeeded(&principal.email);
    let hash = api.passwords.turn().await?.hash(asked.new_password).await?;
    let changed = api.clone().finish("change password", async move {
        let login = change_login(&api, &principal.email, |login, now_ms| {
            if login.password_hash != stored.password_hash {
                return Err(ApiError::Conflict("The password was changed by somebody else".to_owned()));
            }
            login.password_hash = Some(hash);
            login.tokens_valid_from_ms = next_moment(login, now_ms);
            Ok(())
        })
        .await?;
        new_pair(&api, &login, principal.session, login.tokens_valid_from_ms).await
    });
    changed.await.map(Json)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activation {
    activate_token: String,
    password: String,
}

/// Sets the first password. The token is used up by that: there is a password now.
async fn activate(State(api): State<ApiState>, Body(asked): Body<Activation>) -> Result<Json<TokenPair>, ApiError> {
    check_new(&asked.password)?;
    let now_ms = api.clock.now_ms();
    let claims = api.tokens.verify(&asked.activate_token, now_ms).map_err(refused)?;
    let login = api.store.login(&claims.sub).await?.ok_or(FAILED)?;
    if claims.purpose() != Some(Purpose::Activation) || !claims.stems_from(&login) {
        return Err(FAILED);
    }
    check_not_active(&login)?;
    let hash = api.passwords.turn().await?.hash(asked.password).await?;
    let activated = api.clone().finish("activate user", async move {
        let login = change_login(&api, &claims.sub, |login, _| {
            check_not_active(login)?;
            login.password_hash = Some(hash);
            login.enabled = true;
            Ok(())
        })
        .await?;
        new_pair(&api, &login, Uuid::new_v4(), api.clock.now_ms()).await
    });
    activated.await.map(Json)
}

fn check_not_active(login: &Login) -> Result<(), ApiError> {
    if login.password_hash.is_none() {
        Ok(())
    } else {
        Err(ApiError::invalid("User already activated"))
    }
}

fn refused(error: TokenError) -> ApiError {
    match error {
        TokenError::Expired => ApiError::TokenExpired,
        TokenError::Invalid => FAILED,
    }
}

/// A moment after every token that the login has so far.
fn next_moment(login: &Login, now_ms: i64) -> i64 {
    now_ms.max(login.tokens_valid_from_ms).saturating_add(1)
}

/// Changes a login, one request after the other.
async fn change_login(
    api: &ApiState,
    email: &str,
    change: impl FnOnce(&mut Login, i64) -> Result<(), ApiError>,
) -> Result<Login, ApiError> {
    let _turn = api.turns.take(("login", email)).await;
    let mut login = api.store.login(email).await?.ok_or(FAILED)?;
    change(&mut login, api.clock.now_ms())?;
    api.store.save_login(login.clone()).await?;
    api.app.announce(Change::new(login.user.tenant, What::User(login.user.id)));
    Ok(login)
}

async fn new_pair(api: &ApiState, login: &Login, session: Uuid, now_ms: i64) -> Result<TokenPair, ApiError> {
    let user: User = record::find(&*api.store, login.user.tenant, login.user.id).await?.ok_or(FAILED)?;
    // Not before the moment from which tokens are taken: the clock may stand where it stood when they were voided.
    pair::issue(api, login.user, &user, session, now_ms.max(login.tokens_valid_from_ms))
}
