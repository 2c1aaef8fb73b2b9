//! Nodes ask AI models: in the forms of seven providers, as a server understands them that nobody here wrote.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::clients::python;
use tests::models::Models;
use tests::rest::Rest;
use tests::scene::{Scene, TALKATIVE, lenient};

const AI: &str = "org.thingsboard.rule.engine.ai.TbAiNode";
/// A value that must be seen by the provider, and nowhere else.
const KEY: &str = "sk-hunter2-hunter2";

/// A model of the tenant; answers its id.
fn model(tenant: &Rest, name: &str, provider: &str, login: &Json) -> Json {
    let configuration = json!({"modelType": "CHAT", "provider": provider, "providerConfig": login, "modelId": "small", "temperature": 0.5});
    let saved = tenant.post("/api/ai/model", &json!({"name": name, "configuration": configuration}));
    assert!(!saved.to_string().contains(KEY), "{saved}");
    saved["id"].clone()
}

fn asks(model: &Json, prompt: &str, format: &str) -> Json {
    json!({"modelId": model, "systemPrompt": "You know ${deviceName}.", "userPrompt": prompt, "responseFormat": {"type": format},
        "timeoutSeconds": 5, "forceAck": true, "resourceIds": []})
}

#[test]
fn every_provider_is_asked_and_its_models_words_become_the_data() {
    let models = Models::start(KEY);
    let (server, _folder) = lenient(&TALKATIVE);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let here = format!("http://127.0.0.1:{}", models.port);
    let own = |path: &str| json!({"baseUrl": format!("{here}{path}"), "apiKey": KEY});
    let providers = [
        ("OPENAI", own("/v1")),
        ("MISTRAL_AI", own("/v1")),
        (
            "GITHUB_MODELS",
            json!({"baseUrl": format!("{here}/v1"), "personalAccessToken": KEY}),
        ),
        ("AZURE_OPENAI", json!({"endpoint": here, "apiKey": KEY})),
        ("ANTHROPIC", own("/v1")),
        ("GOOGLE_AI_GEMINI", own("/v1beta")),
        ("OLLAMA", json!({"baseUrl": here, "auth": {"type": "TOKEN", "token": KEY}})),
    ];
    let all: Vec<(&str, Json)> = providers
        .iter()
        .map(|(name, login)| (*name, model(&tenant, name, name, login)))
        .collect();
    let (relation, metadata, _) = scene.ask(AI, &asks(&all[0].1, "Is $[temperature] hot?", "JSON"));
    let error = metadata["error"].as_str().unwrap_or_default();
    assert!(relation == "Failure" && error.contains("is not among the servers"), "{metadata}");
    assert_eq!(models.asked(), [Json::Null; 0]);
    scene.allow(&[&here]);

    let mut told = String::new();
    for (count, (provider, model)) in all.iter().enumerate() {
        let format = if *provider == "ANTHROPIC" { "TEXT" } else { "JSON" };
        let (relation, metadata, data) = scene.ask(AI, &asks(model, "Is $[temperature] hot?", format));
        assert_eq!(
            (relation.as_str(), &data),
            ("Success", &json!({"hot": true, "why": [1]})),
            "{provider}: {metadata}"
        );
        let asked = models.asked();
        assert_eq!(asked.len(), 3 * count + 1, "{provider}");
        let messages = asked[3 * count]["body"]["messages"].to_string();
        assert!(
            messages.contains("You know Demo device.") && messages.contains("Is 21 hot?"),
            "{provider}: {messages}"
        );
        let (relation, _, data) = scene.ask(AI, &asks(model, "A poem about $[*]", "TEXT"));
        assert_eq!(
            (relation.as_str(), &data),
            ("Success", &json!({"response": "Roses are red"})),
            "{provider}"
        );
        let (relation, metadata, data) = scene.ask(AI, &asks(model, "How much is it?", "TEXT"));
        assert_eq!(
            (relation.as_str(), &metadata["statusCode"], &data["temperature"]),
            ("Failure", &json!("429"), &json!(21)),
            "{provider}"
        );
        told.push_str(&metadata.to_string());
    }
    assert!(!told.contains(KEY) && !server.log().contains(KEY));
}

/// By ThingsBoard's own client, as far as it knows the keys.
#[test]
fn a_models_key_is_kept_and_never_shown() {
    let models = Models::start(KEY);
    let (server, _folder) = lenient(&TALKATIVE);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let here = format!("http://127.0.0.1:{}", models.port);
    scene.allow(&[&here]);
    let said = python(TB_MODELS, &[&server.http, &here, KEY]);
    assert!(!said.contains(KEY), "{said}");
    let id = json!({"entityType": "AI_MODEL", "id": said.trim()});
    let path = format!("/api/ai/model/{}", said.trim());
    let hot = |model: &Json| scene.ask(AI, &asks(model, "Is it hot?", "JSON"));
    assert_eq!(hot(&id).2, json!({"hot": true, "why": [1]}), "with the key that it was first given");
    assert_eq!(models.asked().last().unwrap()["body"]["model"], "other");

    // Whoever sends the model elsewhere has to know the key.
    let mut elsewhere = tenant.get(&path);
    elsewhere["configuration"]["providerConfig"]["endpoint"] = json!("http://127.0.0.1:19999");
    elsewhere["configuration"]["provider"] = json!("AZURE_OPENAI");
    let (status, told) = tenant.try_post("/api/ai/model", &elsewhere);
    assert!(status == 400 && told.contains("apiKey is missing"), "{told}");
    assert_eq!(hot(&id).0, "Success");

    // What takes too long, what is refused, and what is not there.
    let (relation, metadata, _) = scene.ask(
        AI,
        &json!({"modelId": id, "userPrompt": "be slow", "responseFormat": {"type": "TEXT"}, "timeoutSeconds": 1}),
    );
    let error = metadata["error"].as_str().unwrap_or_default().to_owned();
    assert!(relation == "Failure" && error.contains("did not answer within 1000 ms"), "{error}");
    let wrong = model(
        &tenant,
        "wrong",
        "OPENAI",
        &json!({"baseUrl": format!("{here}/v1"), "apiKey": "sk-other"}),
    );
    let (relation, metadata, _) = hot(&wrong);
    assert_eq!(
        (relation.as_str(), &metadata["statusCode"]),
        ("Failure", &json!("401")),
        "{metadata}"
    );
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let other = sysadmin.post("/api/tenant", &json!({"title": "others"}));
    let others = sysadmin.invite(&json!({"email": "admin@others", "authority": "TENANT_ADMIN", "tenantId": other["id"]}));
    for refused in [others.try_get(&path).0, others.try_post("/api/ai/model", &tenant.get(&path)).0] {
        assert_eq!(refused, 404);
    }
    let foreign = model(
        &others,
        "theirs",
        "OPENAI",
        &json!({"baseUrl": format!("{here}/v1"), "apiKey": KEY}),
    );
    for nowhere in [
        foreign,
        json!({"entityType": "AI_MODEL", "id": "784f394c-42b6-435a-983c-b7beff2784f9"}),
    ] {
        let (relation, metadata, _) = hot(&nowhere);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains("there is no AI model"), "{error}");
    }

    // It is kept, sealed, and goes with the model.
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    assert_eq!(scene.ask(AI, &asks(&id, "Is it hot?", "JSON")).0, "Success");
    assert_eq!(tenant.delete(&path), (200, "true".to_owned()));
    assert_eq!(tenant.delete(&path), (200, "false".to_owned()));
    let (relation, metadata, _) = scene.ask(AI, &asks(&id, "Is it hot?", "JSON"));
    assert_eq!(relation, "Failure", "{metadata}");
    let names = tenant.get("/api/plugins/secrets?pageSize=9&page=0").to_string();
    assert!(!names.contains(said.trim()), "{names}");
    assert!(!server.log().contains("hunter2"));
}

const TB_MODELS: &str = r#"
import sys
from tb_ce_client import ThingsboardClient
from tb_ce_client.models.ai_model import AiModel
from tb_ce_client.models.tb_chat_request import TbChatRequest
url, here, key = sys.argv[1:]
with ThingsboardClient(url, "tenant@pacificsoft.org", "tenant") as client:
    config = {"provider": "OPENAI", "providerConfig": {"baseUrl": here + "/v1", "apiKey": key}, "modelId": "small", "modelType": "CHAT"}
    made = client.save_ai_model(AiModel.from_dict({"name": "M", "configuration": config}))
    assert made.configuration.provider_config.api_key is None, "it is shown"
    made.configuration.model_id = "other"
    made = client.save_ai_model(made)
    assert made.version == 2, made
    found = client.get_ai_model_by_id(str(made.id.id))
    assert (found.name, found.configuration.model_id) == ("M", "other"), found
    assert [one.name for one in client.get_ai_models(10, 0).data] == ["M"]
    def tried(text, more):
        chat = {"systemMessage": "be brief", "userMessage": {"contents": [{"contentType": "TEXT", "text": text}]},
            "chatModelConfig": {**config, **more}}
        return client.send_chat_request(TbChatRequest.from_dict(chat)).status
    assert (tried("a poem", {}), tried("how much?", {}), tried("a poem", {"modelId": "x"})) == ("SUCCESS", "FAILURE", "SUCCESS")
    elsewhere = {"providerConfig": {"baseUrl": "http://127.0.0.1:19999/v1", "apiKey": key}}
    assert tried("a poem", elsewhere) == "FAILURE", "it is on no list"
print(made.id.id)
"#;
