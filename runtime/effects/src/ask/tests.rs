//! What providers are sent, what is kept of settings, and what is made of answers.

use serde_json::{Value as Json, json};

use super::provider::Question;
use super::settings::AiModelSettings;
use super::*;
use plugins::Piece;

fn asked(more: &Json) -> Question {
    let mut question = json!({"system": "be brief", "user": "hot?"});
    for (key, value) in more.as_object().expect("an object") {
        question[key] = value.clone();
    }
    serde_json::from_value(question).expect("a question")
}

fn settings(provider: &str, login: &Json) -> Result<AiModelSettings, String> {
    AiModelSettings::read(&json!({
        "modelType": "CHAT", "provider": provider, "providerConfig": login, "modelId": "m/1", "temperature": 0.5, "topP": 0.9, "topK": 7,
        "maxOutputTokens": 100, "timeoutSeconds": 60, "maxRetries": 2,
    }))
}

#[test]
fn every_provider_is_asked_in_its_own_form() {
    let key = json!({"apiKey": "k"});
    let chat = [
        json!({"role": "system", "content": "be brief"}),
        json!({"role": "user", "content": "hot?"}),
    ];
    let plain = |tokens: &str| json!({"model": "m/1", "messages": chat, "temperature": 0.5, "top_p": 0.9, tokens: 100});
    let cases = [
        (
            "OPENAI",
            key.clone(),
            "https://api.openai.com/v1/chat/completions",
            "authorization: Bearer k",
            plain("max_completion_tokens"),
        ),
        (
            "OPENAI",
            json!({"baseUrl": "http://own:1234/v1/"}),
            "http://own:1234/v1/chat/completions",
            "",
            plain("max_completion_tokens"),
        ),
        (
            "MISTRAL_AI",
            key.clone(),
            "https://api.mistral.ai/v1/chat/completions",
            "authorization: Bearer k",
            plain("max_tokens"),
        ),
        (
            "GITHUB_MODELS",
            json!({"personalAccessToken": "p"}),
            "https://models.github.ai/inference/chat/completions",
            "authorization: Bearer p",
            plain("max_tokens"),
        ),
        (
            "AZURE_OPENAI",
            json!({"endpoint": "https://own.openai.azure.com/", "apiKey": "k"}),
            "https://own.openai.azure.com/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21",
            "api-key: k",
            plain("max_completion_tokens"),
        ),
        (
            "ANTHROPIC",
            key.clone(),
            "https://api.anthropic.com/v1/messages",
            "x-api-key: k anthropic-version: 2023-06-01",
            json!({"model": "m/1", "max_tokens": 100, "system": "be brief", "messages": [{"role": "user", "content": "hot?"}],
                "temperature": 0.5, "top_p": 0.9, "top_k": 7}),
        ),
        (
            "GOOGLE_AI_GEMINI",
            key,
            "https://generativelanguage.googleapis.com/v1beta/models/m%2F1:generateContent",
            "x-goog-api-key: k",
            json!({"systemInstruction": {"parts": [{"text": "be brief"}]}, "contents": [{"role": "user", "parts": [{"text": "hot?"}]}],
                "generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 7, "maxOutputTokens": 100}}),
        ),
        (
            "OLLAMA",
            json!({"baseUrl": "http://own:11434", "auth": {"type": "BASIC", "username": "u", "password": "p"}}),
            "http://own:11434/api/chat",
            "authorization: Basic dTpw",
            json!({"model": "m/1", "messages": chat, "stream": false,
                "options": {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "num_predict": 100}}),
        ),
    ];
    for (provider, login, url, headers, body) in cases {
        let call = settings(provider, &login)
            .expect(provider)
            .call(&asked(&json!({})))
            .expect(provider);
        let told: Vec<String> = call.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            (call.url.as_str(), told.join(" ").as_str(), call.body),
            (url, headers, body),
            "{provider}"
        );
    }
}

#[test]
fn the_form_of_an_answer_is_said_in_the_providers_words() {
    let of = |provider: &str, login: Json, format: &Json, at: &str| {
        let call = settings(provider, &login).expect(provider).call(&asked(format));
        call.map(|call| call.body.pointer(at).cloned().unwrap_or_default())
    };
    let (form, schema) = (
        json!({"format": "json"}),
        json!({"format": "json-schema", "schema": {"type": "object"}}),
    );
    let (key, own) = (
        json!({"apiKey": "k"}),
        json!({"baseUrl": "http://own:11434", "auth": {"type": "NONE"}}),
    );
    let strict = json!({"type": "json_schema", "json_schema": {"name": "response", "strict": true, "schema": {"type": "object"}}});
    assert_eq!(
        of("OPENAI", key.clone(), &form, "/response_format"),
        Ok(json!({"type": "json_object"}))
    );
    assert_eq!(of("OPENAI", key.clone(), &schema, "/response_format"), Ok(strict));
    let google = "/generationConfig/responseMimeType";
    assert_eq!(of("GOOGLE_AI_GEMINI", key.clone(), &form, google), Ok(json!("application/json")));
    let google = "/generationConfig/responseJsonSchema";
    assert_eq!(of("GOOGLE_AI_GEMINI", key.clone(), &schema, google), Ok(json!({"type": "object"})));
    assert_eq!(of("OLLAMA", own.clone(), &form, "/format"), Ok(json!("json")));
    assert_eq!(of("OLLAMA", own.clone(), &schema, "/format"), Ok(json!({"type": "object"})));
    assert!(of("ANTHROPIC", key.clone(), &form, "").is_err_and(|error| error.contains("TEXT")));
    let without = json!({"format": "json-schema"});
    assert!(of("OPENAI", key, &without, "").is_err_and(|error| error.contains("no schema")));
}

#[test]
fn an_answers_words_are_found_or_there_are_none() {
    let key = json!({"apiKey": "k"});
    let of = |provider: &str, answer: Json| {
        let login = match provider {
            "OLLAMA" => json!({"baseUrl": "http://own"}),
            _ => key.clone(),
        };
        settings(provider, &login).expect(provider).words(&answer)
    };
    for (provider, answer) in [
        ("OPENAI", json!({"choices": [{"message": {"content": "yes"}}]})),
        (
            "ANTHROPIC",
            json!({"content": [{"type": "text", "text": "y"}, {"type": "other"}, {"type": "text", "text": "es"}]}),
        ),
        (
            "GOOGLE_AI_GEMINI",
            json!({"candidates": [{"content": {"parts": [{"text": "yes"}]}}]}),
        ),
        ("OLLAMA", json!({"message": {"content": "yes"}})),
    ] {
        assert_eq!(of(provider, answer), Some("yes".to_owned()), "{provider}");
        for nothing in [
            json!({}),
            json!([]),
            json!({"choices": [], "content": "yes", "candidates": {}, "message": null}),
        ] {
            assert_eq!(of(provider, nothing), None, "{provider}");
        }
    }
    assert_eq!(data(r#"{"hot": true}"#.to_owned()), json!({"hot": true}));
    for words in ["yes", "[1]", "12", "", "{"] {
        assert_eq!(data(words.to_owned()), json!({"response": words}));
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused_without_a_value() {
    let long = "x".repeat(9_000);
    for (provider, login, says) in [
        ("OPENAI", json!({"baseUrl": "ftp://own"}), "URL"),
        ("ANTHROPIC", json!({}), "apiKey is missing"),
        ("MISTRAL_AI", json!({"apiKey": " "}), "apiKey is missing"),
        ("GITHUB_MODELS", json!({"apiKey": "k"}), "personalAccessToken is missing"),
        ("AZURE_OPENAI", json!({"apiKey": "k"}), "endpoint is missing"),
        ("OLLAMA", json!({"auth": {"type": "NONE"}}), "baseUrl is missing"),
        (
            "OLLAMA",
            json!({"baseUrl": "http://own", "auth": {"type": "TOKEN"}}),
            "password or token",
        ),
        ("OLLAMA", json!({"baseUrl": "http://own", "auth": {"type": "MAGIC"}}), "MAGIC"),
        ("AMAZON_BEDROCK", json!({"secretAccessKey": "s3cret"}), "not offered"),
        ("GOOGLE_VERTEX_AI_GEMINI", json!({}), "not offered"),
        ("ORACLE", json!({"apiKey": "s3cret"}), "ORACLE"),
        ("OPENAI", json!({"apiKey": long}), "bytes"),
        ("OPENAI", json!({"apiKey": {"s3cret": 1}}), "not understood"),
    ] {
        let refused = settings(provider, &login).map(drop).expect_err(provider);
        assert!(!refused.contains("struct"), "{refused}");
        assert!(refused.contains(says) && !refused.contains("s3cret"), "{provider}: {refused}");
    }
}

#[test]
fn what_is_secret_is_not_shown_and_lent_to_the_same_place_alone() {
    let given = json!({"provider": "OPENAI", "modelId": "m", "providerConfig": {"baseUrl": "https://own", "apiKey": "k"}});
    let shown = AiModelSettings::shown(&given);
    assert_eq!(
        shown,
        json!({"provider": "OPENAI", "modelId": "m", "providerConfig": {"baseUrl": "https://own"}})
    );
    let kept = AiModelSettings::read(&given).expect("settings");
    let lent = |mut wanted: Json| {
        kept.lend_to(&mut wanted);
        wanted.pointer("/providerConfig/apiKey").cloned()
    };
    assert_eq!(lent(shown.clone()), Some(json!("k")));
    let with = |at: &str, value: Json| {
        let mut other = shown.clone();
        *other.pointer_mut(at).expect("there") = value;
        other
    };
    assert_eq!(lent(with("/modelId", json!("n"))), Some(json!("k")));
    assert_eq!(lent(with("/providerConfig/baseUrl", json!("https://elsewhere"))), None);
    assert_eq!(lent(with("/provider", json!("MISTRAL_AI"))), None);
    assert_eq!(
        lent(json!({"provider": "OPENAI", "providerConfig": {"baseUrl": "https://own", "apiKey": "new"}})),
        Some(json!("new"))
    );
    let ollama =
        json!({"provider": "OLLAMA", "modelId": "m", "providerConfig": {"baseUrl": "http://own", "auth": {"type": "TOKEN", "token": "t"}}});
    assert_eq!(AiModelSettings::shown(&ollama)["providerConfig"]["auth"], json!({"type": "TOKEN"}));
}

#[test]
fn a_node_says_what_it_asks_and_nothing_else() {
    let wanted = |url: &str, body: Json| HttpRequest {
        method: "POST",
        url: vec![Piece::Text(url.to_owned())],
        headers: Vec::new(),
        basic_auth: None,
        body: Some(RequestBody::Content(plugins::Content::Own(body))),
        timeout_ms: 0,
        response_bytes_max: 0,
        tls: None,
        proxy: None,
        accepted_if: None,
    };
    let good = || wanted("ai-model:1", json!({"user": "hot?"}));
    assert_eq!(good().ai_model(), Some("1"));
    assert_eq!(wanted("https://ai-model:1", json!({})).ai_model(), None);
    let secret = HttpRequest {
        url: vec![Piece::Text("ai-model:".to_owned()), Piece::Secret("word".to_owned())],
        ..good()
    };
    assert_eq!(secret.ai_model(), None);
    let asked = question(&good()).expect("a question");
    assert_eq!((asked.user.as_str(), asked.system, asked.schema), ("hot?", None, None));
    let text = |text: &str| vec![Piece::Text(text.to_owned())];
    for (other, says) in [
        (HttpRequest { method: "GET", ..good() }, "POST"),
        (
            HttpRequest {
                headers: vec![("x-own".to_owned(), text("1"))],
                ..good()
            },
            "no headers",
        ),
        (
            HttpRequest {
                basic_auth: Some((text("u"), text("p"))),
                ..good()
            },
            "no user name",
        ),
        (
            HttpRequest {
                accepted_if: Some("/ok".to_owned()),
                ..good()
            },
            "no acceptance",
        ),
        (HttpRequest { body: None, ..good() }, "is JSON"),
        (
            HttpRequest {
                body: Some(RequestBody::Text(text("{}"))),
                ..good()
            },
            "is JSON",
        ),
        (wanted("ai-model:1", json!({"system": "x"})), "`user`"),
        (wanted("ai-model:1", json!({"user": "x", "model": "y"})), "`model`"),
        (wanted("ai-model:1", json!({"user": "x", "format": "poem"})), "`poem`"),
    ] {
        let refused = question(&other).map(drop).expect_err(says).to_string();
        assert!(refused.contains(says), "{says}: {refused}");
    }
}
