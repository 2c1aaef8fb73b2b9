//! Settings of the server, for system administrators: what the server has for all tenants. No answer has a password.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use effects::{Kept, MailSettings, SmsSettings};
use model::TenantId;
use secrets::SecretError;
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;

use crate::ApiError;
use crate::extract::{Body, PathOf, SysAdmin};
use crate::state::ApiState;

/// The settings there are.
const MAIL: &str = "mail";
const SMS: &str = "sms";

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/admin/settings", post(save))
        .route("/api/admin/settings/{key}", get(read))
        .route("/api/admin/settings/testMail", post(test_mail))
        .route("/api/admin/settings/testSms", post(test_sms))
}

/// Settings as they are sent. Has no text of its own: nobody prints a password by mistake.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    key: String,
    json_value: JsonValue,
}

/// Settings as they are shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    key: &'static str,
    json_value: JsonValue,
}

async fn read(State(api): State<ApiState>, _: SysAdmin, PathOf(key): PathOf<String>) -> Result<Json<Shown>, ApiError> {
    let none = || {
        let key: String = key.chars().take(100).collect();
        ApiError::NotFound(format!("No Administration settings found for key: {key}"))
    };
    match key.as_str() {
        MAIL => match readable(MailSettings::kept(&api.secrets).await)? {
            Some(settings) => Ok(shown(MAIL, settings.shown())),
            None => Err(none()),
        },
        SMS => match readable(SmsSettings::kept(&api.secrets).await)? {
            Some(settings) => Ok(shown(SMS, settings.shown())),
            None => Err(none()),
        },
        _ => Err(none()),
    }
}

/// Replaces settings; a password that is not said stays.
async fn save(State(api): State<ApiState>, _: SysAdmin, Body(Wanted { key, json_value }): Body<Wanted>) -> Result<Json<Shown>, ApiError> {
    let _turn = api.turns.take(("admin settings", TenantId::SYSTEM)).await;
    let now_ms = api.clock.now_ms();
    let saved = match key.as_str() {
        MAIL => {
            let settings = given_mail(&api, &json_value).await?;
            settings.keep(&api.secrets, now_ms).await?;
            shown(MAIL, settings.shown())
        }
        SMS => {
            let settings = given_sms(&api, &json_value).await?;
            settings.keep(&api.secrets, now_ms).await?;
            shown(SMS, settings.shown())
        }
        _ => return Err(unknown(&key)),
    };
    api.app.announce(Change::new(TenantId::SYSTEM, What::Outside));
    Ok(saved)
}

/// Sends a mail to whoever asks, by settings that need not be kept.
async fn test_mail(
    State(api): State<ApiState>,
    SysAdmin(asks): SysAdmin,
    Body(Wanted { key, json_value }): Body<Wanted>,
) -> Result<(), ApiError> {
    if key != MAIL {
        return Err(unknown(&key));
    }
    let settings = given_mail(&api, &json_value).await?;
    let sent = settings.test(&api.egress, &asks.email).await;
    sent.map(drop)
        .map_err(|error| ApiError::Invalid(format!("The mail was not sent: {error}")))
}

/// A text for a number, by settings that need not be kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TestSms {
    provider_configuration: JsonValue,
    number_to: String,
    message: String,
}

async fn test_sms(State(api): State<ApiState>, _: SysAdmin, Body(wanted): Body<TestSms>) -> Result<(), ApiError> {
    let settings = given_sms(&api, &wanted.provider_configuration).await?;
    let sent = settings.test(&api.egress, &wanted.number_to, &wanted.message).await;
    sent.map_err(|error| ApiError::Invalid(format!("The text was not sent: {error}")))
}

async fn given_sms(api: &ApiState, given: &JsonValue) -> Result<SmsSettings, ApiError> {
    let kept = readable(SmsSettings::kept(&api.secrets).await)?;
    SmsSettings::read(given, kept.as_ref()).map_err(ApiError::Invalid)
}

async fn given_mail(api: &ApiState, given: &JsonValue) -> Result<MailSettings, ApiError> {
    let kept = readable(MailSettings::kept(&api.secrets).await)?;
    MailSettings::read(given, kept.as_ref()).map_err(ApiError::Invalid)
}

/// What cannot be opened any more is as good as not there: it has to be set again.
fn readable<T>(kept: Result<Option<T>, SecretError>) -> Result<Option<T>, ApiError> {
    match kept {
        Err(error @ SecretError::Sealed(_)) => {
            tracing::warn!(%error, "settings of the server are lost");
            Ok(None)
        }
        other => Ok(other?),
    }
}

fn shown(key: &'static str, json_value: JsonValue) -> Json<Shown> {
    Json(Shown { key, json_value })
}

fn unknown(key: &str) -> ApiError {
    let key: String = key.chars().take(100).collect();
    ApiError::Invalid(format!("There are no settings of the key {key:?}; there are: {MAIL}, {SMS}"))
}
