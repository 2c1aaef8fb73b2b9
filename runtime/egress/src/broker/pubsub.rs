//! Google Pub/Sub: a message for a topic, in a request that a token of a service account opens the door for. The token is made here, where
//! the account's key is known, and nowhere else.
//!
//! Source: the REST reference of Pub/Sub, `projects.topics.publish`.

mod token;

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use model::{Clock, SystemClock, TenantId};
use mqtt::packet::Secret;
use serde_json::{Value as Json, json};

use super::publish::{Delivery, PubSub, Publish};
use super::signing::encoded;
use crate::egress::{Egress, RESPONSE_BYTES_MAX, Request, Response};
use crate::error::EgressError;
use crate::target::{Target, path_of};

pub(crate) use token::Tokens;

/// Letters of the service's reason at most.
const REASON_LEN: usize = 200;
/// Bytes of a project's or a topic's name at most.
const NAME_BYTES_MAX: usize = 255;
/// Attributes of a message at most, and bytes of the name and of the value of one (“Pub/Sub quotas and limits”).
const ATTRIBUTES_MAX: usize = 100;
const ATTRIBUTE_NAME_BYTES_MAX: usize = 256;
const ATTRIBUTE_VALUE_BYTES_MAX: usize = 1_024;

/// Hands a message to a topic, and understands what the service says.
pub(super) async fn send(egress: &Egress, tenant: TenantId, publish: &Publish, pubsub: &PubSub) -> Result<Delivery, EgressError> {
    publish.check()?;
    // Signing takes a processor longer than the rest: whoever may not send it is told so before.
    egress.check_allowed(tenant, &publish.target).await?;
    let key = publish.credentials.as_ref().and_then(|credentials| credentials.password.as_ref());
    let Some(Secret(key)) = key else {
        return Err(EgressError::Invalid("there is no key of a service account".to_owned()));
    };
    let token = egress.0.tokens.of(key, SystemClock.now_ms().div_euclid(1_000))?;
    let response = egress.send(tenant, request(publish, pubsub, token)?).await?;
    understood(publish, &response)
}

/// What is sent. `token` is the value of `Authorization`.
fn request(publish: &Publish, pubsub: &PubSub, token: HeaderValue) -> Result<Request, EgressError> {
    let mut message = json!({"data": STANDARD.encode(&publish.payload)});
    if !pubsub.attributes.is_empty() {
        let attribute = |(name, value): &(String, String)| (name.clone(), json!(value));
        let attributes: serde_json::Map<_, _> = pubsub.attributes.iter().map(attribute).collect();
        message["attributes"] = attributes.into();
    }
    let path = format!(
        "/v1/projects/{}/topics/{}:publish",
        encoded(&pubsub.project),
        encoded(&publish.topic)
    );
    let path = path_of(&path).ok_or_else(|| EgressError::Invalid("the topic's name is none".to_owned()))?;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, token);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Request {
        method: Method::POST,
        target: Target {
            path,
            ..publish.target.clone()
        },
        headers,
        body: json!({"messages": [message]}).to_string().into(),
        timeout: publish.timeout,
        response_bytes_max: RESPONSE_BYTES_MAX,
        tls: None,
        proxy: publish.proxy.clone(),
    })
}

/// What the service has said.
fn understood(publish: &Publish, response: &Response) -> Result<Delivery, EgressError> {
    let json: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let failed = |reason: &str| EgressError::Unacknowledged {
        origin: publish.target.origin(),
        reason: reason.chars().take(REASON_LEN).collect(),
    };
    if !response.status.is_success() {
        let said = json["error"]["message"].as_str().unwrap_or_default();
        return Err(failed(&format!("{}: {said}", response.status)));
    }
    let id = json["messageIds"][0].as_str();
    let id = id.ok_or_else(|| failed("its answer is not understood"))?;
    Ok(Delivery {
        broker: publish.target.origin(),
        place: vec![("messageId", id.to_owned())],
        answer: None,
    })
}

/// Whether what is asked for can be asked.
pub(super) fn check(pubsub: &PubSub, topic: &str) -> Result<(), EgressError> {
    let invalid = |text: String| Err(EgressError::Invalid(text));
    // Letters, digits and what projects and topics have between them. A name that begins with a dot would be a way up in a path.
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+%:".contains(&byte);
    let is_name = |name: &str| {
        name.len() <= NAME_BYTES_MAX && name.bytes().all(fine) && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
    };
    if !is_name(&pubsub.project) {
        return invalid("the project has no name, or one that no project has".to_owned());
    }
    if !is_name(topic) {
        return invalid("the topic has no name, or one that no topic has".to_owned());
    }
    if pubsub.attributes.len() > ATTRIBUTES_MAX {
        return invalid(format!(
            "{} attributes are more than the {ATTRIBUTES_MAX} allowed",
            pubsub.attributes.len()
        ));
    }
    let fits =
        |(name, value): &(String, String)| (1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&name.len()) && value.len() <= ATTRIBUTE_VALUE_BYTES_MAX;
    match pubsub.attributes.iter().all(fits) {
        true => Ok(()),
        false => invalid(format!(
            "an attribute's name has 1 to {ATTRIBUTE_NAME_BYTES_MAX} bytes, its value {ATTRIBUTE_VALUE_BYTES_MAX} at most"
        )),
    }
}
