//! A request to a server outside, as a node asks for it: checked in form. Whether it may be sent is not known here.

use std::borrow::Cow;

use uuid::Uuid;

use super::{Checker, Content};
use crate::bindings::outcome as wit;
use crate::capability::short;

/// Methods there are.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Pieces of one text at most.
const PIECES_MAX: usize = 1_000;
/// Headers at most.
const HEADERS_MAX: usize = 64;
/// Bytes of a secret's name at most.
const SECRET_NAME_BYTES_MAX: usize = 64;

/// What stands in a request instead of a URL, before the UUID of an AI model.
const AI_MODEL: &str = "ai-model:";

/// Under which name an AI model's settings are kept among its tenant's secrets: who asks the model uses that secret.
pub fn ai_model_secret(model: Uuid) -> String {
    format!("ai-model.{model}")
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// The value of a secret of the tenant, by its name.
    Secret(String),
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestBody {
    /// JSON.
    Content(Content),
    /// Text.
    Text(Vec<Piece>),
}

/// A request to a server outside. The fields are those of the contract in wit/outcome.wit.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see there")]
pub struct HttpRequest {
    pub method: &'static str,
    pub url: Vec<Piece>,
    pub headers: Vec<(String, Vec<Piece>)>,
    pub basic_auth: Option<(Vec<Piece>, Vec<Piece>)>,
    pub body: Option<RequestBody>,
    pub timeout_ms: u32,
    pub response_bytes_max: u32,
    pub tls: Option<Tls>,
    pub proxy: Option<Proxy>,
    pub accepted_if: Option<String>,
}

/// What a conversation over TLS has of its own. The fields are those of the contract in wit/outcome.wit.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see there")]
pub struct Tls {
    pub authorities: Option<Vec<Piece>>,
    pub identity: Option<Identity>,
}

/// Who a client is that shows a certificate. The fields are those of the contract in wit/outcome.wit.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see there")]
pub struct Identity {
    pub certificates: Vec<Piece>,
    pub key: Vec<Piece>,
    pub password: Option<Vec<Piece>>,
}

/// A server that passes requests on. The fields are those of the contract in wit/outcome.wit.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see there")]
pub struct Proxy {
    pub address: String,
    pub basic_auth: Option<(Vec<Piece>, Vec<Piece>)>,
}

impl Tls {
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Vec<Piece>> {
        let identity = self.identity.iter();
        let identity = identity.flat_map(|one| [&one.certificates, &one.key].into_iter().chain(&one.password));
        self.authorities.iter().chain(identity)
    }
}

impl Proxy {
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Vec<Piece>> {
        self.basic_auth.iter().flat_map(|(user, password)| [user, password])
    }
}

impl RequestBody {
    /// Its text, if it is one.
    pub(super) fn pieces(&self) -> Option<&Vec<Piece>> {
        match self {
            RequestBody::Text(text) => Some(text),
            RequestBody::Content(_) => None,
        }
    }
}

impl HttpRequest {
    /// The AI model that is asked, as it is named; none: a server is.
    pub fn ai_model(&self) -> Option<&str> {
        match &self.url[..] {
            [Piece::Text(url)] => url.strip_prefix(AI_MODEL),
            _ => None,
        }
    }

    /// Names of the secrets it is to use.
    pub fn secrets(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let model = self.ai_model().and_then(|model| model.parse().ok()).map(ai_model_secret);
        self.named_secrets().map(Cow::Borrowed).chain(model.map(Cow::Owned))
    }

    fn named_secrets(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter().map(|(_, value)| value);
        let basic = self.basic_auth.iter().flat_map(|(user, password)| [user, password]);
        let body = self.body.iter().filter_map(RequestBody::pieces);
        let tls = self.tls.iter().flat_map(Tls::pieces);
        let proxy = self.proxy.iter().flat_map(Proxy::pieces);
        secrets_in(
            [&self.url]
                .into_iter()
                .chain(headers)
                .chain(basic)
                .chain(body)
                .chain(tls)
                .chain(proxy),
        )
    }
}

/// Names of the secrets in texts.
pub(super) fn secrets_in<'a>(texts: impl Iterator<Item = &'a Vec<Piece>>) -> impl Iterator<Item = &'a str> {
    texts.flatten().filter_map(|piece| match piece {
        Piece::Secret(name) => Some(name.as_str()),
        Piece::Text(_) => None,
    })
}

impl Checker<'_> {
    pub(super) fn http_request(&self, told: wit::HttpRequest) -> Result<HttpRequest, String> {
        let method = METHODS.into_iter().find(|known| known.eq_ignore_ascii_case(&told.method));
        let method = method.ok_or_else(|| format!("there is no method {:?}, there are {}", short(&told.method), METHODS.join(", ")))?;
        if told.headers.len() > HEADERS_MAX {
            return Err(format!("{} headers are more than the {HEADERS_MAX} allowed", told.headers.len()));
        }
        let headers = told.headers.into_iter().map(|(name, value)| Ok((name, pieces(value)?)));
        let body = told.body.map(|body| self.body(body));
        if let Some(pointer) = told.accepted_if.as_deref().filter(|pointer| !pointer.starts_with('/')) {
            return Err(format!("accepted-if is no JSON Pointer such as /ok: {:?}", short(pointer)));
        }
        Ok(HttpRequest {
            method,
            url: pieces(told.url)?,
            headers: headers.collect::<Result<_, String>>()?,
            basic_auth: told.basic_auth.map(login).transpose()?,
            body: body.transpose()?,
            timeout_ms: told.timeout_ms,
            response_bytes_max: told.response_bytes_max,
            tls: told.tls.map(tls).transpose()?,
            proxy: told.proxy.map(proxy).transpose()?,
            accepted_if: told.accepted_if,
        })
    }

    pub(super) fn body(&self, told: wit::RequestBody) -> Result<RequestBody, String> {
        Ok(match told {
            wit::RequestBody::Content(content) => RequestBody::Content(self.content(content)?),
            wit::RequestBody::Text(text) => RequestBody::Text(pieces(text)?),
        })
    }
}

pub(super) fn tls(told: wit::Tls) -> Result<Tls, String> {
    Ok(Tls {
        authorities: told.authorities.map(pieces).transpose()?,
        identity: told.identity.map(identity).transpose()?,
    })
}

fn identity(told: wit::Identity) -> Result<Identity, String> {
    Ok(Identity {
        certificates: pieces(told.certificates)?,
        key: pieces(told.key)?,
        password: told.password.map(pieces).transpose()?,
    })
}

pub(super) fn proxy(told: wit::Proxy) -> Result<Proxy, String> {
    Ok(Proxy {
        address: told.address,
        basic_auth: told.basic_auth.map(login).transpose()?,
    })
}

/// User name and password.
pub(super) fn login((user, password): (Vec<wit::Piece>, Vec<wit::Piece>)) -> Result<(Vec<Piece>, Vec<Piece>), String> {
    Ok((pieces(user)?, pieces(password)?))
}

pub(super) fn pieces(told: Vec<wit::Piece>) -> Result<Vec<Piece>, String> {
    if told.len() > PIECES_MAX {
        return Err(format!("a text of {} pieces is more than the {PIECES_MAX} allowed", told.len()));
    }
    let piece = |piece| match piece {
        wit::Piece::Text(text) => Ok(Piece::Text(text)),
        wit::Piece::Secret(name) if name.is_empty() || name.len() > SECRET_NAME_BYTES_MAX => Err(format!(
            "the name of a secret has {} bytes, not between 1 and {SECRET_NAME_BYTES_MAX}",
            name.len()
        )),
        wit::Piece::Secret(name) => Ok(Piece::Secret(name)),
    };
    told.into_iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_a_model_uses_its_secret() {
        let wanted = |url: &str| HttpRequest {
            method: "POST",
            url: vec![Piece::Text(url.to_owned())],
            headers: Vec::new(),
            basic_auth: None,
            body: None,
            timeout_ms: 0,
            response_bytes_max: 0,
            tls: None,
            proxy: None,
            accepted_if: None,
        };
        let secrets = |request: &HttpRequest| request.secrets().map(Cow::into_owned).collect::<Vec<_>>();
        // However its UUID is written.
        let model = wanted("ai-model:784F394C-42b6-435a-983c-b7beff2784f9");
        assert_eq!(secrets(&model), ["ai-model.784f394c-42b6-435a-983c-b7beff2784f9"]);
        for other in ["ai-model:1", "https://ai-model:784f394c-42b6-435a-983c-b7beff2784f9"] {
            assert!(secrets(&wanted(other)).is_empty(), "{other}");
        }
    }
}
