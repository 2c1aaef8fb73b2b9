//! Questions to AI models: a node names one of its tenant's models instead of a server, and says what it asks. How the model's provider is spoken
//! to, and with which key, is said by the model's settings, which no node sees.
//!
//! 1. [`settings`] – a model's settings, and where they are kept,
//! 2. [`provider`] – pure: what a provider is sent, and where its answer has the model's words.

pub mod provider;
pub mod settings;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use egress::{Egress, Request, Response, Target, header};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method};
use model::{Message, Payload, TenantId};
use plugins::{HttpRequest, RequestBody};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::request::{RESPONSE_BYTES, TIMEOUT_MS, answered};
use crate::{EffectError, Outside, Performed};
use provider::Question;
use settings::AiModelSettings;

impl Outside {
    /// Asks a model; its words become the message's data: as they are where they are a JSON object, else as `response`.
    ///
    /// # Errors
    /// When there is no answer. An answer that is a refusal is no error here.
    pub(crate) async fn ask(&self, model: &str, wanted: &HttpRequest, message: &Arc<Message>) -> Result<Performed, EffectError> {
        // An entity of the node's own tenant, as every entity of its messages.
        let tenant = message.originator.tenant;
        let question = question(wanted)?;
        let id: Uuid = model
            .parse()
            .map_err(|_| EffectError::Invalid("an AI model is named by its UUID".to_owned()))?;
        let settings = AiModelSettings::kept(&self.secrets, tenant, id).await?;
        let settings = settings.ok_or_else(|| EffectError::Invalid(format!("there is no AI model {id}")))?;
        let or = |given: u32, default: u32| if given == 0 { default } else { given };
        let limits = AskLimits {
            timeout: Duration::from_millis(or(wanted.timeout_ms, TIMEOUT_MS).into()),
            response_bytes_max: or(wanted.response_bytes_max, RESPONSE_BYTES) as usize,
        };
        match settings.ask(&self.egress, tenant, &question, limits).await? {
            Asked::Refused(response) => Ok(answered(&response, message, None)),
            Asked::Said(said) => {
                let mut next = Message::clone(message);
                next.payload = Payload::new(data(said));
                Ok(Performed {
                    relation: "Success",
                    message: Some(Arc::new(next)),
                })
            }
        }
    }
}

/// How long a model may take, and how much its provider may answer.
#[derive(Clone, Copy, Debug)]
pub struct AskLimits {
    /// For everything.
    pub timeout: Duration,
    /// Bytes of the answer.
    pub response_bytes_max: usize,
}

/// What became of a question.
pub enum Asked {
    /// The model's words.
    Said(String),
    /// The provider answered with another status than those of the 200s.
    Refused(Response),
}

impl AiModelSettings {
    /// Asks the model in the name of a tenant, on whose list the provider has to be.
    ///
    /// # Errors
    /// When there is no answer, or one without words.
    pub async fn ask(&self, egress: &Egress, tenant: TenantId, question: &Question, limits: AskLimits) -> Result<Asked, EffectError> {
        let call = self.call(question).map_err(EffectError::Invalid)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &call.headers {
            let (name, value) = header(name, value)?;
            headers.append(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Request {
            method: Method::POST,
            target: Target::parse(&call.url)?,
            headers,
            body: call.body.to_string().into_bytes().into(),
            timeout: limits.timeout,
            response_bytes_max: limits.response_bytes_max,
            tls: None,
            proxy: None,
        };
        let response = egress.send(tenant, request).await?;
        if !response.status.is_success() {
            return Ok(Asked::Refused(response));
        }
        let said = serde_json::from_slice(&response.body)
            .ok()
            .and_then(|answer: Json| self.words(&answer));
        let said = said.ok_or_else(|| EffectError::Invalid("the model's provider answered without words of the model".to_owned()))?;
        Ok(Asked::Said(said))
    }
}

/// What a node asks.
fn question(wanted: &HttpRequest) -> Result<Question, EffectError> {
    if wanted.method != "POST"
        || !wanted.headers.is_empty()
        || wanted.basic_auth.is_some()
        || wanted.tls.is_some()
        || wanted.proxy.is_some()
        || wanted.accepted_if.is_some()
    {
        let why = "an AI model is spoken to by the server, by its settings: POST and a body, no headers, no user name, no certificate, no proxy, no acceptance";
        return Err(EffectError::Invalid(why.to_owned()));
    }
    let json = match &wanted.body {
        Some(RequestBody::Content(content)) => content.json(),
        _ => None,
    };
    let asked = json.ok_or_else(|| EffectError::Invalid("a question to an AI model is JSON".to_owned()))?;
    serde_json::from_value(asked.clone())
        .map_err(|error| EffectError::Invalid(format!("the question to an AI model is not understood: {error}")))
}

/// A model's words as data.
fn data(said: String) -> Json {
    match serde_json::from_str(&said) {
        Ok(object @ Json::Object(_)) => object,
        _ => json!({ "response": said }),
    }
}
