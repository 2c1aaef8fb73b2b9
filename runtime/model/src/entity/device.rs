//! Devices, their credentials and profiles.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{IdRef, OwnTopics, TopicsError};

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Owner.
    #[serde(default)]
    pub tenant_id: Option<IdRef>,
    /// The customer it is assigned to.
    #[serde(default)]
    pub customer_id: Option<IdRef>,
    /// Unique in the tenant.
    pub name: String,
    /// Name of its profile.
    #[serde(rename = "type", default)]
    pub device_type: String,
    /// Free text.
    #[serde(default)]
    pub label: Option<String>,
    /// Its profile.
    #[serde(default)]
    pub device_profile_id: Option<IdRef>,
    /// Transport data, passed through.
    #[serde(default)]
    pub device_data: Option<Json>,
    /// Free data: `gateway`, `description`, …
    #[serde(default)]
    pub additional_info: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

/// How a device proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CredentialsType {
    /// A secret token, as MQTT user name or in the HTTP path.
    AccessToken,
    /// Certificate, by hash.
    X509Certificate,
    /// MQTT client id, user name and password.
    MqttBasic,
}

/// Credentials of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceCredentials {
    /// Id of the credentials themselves.
    #[serde(default)]
    pub id: Option<CredentialsRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Whose they are.
    pub device_id: IdRef,
    /// Kind.
    pub credentials_type: CredentialsType,
    /// What the device is found by, unique in the whole system: the access token itself, or see [`super::credentials`].
    #[serde(default, deserialize_with = "text")]
    pub credentials_id: String,
    /// Certificate (X.509), or JSON of client id, user name and password (MQTT basic).
    #[serde(default)]
    pub credentials_value: Option<String>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

/// Credentials are no entity type of their own in the API: their id is bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsRef {
    /// Id.
    pub id: Uuid,
}

/// What devices of a type share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceProfile {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Owner.
    #[serde(default)]
    pub tenant_id: Option<IdRef>,
    /// Unique in the tenant.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether new devices get it.
    #[serde(default)]
    pub default: bool,
    /// Always `DEFAULT`.
    #[serde(rename = "type", default = "default_type")]
    pub profile_type: String,
    /// `DEFAULT`, `MQTT` or `COAP`.
    #[serde(default = "default_type")]
    pub transport_type: String,
    /// `DISABLED`, …
    #[serde(default = "disabled")]
    pub provision_type: String,
    /// What devices that are to come into being name the profile by; unique in the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provision_device_key: Option<String>,
    /// Chain that its devices' messages enter; none: the tenant's root chain.
    #[serde(default)]
    pub default_rule_chain_id: Option<IdRef>,
    /// Transport, alarm and provisioning settings, passed through.
    #[serde(default)]
    pub profile_data: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

impl DeviceProfile {
    /// The payload adapter that its devices speak through, as `profileData.transportConfiguration.adapter` names it; none: the shipped
    /// one.
    pub fn adapter(&self) -> Option<&str> {
        let named = self.profile_data.as_ref()?.pointer("/transportConfiguration/adapter")?;
        named.as_str().filter(|name| !name.is_empty())
    }

    /// The MQTT topics of its devices' own, where they speak through the shipped adapter; another one has its own anyway.
    ///
    /// # Errors
    /// [`TopicsError`]
    pub fn own_topics(&self) -> Result<Option<OwnTopics>, TopicsError> {
        let configuration = self.profile_data.as_ref().and_then(|data| data.get("transportConfiguration"));
        match configuration.filter(|_| self.adapter().is_none()) {
            Some(configuration) => OwnTopics::read(configuration),
            None => Ok(None),
        }
    }
}

/// A text that may be null.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

fn default_type() -> String {
    "DEFAULT".to_owned()
}

fn disabled() -> String {
    "DISABLED".to_owned()
}
