//! The REST API, through curl.

use std::process::Command;

use serde_json::Value as Json;

/// Runs curl and answers what it printed.
pub fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "90"])
        .args(arguments)
        .output()
        .expect("curl is installed");
    assert!(
        output.status.success(),
        "curl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs curl and answers status and body.
pub fn exchange(arguments: &[&str]) -> (u16, String) {
    let text = curl(&[arguments, &["--write-out", "\n%{http_code}"]].concat());
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// Somebody who is logged in.
pub struct Rest {
    base: String,
    authorization: String,
}

impl Rest {
    /// Logs in.
    pub fn login(base: &str, username: &str, password: &str) -> Self {
        let body = serde_json::json!({ "username": username, "password": password }).to_string();
        let text = curl(&["--json", &body, &format!("{base}/api/auth/login")]);
        let answer: Json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        let token = answer["token"].as_str().unwrap_or_else(|| panic!("{text}"));
        Rest {
            base: base.to_owned(),
            authorization: format!("X-Authorization: Bearer {token}"),
        }
    }

    /// The access token.
    pub fn token(&self) -> &str {
        self.authorization.rsplit(' ').next().unwrap_or_default()
    }

    /// GET; the answer must be 200 and JSON.
    pub fn get(&self, path: &str) -> Json {
        let (status, body) = self.try_get(path);
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("GET {path}: {body}"))
    }

    /// GET
    pub fn try_get(&self, path: &str) -> (u16, String) {
        exchange(&["--header", &self.authorization, &format!("{}{path}", self.base)])
    }

    /// POST; the answer must be 200.
    pub fn post(&self, path: &str, body: &Json) -> Json {
        let (status, text) = self.try_post(path, body);
        assert_eq!(status, 200, "POST {path}: {text}");
        if text.is_empty() {
            Json::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("POST {path}: {text}"))
        }
    }

    /// POST
    pub fn try_post(&self, path: &str, body: &Json) -> (u16, String) {
        exchange(&[
            "--header",
            &self.authorization,
            "--json",
            &body.to_string(),
            &format!("{}{path}", self.base),
        ])
    }

    /// Uploads a component; `query` begins with its name.
    pub fn upload(&self, query: &str, bytes: &[u8]) -> (u16, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        exchange(&[
            "--header",
            &self.authorization,
            "--header",
            "Content-Type: application/wasm",
            "--data-binary",
            &format!("@{}", file.path().display()),
            &format!("{}/api/plugins/components?name={query}", self.base),
        ])
    }

    /// Saves what a GET answers to a file.
    pub fn download(&self, path: &str) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let target = file.path().display().to_string();
        curl(&[
            "--fail",
            "--header",
            &self.authorization,
            "--output",
            &target,
            &format!("{}{path}", self.base),
        ]);
        std::fs::read(file.path()).unwrap()
    }

    /// DELETE
    pub fn delete(&self, path: &str) -> (u16, String) {
        exchange(&[
            "--header",
            &self.authorization,
            "--request",
            "DELETE",
            &format!("{}{path}", self.base),
        ])
    }

    /// Makes a user of what is given (`email`, `authority`, …), who then logs in.
    pub fn invite(&self, user: &Json) -> Rest {
        const PASSWORD: &str = "a password";
        let made = self.post("/api/user?sendActivationMail=false", user);
        let (status, link) = self.try_get(&format!("/api/user/{}/activationLink", made["id"]["id"].as_str().unwrap()));
        assert_eq!(status, 200, "{link}");
        let token = link.trim_matches('"').rsplit("activateToken=").next().unwrap().to_owned();
        let body = serde_json::json!({"activateToken": token, "password": PASSWORD});
        let (status, answer) = self.try_post("/api/noauth/activate?sendActivationMail=false", &body);
        assert_eq!(status, 200, "{answer}");
        Rest::login(&self.base, user["email"].as_str().unwrap(), PASSWORD)
    }

    /// The same user at a server that has started again.
    pub fn again(&self, base: &str) -> Rest {
        Rest {
            base: base.to_owned(),
            authorization: self.authorization.clone(),
        }
    }

    /// Nodes and lines of the root chain, as `POST /api/ruleChain/metadata` takes them back.
    pub fn root_metadata(&self) -> Json {
        let chains = self.get("/api/ruleChains?pageSize=10&page=0");
        let chains = chains["data"].as_array().unwrap();
        let root = chains.iter().find(|chain| chain["root"] == true).unwrap();
        self.get(&format!("/api/ruleChain/{}/metadata", root["id"]["id"].as_str().unwrap()))
    }

    /// Gives the root chain other nodes – class, name, configuration – and lines between them; the first one is where messages come in.
    pub fn root_chain(&self, nodes: &[(&str, &str, Json)], connections: &Json) {
        let mut metadata = self.root_metadata();
        let node = |(class, name, configuration): &(&str, &str, Json)| {
            serde_json::json!({"type": class, "name": name, "configuration": configuration, "debugSettings": null, "singletonMode": false,
                "configurationVersion": 0})
        };
        metadata["nodes"] = nodes.iter().map(node).collect();
        metadata["connections"] = connections.clone();
        metadata["firstNodeIndex"] = 0.into();
        metadata["ruleChainConnections"] = Json::Null;
        self.post("/api/ruleChain/metadata", &metadata);
    }

    /// The id of a device.
    pub fn device(&self, name: &str) -> String {
        let name = name.replace(' ', "%20");
        self.get(&format!("/api/tenant/devices?deviceName={name}"))["id"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Creates a device with an access token.
    pub fn create_device(&self, name: &str, token: &str) -> String {
        let device = self.post(
            &format!("/api/device?accessToken={token}"),
            &serde_json::json!({ "name": name, "type": "default" }),
        );
        device["id"]["id"].as_str().unwrap().to_owned()
    }

    /// The newest values of a device's time series.
    pub fn latest(&self, device: &str, keys: &str) -> Json {
        self.get(&format!(
            "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?useStrictDataTypes=true&keys={keys}"
        ))
    }

    /// A device's attributes of a scope.
    pub fn attributes(&self, device: &str, scope: &str) -> Json {
        self.get(&format!("/api/plugins/telemetry/DEVICE/{device}/values/attributes/{scope}"))
    }

    /// A device's alarms.
    pub fn alarms(&self, device: &str) -> Vec<Json> {
        self.get(&format!("/api/alarm/DEVICE/{device}?pageSize=100&page=0"))["data"]
            .as_array()
            .unwrap()
            .clone()
    }
}
