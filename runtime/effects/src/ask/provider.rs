//! Providers of AI models: what each is sent, and where its answer has the model's words. Pure.
//!
//! Four forms: that of `OpenAI`'s chat completions, which several others speak, and those of Anthropic, Google and Ollama.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::settings::{AiModelSettings, Auth};
use crate::request::RESERVED;

/// Tokens of an answer where settings do not say, and the provider wants to be told.
const OUTPUT_TOKENS: u32 = 4_096;
/// The version of Azure's interface where settings do not say.
const AZURE_VERSION: &str = "2024-10-21";

/// Who has the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Provider {
    /// `OpenAI`, or whoever speaks like it.
    #[serde(rename = "OPENAI")]
    OpenAi,
    /// Azure.
    #[serde(rename = "AZURE_OPENAI")]
    Azure,
    /// Google, by a key.
    #[serde(rename = "GOOGLE_AI_GEMINI")]
    Gemini,
    /// Google, by a service account. Not offered.
    #[serde(rename = "GOOGLE_VERTEX_AI_GEMINI")]
    Vertex,
    /// Mistral.
    #[serde(rename = "MISTRAL_AI")]
    Mistral,
    /// Anthropic.
    #[serde(rename = "ANTHROPIC")]
    Anthropic,
    /// Amazon. Not offered.
    #[serde(rename = "AMAZON_BEDROCK")]
    Bedrock,
    /// GitHub.
    #[serde(rename = "GITHUB_MODELS")]
    GitHub,
    /// An Ollama of one's own.
    #[serde(rename = "OLLAMA")]
    Ollama,
}

/// What a model is asked.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Who it is to be.
    #[serde(default)]
    pub system: Option<String>,
    /// What somebody says to it.
    pub user: String,
    /// In which form it is to answer.
    #[serde(default)]
    pub format: Format,
    /// The JSON Schema of [`Format::Schema`].
    #[serde(default)]
    pub schema: Option<Json>,
}

/// In which form a model is to answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// As it likes.
    #[default]
    #[serde(rename = "text")]
    Text,
    /// JSON.
    #[serde(rename = "json")]
    Json,
    /// JSON by a schema.
    #[serde(rename = "json-schema")]
    Schema,
}

/// A request to a provider; its method is POST.
pub struct Call {
    /// Where to.
    pub url: String,
    /// Logs in. Not to be shown.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Json,
}

impl Provider {
    /// Where it is; none: the settings have to say.
    fn base(self) -> Option<&'static str> {
        match self {
            Provider::OpenAi => Some("https://api.openai.com/v1"),
            Provider::Mistral => Some("https://api.mistral.ai/v1"),
            Provider::GitHub => Some("https://models.github.ai/inference"),
            Provider::Anthropic => Some("https://api.anthropic.com/v1"),
            Provider::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
            Provider::Azure | Provider::Ollama | Provider::Vertex | Provider::Bedrock => None,
        }
    }
}

impl AiModelSettings {
    /// Whether all that the provider needs is there.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.provider {
            Provider::Vertex | Provider::Bedrock => {
                return Err(
                    "AMAZON_BEDROCK and GOOGLE_VERTEX_AI_GEMINI are not offered yet: the other providers are, and OPENAI with a baseUrl of one's own".to_owned(),
                );
            }
            Provider::Ollama | Provider::OpenAi => {}
            Provider::GitHub => present("personalAccessToken", self.login.personal_access_token.as_deref())?,
            _ => present("apiKey", self.login.api_key.as_deref())?,
        }
        if let Some(Auth::Basic { password: None, .. } | Auth::Token { token: None }) = &self.login.auth {
            return Err("providerConfig.auth lacks its password or token".to_owned());
        }
        let base = self.base()?;
        egress::Target::parse(&base).map_err(|error| format!("the provider's URL cannot be asked: {error}"))?;
        Ok(())
    }

    fn base(&self) -> Result<String, String> {
        let given = match self.provider {
            Provider::Azure => self.login.endpoint.as_deref(),
            _ => self.login.base_url.as_deref(),
        };
        let given = given.map(str::trim).filter(|url| !url.is_empty());
        let base = given.or(self.provider.base()).ok_or_else(|| match self.provider {
            Provider::Azure => "providerConfig.endpoint is missing".to_owned(),
            _ => "providerConfig.baseUrl is missing".to_owned(),
        })?;
        Ok(base.trim_end_matches('/').to_owned())
    }

    /// What the provider is sent.
    ///
    /// # Errors
    /// What it cannot be asked, in words.
    pub fn call(&self, question: &Question) -> Result<Call, String> {
        let base = self.base()?;
        Ok(match self.provider {
            Provider::Anthropic => Call {
                url: format!("{base}/messages"),
                headers: vec![("x-api-key", self.key()), ("anthropic-version", "2023-06-01".to_owned())],
                body: self.for_anthropic(question)?,
            },
            Provider::Gemini => Call {
                url: format!("{base}/models/{}:generateContent", escaped(&self.model)),
                headers: vec![("x-goog-api-key", self.key())],
                body: self.for_gemini(question)?,
            },
            Provider::Ollama => Call {
                url: format!("{base}/api/chat"),
                headers: self.ollama_login(),
                body: self.for_ollama(question)?,
            },
            Provider::Azure => {
                let version = self.login.service_version.as_deref().filter(|version| !version.is_empty());
                let version = escaped(version.unwrap_or(AZURE_VERSION));
                Call {
                    url: format!(
                        "{base}/openai/deployments/{}/chat/completions?api-version={version}",
                        escaped(&self.model)
                    ),
                    headers: vec![("api-key", self.key())],
                    body: self.for_chat_completions(question)?,
                }
            }
            _ => Call {
                url: format!("{base}/chat/completions"),
                headers: match self.key() {
                    key if key.is_empty() => Vec::new(),
                    key => vec![("authorization", format!("Bearer {key}"))],
                },
                body: self.for_chat_completions(question)?,
            },
        })
    }

    fn key(&self) -> String {
        let key = match self.provider {
            Provider::GitHub => &self.login.personal_access_token,
            _ => &self.login.api_key,
        };
        key.clone().unwrap_or_default()
    }

    fn ollama_login(&self) -> Vec<(&'static str, String)> {
        let value = match &self.login.auth {
            Some(Auth::Basic { username, password }) => {
                let both = format!("{username}:{}", password.as_deref().unwrap_or_default());
                format!("Basic {}", STANDARD.encode(both))
            }
            Some(Auth::Token { token: Some(token) }) => format!("Bearer {token}"),
            _ => return Vec::new(),
        };
        vec![("authorization", value)]
    }

    fn for_chat_completions(&self, question: &Question) -> Result<Json, String> {
        let options = &self.options;
        let tokens = match self.provider {
            Provider::OpenAi | Provider::Azure => "max_completion_tokens",
            _ => "max_tokens",
        };
        let format = match question.format {
            Format::Text => Json::Null,
            Format::Json => json!({"type": "json_object"}),
            Format::Schema => {
                json!({"type": "json_schema", "json_schema": {"name": "response", "strict": true, "schema": schema(question)?}})
            }
        };
        Ok(without_nulls(json!({
            "model": self.model, "messages": messages(question), "temperature": options.temperature, "top_p": options.top_p,
            "frequency_penalty": options.frequency_penalty, "presence_penalty": options.presence_penalty, tokens: options.max_output_tokens,
            "response_format": format,
        })))
    }

    fn for_anthropic(&self, question: &Question) -> Result<Json, String> {
        if question.format != Format::Text {
            return Err("ANTHROPIC has no response format but TEXT: say in the prompt that the answer is to be JSON".to_owned());
        }
        let options = &self.options;
        Ok(without_nulls(json!({
            "model": self.model, "max_tokens": options.max_output_tokens.unwrap_or(OUTPUT_TOKENS), "system": question.system,
            "messages": [{"role": "user", "content": question.user}], "temperature": options.temperature, "top_p": options.top_p,
            "top_k": options.top_k,
        })))
    }

    fn for_gemini(&self, question: &Question) -> Result<Json, String> {
        let options = &self.options;
        let kind = match question.format {
            Format::Text => Json::Null,
            Format::Json | Format::Schema => json!("application/json"),
        };
        let schema = match question.format {
            Format::Schema => schema(question)?.clone(),
            _ => Json::Null,
        };
        let system = question.system.as_ref().map(|text| json!({"parts": [{"text": text}]}));
        let generation = without_nulls(json!({
            "temperature": options.temperature, "topP": options.top_p, "topK": options.top_k, "frequencyPenalty": options.frequency_penalty,
            "presencePenalty": options.presence_penalty, "maxOutputTokens": options.max_output_tokens, "responseMimeType": kind,
            "responseJsonSchema": schema,
        }));
        Ok(without_nulls(json!({
            "systemInstruction": system, "contents": [{"role": "user", "parts": [{"text": question.user}]}], "generationConfig": generation,
        })))
    }

    fn for_ollama(&self, question: &Question) -> Result<Json, String> {
        let options = &self.options;
        let format = match question.format {
            Format::Text => Json::Null,
            Format::Json => json!("json"),
            Format::Schema => schema(question)?.clone(),
        };
        let own = without_nulls(json!({
            "temperature": options.temperature, "top_p": options.top_p, "top_k": options.top_k, "num_ctx": options.context_length,
            "num_predict": options.max_output_tokens,
        }));
        Ok(without_nulls(json!({
            "model": self.model, "messages": messages(question), "stream": false, "format": format, "options": own,
        })))
    }

    /// The model's words in an answer; none: there are none.
    pub fn words(&self, answer: &Json) -> Option<String> {
        let joined = |parts: &Json| {
            let texts = parts.as_array()?.iter().filter_map(|part| part.get("text")?.as_str());
            let words: String = texts.collect();
            (!words.is_empty()).then_some(words)
        };
        match self.provider {
            Provider::Anthropic => joined(answer.get("content")?),
            Provider::Gemini => joined(answer.pointer("/candidates/0/content/parts")?),
            Provider::Ollama => answer.pointer("/message/content")?.as_str().map(str::to_owned),
            _ => answer.pointer("/choices/0/message/content")?.as_str().map(str::to_owned),
        }
    }
}

fn present(name: &str, value: Option<&str>) -> Result<(), String> {
    match value {
        Some(value) if !value.trim().is_empty() => Ok(()),
        _ => Err(format!("providerConfig.{name} is missing")),
    }
}

fn schema(question: &Question) -> Result<&Json, String> {
    question
        .schema
        .as_ref()
        .ok_or_else(|| "the question has no schema for its answer".to_owned())
}

fn messages(question: &Question) -> Json {
    let system = question.system.as_ref().map(|text| json!({"role": "system", "content": text}));
    let user = json!({"role": "user", "content": question.user});
    system.into_iter().chain([user]).collect()
}

/// A part of a path or of a query.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}
