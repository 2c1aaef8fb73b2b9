//! A component that asks for requests to servers outside exactly as a test tells it, well-behaved or not; and one that says what came of
//! it. The platform must not let it reach what is inside, and must not show it a secret.

use pacificsoft_sdk::{Content, Descriptor, Effect, HttpRequest, Message, NewMessage, Outcome, Piece, Publish, RequestBody, RuleNode};
use serde_json::{Value as Json, json};

/// Asks for the request in its configuration: `method`, `url`, `headers`, `body`, `secret` (goes along as header `X-Secret`),
/// `secretInUrl`, `timeoutMs`.
pub struct Asks(Json);

impl RuleNode for Asks {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "asks",
            class_ids: &["test.egress.asks"],
            title: "asks",
            description: "Sends a request, for tests.",
            family: "EXTERNAL",
            effects: &["http-request"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration).map(Asks).map_err(|error| error.to_string())
    }

    fn process(&mut self, _: &Message) -> Result<Outcome, String> {
        let text = |key: &str| self.0[key].as_str().unwrap_or_default().to_owned();
        let mut request = HttpRequest::new(self.0["method"].as_str().unwrap_or("GET"), text("url"));
        if let Some(name) = self.0["secretInUrl"].as_str() {
            request.url.push(Piece::secret(name));
        }
        for (name, value) in self.0["headers"].as_object().into_iter().flatten() {
            request = request.with_header(name, value.as_str().unwrap_or_default());
        }
        if let Some(name) = self.0["secret"].as_str() {
            request = request.with_header("X-Secret", vec![Piece::secret(name)]);
        }
        if let Some(body) = self.0["body"].as_str() {
            request.body = Some(RequestBody::Text(vec![Piece::Text(body.to_owned())]));
        }
        request.timeout_ms = self.0["timeoutMs"].as_u64().unwrap_or(0) as u32;
        Ok(Outcome::Effect(Effect::HttpRequest(request)))
    }
}

/// Publishes what is in its configuration: `broker`, `topic`, `options`, `secret` (is the password), `timeoutMs`.
pub struct Publishes(Json);

impl RuleNode for Publishes {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "publishes",
            class_ids: &["test.egress.publishes"],
            title: "publishes",
            description: "Publishes, for tests.",
            family: "EXTERNAL",
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration)
            .map(Publishes)
            .map_err(|error| error.to_string())
    }

    fn process(&mut self, _: &Message) -> Result<Outcome, String> {
        let text = |key: &str, default: &str| self.0[key].as_str().unwrap_or(default).to_owned();
        let mut publish = Publish::new(text("broker", ""), text("topic", "t"), RequestBody::Content(Content::whole()));
        if let Some(name) = self.0["secret"].as_str() {
            publish = publish.with_login(text("user", "user"), vec![Piece::secret(name)]);
        }
        for (name, value) in self.0["options"].as_object().into_iter().flatten() {
            publish = publish.with_option(name, value.as_str().unwrap_or_default());
        }
        publish.timeout_ms = self.0["timeoutMs"].as_u64().unwrap_or(0) as u32;
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

/// Makes data of what is told beside the data: `told` is the number that the device sent, else of the round in its configuration.
pub struct Tells(Json);

impl RuleNode for Tells {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "tells",
            class_ids: &["test.egress.tells"],
            title: "tells",
            description: "Makes data of metadata, for tests.",
            family: "TRANSFORMATION",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration).map(Tells).map_err(|error| error.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let metadata: serde_json::Map<String, Json> = message
            .metadata_entries()
            .into_iter()
            .map(|(key, value)| (key, value.into()))
            .collect();
        let told = json!({"round": self.0["round"], "metadata": metadata, "payload": message.json("")});
        let payload = json!({ "told": told.to_string() });
        Ok(Outcome::emit(
            "Success",
            NewMessage {
                payload: Some(Content::Json(payload.to_string())),
                ..NewMessage::with_json("")
            },
        ))
    }
}

pacificsoft_sdk::export_nodes!(Asks, Publishes, Tells);
