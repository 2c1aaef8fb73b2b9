//! A server's REST API, as far as authors need it. What a server refuses, it says in its own words, and these are passed on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody, http::Response};

use crate::told::Component;
use crate::upload::{Counted, watched};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// How long an upload may take, with compiling.
const UPLOAD: Duration = Duration::from_secs(600);
/// Uploaded components.
const COMPONENTS: &str = "/api/plugins/components";

/// Somebody who is logged in.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    server: String,
    authorization: String,
}

/// What a login gives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    token: String,
    /// Gets the next pair.
    pub refresh_token: String,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
}

impl Client {
    /// Logs in with a password.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub fn log_in(server: &str, ca: Option<&Path>, user: &str, password: &str) -> Result<(Self, Tokens)> {
        Client::begin(server, ca, "/api/auth/login", &json!({"username": user, "password": password}))
    }

    /// Goes on with an earlier login.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub fn refresh(server: &str, ca: Option<&Path>, token: &str) -> Result<(Self, Tokens)> {
        Client::begin(server, ca, "/api/auth/token", &json!({ "refreshToken": token }))
    }

    fn begin(server: &str, ca: Option<&Path>, path: &str, body: &Json) -> Result<(Self, Tokens)> {
        let mut client = Client {
            agent: agent(ca)?,
            server: server.to_owned(),
            authorization: String::new(),
        };
        let answered = client.agent.post(client.url(path)).send_json(body);
        let tokens: Tokens = client.understood(answered)?;
        client.authorization = format!("Bearer {}", tokens.token);
        Ok((client, tokens))
    }

    /// Sends a component.
    ///
    /// # Errors
    /// Why the server refuses it.
    pub fn upload(&self, name: &str, bytes: &[u8], auto_rollback: bool) -> Result<Component> {
        let query = if auto_rollback { "&autoRollback=true" } else { "" };
        let url = self.url(&format!("{COMPONENTS}?name={name}{query}"));
        watched(bytes.len(), |sent| {
            let mut reader = Counted::new(bytes, sent);
            let request = self.agent.post(url).header("X-Authorization", &self.authorization);
            let request = request
                .header("Content-Type", "application/wasm")
                .header("Content-Length", bytes.len().to_string());
            let request = request.config().timeout_global(Some(UPLOAD)).build();
            self.understood(request.send(SendBody::from_reader(&mut reader)))
        })
    }

    /// A component with its versions.
    ///
    /// # Errors
    /// When there is none.
    pub fn component(&self, name: &str) -> Result<Component> {
        self.get(&format!("{COMPONENTS}/{name}"))
    }

    /// All components, without their versions.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn components(&self) -> Result<Vec<Component>> {
        let page: Page<Component> = self.get(&format!("{COMPONENTS}?pageSize=1000&page=0"))?;
        Ok(page.data)
    }

    /// Makes a version serve.
    ///
    /// # Errors
    /// Why it cannot; then the one before goes on.
    pub fn activate(&self, name: &str, version: &str) -> Result<Component> {
        self.post(&format!("{COMPONENTS}/{name}/activate"), &json!({ "version": version }))
    }

    /// Makes the version before serve.
    ///
    /// # Errors
    /// When there is none, or it cannot.
    pub fn roll_back(&self, name: &str) -> Result<Component> {
        self.post(&format!("{COMPONENTS}/{name}/rollback"), &json!({}))
    }

    /// Grants permissions.
    ///
    /// # Errors
    /// When the component does not ask for one of them.
    pub fn grant(&self, name: &str, permissions: &[String]) -> Result<Component> {
        self.post(&format!("{COMPONENTS}/{name}/permissions"), &json!({ "grant": permissions }))
    }

    /// GET
    ///
    /// # Errors
    /// What the server says against it.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self.agent.get(self.url(path)).header("X-Authorization", &self.authorization);
        self.understood(request.call())
    }

    /// All of a list.
    ///
    /// # Errors
    /// What the server says against it.
    pub fn all(&self, path: &str) -> Result<Vec<Json>> {
        let page: Page<Json> = self.get(&format!("{path}?pageSize=1000&page=0"))?;
        Ok(page.data)
    }

    /// POST
    ///
    /// # Errors
    /// What the server says against it.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &Json) -> Result<T> {
        let request = self.agent.post(self.url(path)).header("X-Authorization", &self.authorization);
        self.understood(request.send_json(body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn understood<T: DeserializeOwned>(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<T> {
        let mut answer =
            answered.with_context(|| format!("{} does not answer: is it the right address, and is it running?", self.server))?;
        let text = answer.body_mut().read_to_string().context("the answer broke off")?;
        if !answer.status().is_success() {
            bail!("{}", refusal(answer.status().as_u16(), &text));
        }
        serde_json::from_str(&text).with_context(|| format!("{} does not answer like Pacificsoft", self.server))
    }
}

/// The server's own words, where it has some.
fn refusal(status: u16, text: &str) -> String {
    let told: Option<Json> = serde_json::from_str(text).ok();
    let told = told.as_ref().and_then(|json| json["message"].as_str());
    told.map_or_else(|| format!("the server refuses (HTTP {status})"), str::to_owned)
}

fn agent(ca: Option<&Path>) -> Result<Agent> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        // A token goes to the server it is for, and to no other.
        .max_redirects(0)
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_global(Some(ANSWER));
    if let Some(path) = ca {
        let pem = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut certificates = Vec::new();
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item.with_context(|| format!("{} is not understood", path.display()))? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            bail!("{} has no certificates", path.display());
        }
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build();
        config = config.tls_config(tls);
    }
    Ok(config.build().into())
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn the_servers_own_words_are_passed_on() {
        assert_eq!(
            refusal(400, r#"{"status": 400, "message": "The component is refused"}"#),
            "The component is refused"
        );
        assert_eq!(refusal(502, "<html>"), "the server refuses (HTTP 502)");
    }
}
