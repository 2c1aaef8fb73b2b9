//! Devices that have no credentials yet ask for some, with the key and the secret of their profile: what they ask, and what they are told.
//!
//! The JSON is ThingsBoard's, the same over every transport. Who it is that asks is not known, so no adapter translates: there is no
//! tenant yet. What a profile allows is decided behind the port [`crate::Registrar`].

use model::entity::credentials::TEXT_BYTES_MAX;
use model::entity::{CredentialsError, CredentialsType, MqttBasic, Proof};
use serde::{Deserialize, Deserializer};
use serde_json::{Value as Json, json};

use crate::limits::Speaker;
use crate::{Origin, Sessions};

/// What a device asks.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionRequest {
    /// Names the profile.
    pub provision_device_key: String,
    /// Opens it.
    pub provision_device_secret: String,
    /// The device's name; none: one is made.
    #[serde(default, deserialize_with = "given")]
    pub device_name: Option<String>,
    /// Whether it is a gateway.
    #[serde(default)]
    pub gateway: Option<bool>,
    #[serde(default)]
    credentials_type: Option<CredentialsType>,
    #[serde(default, deserialize_with = "given")]
    token: Option<String>,
    #[serde(default, deserialize_with = "given")]
    client_id: Option<String>,
    #[serde(default, deserialize_with = "given")]
    username: Option<String>,
    #[serde(default, deserialize_with = "given")]
    password: Option<String>,
    #[serde(default, deserialize_with = "given")]
    hash: Option<String>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Provisioned {
    /// The device connects with these from now on.
    Success(Proof),
    /// There is no such profile, it has another secret, or its devices may do nothing by themselves: told apart by nobody.
    NotFound,
    /// The device is there already, or cannot be as it wants to be.
    Failure,
}

/// Why a device that asked is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// No such question.
    #[error("{0}")]
    Malformed(String),
    /// Whoever has this address asked too often, or with wrong secrets.
    #[error("too many requests")]
    TooMany {
        /// When to come again, seconds.
        retry_after_s: u64,
    },
    /// Try again.
    #[error("devices cannot be provisioned now")]
    Unavailable,
}

impl ProvisionRequest {
    /// Reads a question.
    ///
    /// # Errors
    /// [`ProvisionError::Malformed`].
    pub fn parse(payload: &[u8]) -> Result<Self, ProvisionError> {
        let malformed = |reason: String| ProvisionError::Malformed(reason);
        let request: ProvisionRequest = serde_json::from_slice(payload).map_err(|error| malformed(error.to_string()))?;
        let texts = [&request.provision_device_key, &request.provision_device_secret];
        if texts.into_iter().any(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX) {
            return Err(malformed(format!("key and secret must have 1 to {TEXT_BYTES_MAX} bytes")));
        }
        Ok(request)
    }

    /// The credentials that the device wants. None: it takes what it is given.
    ///
    /// # Errors
    /// [`CredentialsError`]: no device could connect with them.
    pub fn wanted(&self) -> Result<Option<Proof>, CredentialsError> {
        match self.credentials_type.unwrap_or(CredentialsType::AccessToken) {
            kind @ CredentialsType::AccessToken => self.token.as_deref().map(|token| Proof::new(kind, token, None)).transpose(),
            kind @ CredentialsType::MqttBasic => {
                let basic = MqttBasic {
                    client_id: self.client_id.clone(),
                    user_name: self.username.clone(),
                    password: self.password.clone(),
                };
                let value = serde_json::to_string(&basic).map_err(|_| CredentialsError::Unreadable)?;
                Proof::new(kind, "", Some(&value)).map(Some)
            }
            kind @ CredentialsType::X509Certificate => Proof::new(kind, "", self.hash.as_deref()).map(Some),
        }
    }
}

impl Provisioned {
    /// In metrics.
    fn as_str(&self) -> &'static str {
        match self {
            Provisioned::Success(_) => "success",
            Provisioned::NotFound => "not found",
            Provisioned::Failure => "failure",
        }
    }

    /// What the device is told.
    pub fn told(&self) -> Json {
        match self {
            Provisioned::Success(proof) => json!({
                "status": "SUCCESS",
                "credentialsType": proof.credentials_type,
                "credentialsValue": value(proof),
            }),
            Provisioned::NotFound => json!({"status": "NOT_FOUND", "errorMsg": "Provision data was not found!"}),
            Provisioned::Failure => json!({"status": "FAILURE", "errorMsg": "Failed to provision device!"}),
        }
    }
}

fn value(proof: &Proof) -> Json {
    let text = proof.credentials_value.as_deref();
    match proof.credentials_type {
        CredentialsType::AccessToken => proof.credentials_id.as_str().into(),
        CredentialsType::X509Certificate => text.into(),
        CredentialsType::MqttBasic => text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
    }
}

/// A text; an empty one is none.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

impl Sessions {
    /// Answers a device at a network address that has no credentials yet: with JSON. Whoever presents wrong secrets again and again is
    /// not listened to for a minute, as with wrong credentials.
    ///
    /// # Errors
    /// [`ProvisionError`].
    pub async fn provision(&self, origin: impl Into<Origin>, payload: &[u8]) -> Result<Vec<u8>, ProvisionError> {
        let origin = origin.into();
        if let Err(retry_after_s) = self.attempts().check(&origin, self.now_ms()) {
            return Err(ProvisionError::TooMany { retry_after_s });
        }
        if self.count(Speaker::Stranger(origin), 0).is_err() {
            return Err(ProvisionError::TooMany { retry_after_s: 1 });
        }
        let request = ProvisionRequest::parse(payload)?;
        let outcome = self.registrar().provision(&request).await.map_err(|error| {
            tracing::warn!(%error, "a device could not be provisioned");
            ProvisionError::Unavailable
        })?;
        metrics::counter!("session_provisioned_total", "how" => outcome.as_str()).increment(1);
        if outcome == Provisioned::NotFound {
            self.attempts().failed(&origin, self.now_ms());
        }
        Ok(outcome.told().to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn request(more: &Json) -> Result<ProvisionRequest, ProvisionError> {
        let mut request = json!({"provisionDeviceKey": "k", "provisionDeviceSecret": "s"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ProvisionRequest::parse(request.to_string().as_bytes())
    }

    #[test]
    fn credentials_are_those_that_are_wanted() {
        let told = |more: Json| {
            let proof = request(&more).unwrap().wanted().map_err(|error| error.to_string());
            proof.map(|proof| proof.map(|proof| Provisioned::Success(proof).told()))
        };
        let success = |kind: &str, value: Json| {
            Ok(Some(
                json!({"status": "SUCCESS", "credentialsType": kind, "credentialsValue": value}),
            ))
        };
        assert_eq!(told(json!({})), Ok(None));
        assert_eq!(told(json!({"token": "", "username": null})), Ok(None));
        assert_eq!(told(json!({"token": "t"})), success("ACCESS_TOKEN", json!("t")));
        assert_eq!(
            told(json!({"credentialsType": "MQTT_BASIC", "username": "u", "password": "p", "clientId": "c"})),
            success("MQTT_BASIC", json!({"clientId": "c", "userName": "u", "password": "p"}))
        );
        assert!(told(json!({"credentialsType": "MQTT_BASIC"})).is_err());
        assert!(told(json!({"credentialsType": "X509_CERTIFICATE", "hash": "oops"})).is_err());
        assert!(told(json!({"token": "a b"})).is_err());
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for payload in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"provisionDeviceKey": "k"}"#,
            r#"{"provisionDeviceKey": 1, "provisionDeviceSecret": "s"}"#,
        ] {
            assert!(ProvisionRequest::parse(payload.as_bytes()).is_err(), "{payload}");
        }
        for more in [
            json!({"provisionDeviceKey": ""}),
            json!({"provisionDeviceSecret": "x".repeat(TEXT_BYTES_MAX + 1)}),
            json!({"deviceName": 5}),
            json!({"credentialsType": "LWM2M_CREDENTIALS"}),
        ] {
            assert!(request(&more).is_err(), "{more}");
        }
    }
}
