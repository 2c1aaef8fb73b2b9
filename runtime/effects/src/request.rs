//! Requests to servers outside: put together at the last moment, with the tenant's secrets in their places, and the answer made a message.
//!
//! What may be sent, and whom a request reaches, is decided in `egress`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use egress::{Egress, EgressError, Identity, Proxy, Request, Response, Secret, Target, Tls, header};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use model::{Message, Payload, TenantId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use plugins::{HttpRequest, Piece, RequestBody};
use secrets::Vault;
use serde_json::{Value as Json, json};

use crate::{Allowances, EffectError, Performed};

#[cfg(test)]
mod tests;

/// Where the node does not say.
pub(crate) const TIMEOUT_MS: u32 = 20_000;
pub(crate) const RESPONSE_BYTES: u32 = 256 * 1024;
/// Bytes of a refusal's body that are kept as metadata.
const ERROR_BODY_BYTES_MAX: usize = 10_000;
/// What a value in a URL or a form is written without: it must stay one value, whatever it holds.
pub(crate) const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What requests need.
#[derive(Clone)]
pub struct Outside {
    /// Sends them.
    pub egress: Egress,
    /// Knows secrets.
    pub secrets: Vault,
    /// What tenants have used of the server's own services.
    pub allowances: Allowances,
    /// The proxy that the server's operator has named: see [`crate::server_proxy`].
    pub proxy: Option<Proxy>,
}

impl Outside {
    /// Sends what a node asked for and makes a message of the answer.
    ///
    /// # Errors
    /// When there is no answer. An answer that is a refusal is no error here.
    pub(crate) async fn send(&self, wanted: &HttpRequest, message: &Arc<Message>) -> Result<Performed, EffectError> {
        if let Some(model) = wanted.ai_model() {
            return self.ask(model, wanted, message).await;
        }
        // An entity of the node's own tenant, as every entity of its messages.
        let tenant = message.originator.tenant;
        let request = self.request(tenant, wanted).await?;
        Ok(answered(
            &self.egress.send(tenant, request).await?,
            message,
            wanted.accepted_if.as_deref(),
        ))
    }

    async fn request(&self, tenant: TenantId, wanted: &HttpRequest) -> Result<Request, EffectError> {
        let target = Target::parse(&self.url(tenant, &wanted.url).await?)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &wanted.headers {
            let (name, value) = header(name, &self.text(tenant, value).await?)?;
            headers.append(name, value);
        }
        if let Some((user, password)) = &wanted.basic_auth {
            let (user, password) = (self.text(tenant, user).await?, self.text(tenant, password).await?);
            if headers.insert(AUTHORIZATION, basic(&user, &password)?).is_some() {
                return Err(EffectError::Invalid(
                    "the request has both a header Authorization and a user name".to_owned(),
                ));
            }
        }
        let body = match &wanted.body {
            None => Vec::new(),
            Some(body) => {
                if matches!(body, RequestBody::Content(_)) {
                    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
                }
                self.bytes(tenant, body).await?
            }
        };
        let or = |given: u32, default: u32| if given == 0 { default } else { given };
        Ok(Request {
            method: Method::from_bytes(wanted.method.as_bytes()).map_err(|error| EffectError::Invalid(error.to_string()))?,
            target,
            headers,
            body: body.into(),
            timeout: Duration::from_millis(or(wanted.timeout_ms, TIMEOUT_MS).into()),
            response_bytes_max: or(wanted.response_bytes_max, RESPONSE_BYTES) as usize,
            tls: self.tls(tenant, wanted.tls.as_ref()).await?,
            proxy: self.proxy(tenant, wanted.proxy.as_ref()).await?,
        })
    }

    /// A text with its secrets as they are.
    pub(crate) async fn text(&self, tenant: TenantId, pieces: &[Piece]) -> Result<String, EffectError> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Secret(name) => text.push_str(&self.secrets.reveal(tenant, name).await?),
            }
        }
        Ok(text)
    }

    /// Certificates and a key, with the secrets among them as they are.
    pub(crate) async fn tls(&self, tenant: TenantId, wanted: Option<&plugins::Tls>) -> Result<Option<Tls>, EffectError> {
        let Some(wanted) = wanted else { return Ok(None) };
        let authorities = match &wanted.authorities {
            None => None,
            Some(text) => Some(Secret(self.text(tenant, text).await?)),
        };
        let identity = match &wanted.identity {
            None => None,
            Some(one) => Some(Identity {
                certificates: Secret(self.text(tenant, &one.certificates).await?),
                key: Secret(self.text(tenant, &one.key).await?),
                password: match &one.password {
                    None => None,
                    Some(text) => Some(Secret(self.text(tenant, text).await?)).filter(|Secret(text)| !text.is_empty()),
                },
            }),
        };
        Ok(Some(Tls { authorities, identity }))
    }

    /// What is sent.
    pub(crate) async fn bytes(&self, tenant: TenantId, body: &RequestBody) -> Result<Vec<u8>, EffectError> {
        match body {
            RequestBody::Text(text) => Ok(self.text(tenant, text).await?.into_bytes()),
            RequestBody::Content(content) => match content.json() {
                Some(json) => Ok(json.to_string().into_bytes()),
                None => Err(EffectError::Invalid(
                    "there is nothing where the request's body should be".to_owned(),
                )),
            },
        }
    }

    /// A URL with its secrets as URLs have them. None stands where the server is named: it would be told to whoever knows names.
    async fn url(&self, tenant: TenantId, pieces: &[Piece]) -> Result<String, EffectError> {
        let mut url = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(plain) => url.push_str(plain),
                Piece::Secret(_) if !names_its_server(&url) => {
                    return Err(EffectError::Invalid(
                        "a secret stands in the path or the query of a URL, not where the server is named".to_owned(),
                    ));
                }
                Piece::Secret(name) => {
                    let value = self.secrets.reveal(tenant, name).await?;
                    url.extend(utf8_percent_encode(&value, &RESERVED));
                }
            }
        }
        Ok(url)
    }
}

/// Whether the beginning of a URL has all of the server's name.
fn names_its_server(beginning: &str) -> bool {
    beginning
        .split_once("://")
        .is_some_and(|(_, rest)| rest.contains(['/', '?']) && !rest.contains('#'))
}

/// The value of a header that logs in by user name and password.
pub(crate) fn basic(user: &str, password: &str) -> Result<HeaderValue, EgressError> {
    if user.contains(':') {
        return Err(EgressError::Invalid("the user name has a colon".to_owned()));
    }
    let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let value = HeaderValue::from_str(&value).map_err(|_| EgressError::Invalid("user name or password are too long".to_owned()));
    value.map(|mut value| {
        value.set_sensitive(true);
        value
    })
}

/// Where a message goes with an answer, and what it carries: the fields and names of ThingsBoard's REST API call node. As it was, where the
/// answer is no more than an acknowledgement.
pub(crate) fn answered(response: &Response, message: &Message, accepted_if: Option<&str>) -> Performed {
    let is_accepted = |pointer: &str| {
        let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
        response.status.is_success() && body.pointer(pointer) == Some(&Json::Bool(true))
    };
    if accepted_if.is_some_and(is_accepted) {
        return Performed {
            relation: "Success",
            message: None,
        };
    }
    let mut next = message.clone();
    for name in response.headers.keys() {
        next.metadata.insert(name.as_str(), header_text(&response.headers, name));
    }
    let status = response.status;
    next.metadata.insert("status", status_name(status));
    next.metadata.insert("statusCode", status.as_str());
    next.metadata.insert("statusReason", status.canonical_reason().unwrap_or_default());
    let relation = if status.is_success() && accepted_if.is_none() {
        next.payload = payload(&response.body);
        "Success"
    } else {
        let text = String::from_utf8_lossy(&response.body);
        let error = match accepted_if {
            Some(pointer) if status.is_success() => format!("the server answered {status}, and not with true at {pointer}"),
            _ => format!("the server answered {status}"),
        };
        next.metadata.insert("error", error);
        next.metadata
            .insert("error_body", &text[..text.floor_char_boundary(ERROR_BODY_BYTES_MAX)]);
        "Failure"
    };
    Performed {
        relation,
        message: Some(Arc::new(next)),
    }
}

/// The values of a header: one as it is, several as a JSON array.
fn header_text(headers: &HeaderMap, name: &hyper::header::HeaderName) -> String {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    match &values[..] {
        [one] => one.to_string(),
        several => json!(several).to_string(),
    }
}

/// `NOT_FOUND` for 404.
fn status_name(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or(status.as_str());
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    reason.chars().map(letter).collect()
}

pub(crate) fn payload(body: &[u8]) -> Payload {
    if body.trim_ascii().is_empty() {
        return Payload::new(json!({}));
    }
    Payload::parse(body).unwrap_or_else(|_| Payload::new(Json::String(String::from_utf8_lossy(body).into_owned())))
}
