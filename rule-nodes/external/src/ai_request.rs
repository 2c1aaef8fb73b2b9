//! AI request: asks a model; its words become the message's data.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Content, Descriptor, Effect, HttpRequest, Message, Outcome, Piece, RequestBody, RuleNode};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// Characters of a prompt at most.
const PROMPT_LEN_MAX: usize = 500_000;
/// Seconds that a model may take at most: as long as any request may.
const TIMEOUT_S_MAX: u32 = 300;
/// Bytes of an answer at most.
const RESPONSE_BYTES_MAX: u32 = 1 << 20;

/// The node.
pub struct AiRequest {
    model: String,
    system: Option<Template>,
    user: Template,
    format: ResponseFormat,
    timeout_ms: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    model_id: Option<ModelId>,
    #[serde(default)]
    system_prompt: Option<String>,
    user_prompt: String,
    #[serde(default)]
    resource_ids: Option<Vec<Json>>,
    #[serde(default)]
    response_format: ResponseFormat,
    #[serde(default = "timeout_seconds")]
    timeout_seconds: u32,
}

#[derive(Deserialize)]
struct ModelId {
    id: String,
}

/// In which form the model is to answer.
#[derive(Default, Deserialize)]
#[serde(tag = "type")]
enum ResponseFormat {
    #[serde(rename = "TEXT")]
    Text,
    #[default]
    #[serde(rename = "JSON")]
    Json,
    #[serde(rename = "JSON_SCHEMA")]
    Schema { schema: Json },
}

fn timeout_seconds() -> u32 {
    60
}

fn template(name: &str, text: &str) -> Result<Template, String> {
    match text.chars().count() {
        0..=PROMPT_LEN_MAX => Ok(Template::parse(text)),
        more => Err(format!("{name} has {more} characters, more than the {PROMPT_LEN_MAX} allowed")),
    }
}

impl RuleNode for AiRequest {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "ai-request",
            class_ids: &["org.thingsboard.rule.engine.ai.TbAiNode"],
            title: "AI request",
            family: "EXTERNAL",
            description: "Asks an AI model; its words become the data.",
            details: "The prompts may hold ${metadata key} and $[data key], or ${*} and $[*] for all of it. The model is one of the tenant's AI models, and \
                      its provider has to be on the tenant's list of servers. Words that are a JSON object become the data as they are; others become \
                      an object with them as response. The message counts as done when the model has answered, within five minutes: put the node \
                      acknowledge before this one where devices should not wait. Files (resourceIds) are not sent.",
            icon: "psychology",
            configuration_schema: r#"{"type":"object","required":["modelId","userPrompt"],"properties":{"modelId":{"type":["object","null"],"required":["id"],"properties":{"entityType":{"const":"AI_MODEL"},"id":{"type":"string","format":"uuid"}}},"systemPrompt":{"type":["string","null"]},"userPrompt":{"type":"string","minLength":1},"resourceIds":{"type":["array","null"],"maxItems":0},"responseFormat":{"type":"object","required":["type"],"properties":{"type":{"enum":["TEXT","JSON","JSON_SCHEMA"]},"schema":{"type":"object"}}},"timeoutSeconds":{"type":"integer","minimum":1,"maximum":600},"forceAck":{"type":"boolean"}}}"#,
            default_configuration: r#"{"modelId":null,"systemPrompt":"You are a helpful assistant. Answer with a JSON object.","userPrompt":"Here is what a device says: $[*]","resourceIds":[],"responseFormat":{"type":"JSON"},"timeoutSeconds":60,"forceAck":true}"#,
            effects: &["http-request"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let ModelId { id: model } = own.model_id.ok_or("modelId is missing: choose one of the tenant's AI models")?;
        if own.resource_ids.is_some_and(|files| !files.is_empty()) {
            return Err("resourceIds name files, which are not sent: put what the model has to know into systemPrompt".to_owned());
        }
        if own.user_prompt.trim().is_empty() {
            return Err("userPrompt is empty".to_owned());
        }
        if !(1..=600).contains(&own.timeout_seconds) {
            return Err("timeoutSeconds must be between 1 and 600".to_owned());
        }
        let system = own.system_prompt.filter(|text| !text.trim().is_empty());
        Ok(AiRequest {
            model,
            system: system.map(|text| template("systemPrompt", &text)).transpose()?,
            user: template("userPrompt", &own.user_prompt)?,
            format: own.response_format,
            timeout_ms: own.timeout_seconds.min(TIMEOUT_S_MAX) * 1_000,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let (format, schema) = match &self.format {
            ResponseFormat::Text => ("text", None),
            ResponseFormat::Json => ("json", None),
            ResponseFormat::Schema { schema } => ("json-schema", Some(schema)),
        };
        let system = self.system.as_ref().map(|system| system.fill(message));
        let question = json!({"system": system, "user": self.user.fill(message), "format": format, "schema": schema});
        let url = vec![Piece::Text(["ai-model:", &self.model].concat())];
        Ok(Outcome::Effect(Effect::HttpRequest(HttpRequest {
            url,
            timeout_ms: self.timeout_ms,
            response_bytes_max: RESPONSE_BYTES_MAX,
            body: Some(RequestBody::Content(Content::Json(question.to_string()))),
            ..HttpRequest::new("POST", "")
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    const MODEL: &str = "784f394c-42b6-435a-983c-b7beff2784f9";

    fn asked(more: &Json) -> Result<(String, Json, u32), String> {
        let mut configuration = json!({"modelId": {"entityType": "AI_MODEL", "id": MODEL}, "userPrompt": "Is $[t] hot for ${deviceName}?"});
        for (key, value) in more.as_object().expect("an object") {
            configuration[key] = value.clone();
        }
        let mut node = AiRequest::open(&configuration.to_string())?;
        let message = TestMessage::telemetry(r#"{"t": 21}"#).with("deviceName", "D1");
        match node.process(&message.message())? {
            Outcome::Effect(Effect::HttpRequest(request)) => match (&request.url[..], request.body) {
                ([Piece::Text(url)], Some(RequestBody::Content(Content::Json(body)))) => {
                    Ok((url.clone(), serde_json::from_str(&body).expect("JSON"), request.timeout_ms))
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn prompts_are_filled_in_and_the_form_of_the_answer_is_said() {
        let url = format!("ai-model:{MODEL}");
        let user = "Is 21 hot for D1?";
        for (more, question, timeout_ms) in [
            (
                json!({}),
                json!({"system": null, "user": user, "format": "json", "schema": null}),
                60_000,
            ),
            (
                json!({"systemPrompt": "You know ${deviceName}.", "responseFormat": {"type": "TEXT"}, "timeoutSeconds": 5}),
                json!({"system": "You know D1.", "user": user, "format": "text", "schema": null}),
                5_000,
            ),
            (
                json!({"systemPrompt": " ", "responseFormat": {"type": "JSON_SCHEMA", "schema": {"type": "object"}}, "timeoutSeconds": 600}),
                json!({"system": null, "user": user, "format": "json-schema", "schema": {"type": "object"}}),
                300_000,
            ),
        ] {
            assert_eq!(asked(&more), Ok((url.clone(), question, timeout_ms)), "{more}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for (more, says) in [
            (json!({"modelId": null}), "modelId is missing"),
            (json!({"userPrompt": " "}), "userPrompt is empty"),
            (json!({"userPrompt": "x".repeat(500_001)}), "500001 characters"),
            (json!({"resourceIds": ["a"]}), "files"),
            (json!({"timeoutSeconds": 0}), "timeoutSeconds"),
            (json!({"timeoutSeconds": 601}), "timeoutSeconds"),
            (json!({"responseFormat": {"type": "POEM"}}), "POEM"),
            (json!({"responseFormat": {"type": "JSON_SCHEMA"}}), "schema"),
        ] {
            assert!(asked(&more).is_err_and(|error| error.contains(says)), "{says}");
        }
    }
}
