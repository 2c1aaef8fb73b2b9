//! Settings of an AI model, in the form of ThingsBoard's REST API: a provider, how it is logged in to, which of its models, and how that is to
//! answer.

use model::TenantId;
use plugins::ai_model_secret;
use secrets::{SecretError, Vault};
use serde::Deserialize;
use serde_json::Value as Json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::provider::Provider;

/// Where settings have what is secret.
const SECRETS: [&str; 4] = [
    "/providerConfig/apiKey",
    "/providerConfig/personalAccessToken",
    "/providerConfig/auth/password",
    "/providerConfig/auth/token",
];
/// Bytes of a model's settings at most.
const BYTES_MAX: usize = 8 << 10;
/// Characters of a model's name at its provider at most.
const MODEL_LEN_MAX: usize = 200;

/// Settings of a model.
pub struct AiModelSettings {
    pub(super) provider: Provider,
    pub(super) login: Login,
    /// Which of the provider's models.
    pub(super) model: String,
    pub(super) options: Options,
    /// All of them, as they were given.
    given: Zeroizing<String>,
}

/// Where a provider is, and how it is logged in to. What a provider has not is empty.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Login {
    pub(super) base_url: Option<String>,
    /// Azure's word for it.
    pub(super) endpoint: Option<String>,
    pub(super) service_version: Option<String>,
    pub(super) api_key: Option<String>,
    pub(super) personal_access_token: Option<String>,
    pub(super) auth: Option<Auth>,
}

/// How an Ollama is logged in to.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Auth {
    None,
    Basic { username: String, password: Option<String> },
    Token { token: Option<String> },
}

/// How a model is to answer; what is not said is as the provider has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u32>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) presence_penalty: Option<f64>,
    pub(super) context_length: Option<u32>,
    pub(super) max_output_tokens: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with provider, modelId and providerConfig")]
struct Given {
    provider: Provider,
    #[serde(default)]
    provider_config: Login,
    model_id: String,
    #[serde(flatten)]
    options: Options,
}

impl AiModelSettings {
    /// Reads settings; all that they need is there.
    ///
    /// # Errors
    /// What is wrong, in words for whoever gave them.
    pub fn read(configuration: &Json) -> Result<Self, String> {
        let given = Zeroizing::new(configuration.to_string());
        if given.len() > BYTES_MAX {
            return Err(format!("the configuration has more than {BYTES_MAX} bytes"));
        }
        let Given {
            provider,
            provider_config: login,
            model_id: model,
            options,
        } = Given::deserialize(configuration).map_err(|error| format!("the configuration is not understood: {error}"))?;
        if model.trim().is_empty() || model.chars().count() > MODEL_LEN_MAX || model.chars().any(char::is_control) {
            return Err(format!("modelId must have between 1 and {MODEL_LEN_MAX} characters"));
        }
        let settings = AiModelSettings {
            provider,
            login,
            model,
            options,
            given,
        };
        settings.check()?;
        Ok(settings)
    }

    /// What is shown of settings: all but what is secret.
    pub fn shown(configuration: &Json) -> Json {
        let mut shown = configuration.clone();
        for pointer in SECRETS {
            if let Some((parent, name)) = pointer.rsplit_once('/')
                && let Some(Json::Object(members)) = shown.pointer_mut(parent)
            {
                members.remove(name);
            }
        }
        shown
    }

    /// New settings that lack what is secret have it from these, if they are for the same place.
    pub fn lend_to(&self, configuration: &mut Json) {
        let Ok(given) = serde_json::from_str::<Json>(&self.given) else {
            return;
        };
        let place =
            |settings: &Json| ["/provider", "/providerConfig/baseUrl", "/providerConfig/endpoint"].map(|at| settings.pointer(at).cloned());
        if place(&given) != place(configuration) {
            return;
        }
        for pointer in SECRETS {
            let Some(secret) = given.pointer(pointer) else { continue };
            if let Some((parent, name)) = pointer.rsplit_once('/')
                && let Some(Json::Object(members)) = configuration.pointer_mut(parent)
            {
                let missing = members.get(name).is_none_or(Json::is_null);
                if missing {
                    members.insert(name.to_owned(), secret.clone());
                }
            }
        }
    }

    /// Those of a tenant's model; none: it has no such one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn kept(vault: &Vault, tenant: TenantId, model: Uuid) -> Result<Option<Self>, SecretError> {
        let name = ai_model_secret(model);
        let text = match vault.reveal(tenant, &name).await {
            Ok(text) => text,
            Err(SecretError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        // What was sealed was read before; unless a tenant has set a secret of that name by itself.
        let read = serde_json::from_str(&text).ok().and_then(|json| Self::read(&json).ok());
        read.map(Some).ok_or(SecretError::Sealed(name))
    }

    /// Keeps them; others are gone. Durable when it returns.
    ///
    /// # Errors
    /// When they cannot be stored.
    pub async fn keep(&self, vault: &Vault, tenant: TenantId, model: Uuid, now_ms: i64) -> Result<(), SecretError> {
        vault.set(tenant, &ai_model_secret(model), &self.given, now_ms).await
    }

    /// Forgets those of a tenant's model.
    ///
    /// # Errors
    /// When that cannot be stored.
    pub async fn forget(vault: &Vault, tenant: TenantId, model: Uuid) -> Result<(), SecretError> {
        vault.delete(tenant, &ai_model_secret(model)).await.map(drop)
    }
}
