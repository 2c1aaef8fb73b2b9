//! Somebody who is logged in at a server under measurement, by curl.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};

use crate::shell;

/// The demo's tenant administrator: name and password.
pub const TENANT: (&str, &str) = ("tenant@pacificsoft.org", "tenant");
/// The demo's system administrator.
pub const SYSADMIN: (&str, &str) = ("sysadmin@pacificsoft.org", "sysadmin");

/// A user.
pub struct Rest {
    url: String,
    header: String,
}

impl Rest {
    /// Logs in: name and password.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn login(url: &str, (name, password): (&str, &str)) -> Result<Self> {
        let body = json!({ "username": name, "password": password });
        let nobody = Rest {
            url: url.to_owned(),
            header: "X-From: bench".to_owned(),
        };
        let answer = nobody.post("/api/auth/login", &body)?;
        let token = answer["token"].as_str().context("no token")?;
        Ok(Rest {
            url: url.to_owned(),
            header: format!("X-Authorization: Bearer {token}"),
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// When the answer is not 200 and JSON.
    pub fn get(&self, path: &str) -> Result<Json> {
        self.curl(&[&format!("{}{path}", self.url)])
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// When the answer is not 200 and JSON, or nothing.
    pub fn post(&self, path: &str, body: &Json) -> Result<Json> {
        self.curl(&["--json", &body.to_string(), &format!("{}{path}", self.url)])
    }

    /// Uploads a component that lies in a file; `query` begins with its name. Answers the version.
    ///
    /// # Errors
    /// When it is refused.
    pub fn upload(&self, query: &str, file: &Path) -> Result<String> {
        let answer = self.curl(&[
            "--header",
            "Content-Type: application/wasm",
            "--data-binary",
            &format!("@{}", file.display()),
            &format!("{}/api/plugins/components?name={query}", self.url),
        ])?;
        Ok(answer["uploaded"]["version"].as_str().context("no version")?.to_owned())
    }

    /// Makes a tenant with an administrator, and logs the latter in; answers name and password, too.
    ///
    /// # Errors
    /// When the server refuses: only the system's administrator may.
    pub fn tenant(&self, title: &str) -> Result<(Rest, String, &'static str)> {
        const PASSWORD: &str = "correct-horse";
        let tenant = self.post("/api/tenant", &json!({ "title": title }))?;
        let email = format!("{title}@example.org");
        let user = json!({ "email": email, "authority": "TENANT_ADMIN", "tenantId": tenant["id"] });
        let user = self.post("/api/user?sendActivationMail=false", &user)?;
        let id = user["id"]["id"].as_str().context("no user")?;
        let link = self.text(&[&format!("{}/api/user/{id}/activationLink", self.url)])?;
        let token = link.trim_matches('"').rsplit("activateToken=").next().context("no link")?;
        let chosen = json!({ "activateToken": token, "password": PASSWORD });
        self.post("/api/noauth/activate?sendActivationMail=false", &chosen)?;
        Ok((Rest::login(&self.url, (&email, PASSWORD))?, email, PASSWORD))
    }

    /// Gives the root chain other nodes and connections: the first node is where messages enter. False: it is refused.
    ///
    /// # Errors
    /// When there is no root chain.
    pub fn root_chain(&self, nodes: &Json, connections: &Json) -> Result<bool> {
        let chains = self.get("/api/ruleChains?pageSize=10&page=0")?;
        let mut all = chains["data"].as_array().into_iter().flatten();
        let root = all.find(|chain| chain["root"] == true).context("no root chain")?;
        let id = root["id"]["id"].as_str().context("no rule chain")?;
        let mut chain = self.get(&format!("/api/ruleChain/{id}/metadata"))?;
        chain["nodes"] = nodes.clone();
        chain["connections"] = connections.clone();
        chain["firstNodeIndex"] = json!(0);
        chain["ruleChainConnections"] = Json::Null;
        Ok(self.post("/api/ruleChain/metadata", &chain).is_ok())
    }

    fn curl(&self, arguments: &[&str]) -> Result<Json> {
        let text = self.text(arguments)?;
        if text.trim().is_empty() {
            return Ok(Json::Null);
        }
        Ok(serde_json::from_str(&text)?)
    }

    fn text(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            "120",
            "--header",
            &self.header,
        ]);
        shell::quietly(command.args(arguments))
    }
}

/// A device says something over HTTP; answers how long it took until it was acknowledged, in milliseconds.
///
/// # Errors
/// When it is not.
pub fn tell(url: &str, token: &str, payload: &Json) -> Result<f64> {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code} %{time_total}",
        "--json",
    ]);
    command.args([payload.to_string(), format!("{url}/api/v1/{token}/telemetry")]);
    let told = shell::quietly(&mut command)?;
    match told.trim().split_once(' ') {
        Some(("200", seconds)) => Ok(seconds.parse::<f64>()? * 1_000.0),
        _ => bail!("the server answered {told}"),
    }
}

/// A node of a rule chain.
pub fn node(name: &str, class: &str, configuration: &Json) -> Json {
    json!({ "name": name, "type": class, "configuration": configuration })
}
