//! Scripts that are tried before they go into a chain.

use serde_json::{Value as Json, json};

use crate::support::{Gateway, People};

const TEST: &str = "/api/ruleChain/testScript";

async fn tried(gateway: &Gateway, people: &People, kind: &str, script: &str) -> (String, String) {
    let names = match kind {
        "generate" => json!(["prevMsg", "prevMetadata", "prevMsgType"]),
        _ => json!(["msg", "metadata", "msgType"]),
    };
    let asked = json!({"script": script, "scriptType": kind, "argNames": names, "msg": "{\"t\": 21}", "metadata": {"deviceName": "D"},
        "msgType": "POST_TELEMETRY_REQUEST"});
    let told = gateway.post(&format!("{TEST}?scriptLang=JS"), &people.admin, asked).await.ok();
    let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
    (text("output"), text("error"))
}

#[tokio::test]
async fn a_script_is_run_on_a_message_by_the_node_that_it_is_for() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let message = |t: Json, n: &str| json!({"msg": {"t": t}, "metadata": {"deviceName": n}, "msgType": "POST_TELEMETRY_REQUEST"});
    let cases = [
        ("filter", "return msg.t > 20;", json!(true)),
        ("filter", "return msg.t > 21; // cold", json!(false)),
        (
            "switch",
            "return [metadata.deviceName, msgType];",
            json!(["D", "POST_TELEMETRY_REQUEST"]),
        ),
        (
            "update",
            "msg.t = 5; metadata.deviceName = 'E'; return {msg: msg, metadata: metadata, msgType: msgType};",
            message(json!(5), "E"),
        ),
        (
            "update",
            "return [{}, {msg: {t: 1}}];",
            json!([message(json!(21), "D"), message(json!(1), "D")]),
        ),
        (
            "generate",
            "return {msg: {t: prevMsg.t + 1}, metadata: prevMetadata, msgType: prevMsgType};",
            message(json!(22), "D"),
        ),
        ("json", "return {hot: msg.t > 20};", json!({"hot": true})),
    ];
    for (kind, script, expected) in cases {
        let (output, error) = tried(&gateway, &people, kind, script).await;
        assert_eq!(error, "", "{script}");
        let output: Json = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{output}: {error}"));
        assert_eq!(output, expected, "{script}");
    }
    let (output, error) = tried(&gateway, &people, "string", "return metadata.deviceName + ' is at ' + msg.t;").await;
    assert_eq!((output.as_str(), error.as_str()), ("D is at 21", ""));
}

#[tokio::test]
async fn what_is_wrong_with_a_script_is_its_answer() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    for (kind, script, says) in [
        ("filter", "var a = 1;\nreturn a +;", "line 2"),
        ("filter", "return msg.t;", "a number, not true or false"),
        ("update", "return gone;", "gone is not defined"),
        ("generate", "return [{}, {}];", "an array"),
        ("string", "while (true) {}", "loops"),
        ("json", "", "not"),
    ] {
        let (output, error) = tried(&gateway, &people, kind, script).await;
        assert!(output.is_empty() && error.contains(says), "{script}: {output} {error}");
        assert!(!error.contains("configuration"), "{error}");
    }
    let asked = |msg: &str, names: Json| json!({"script": "return true;", "scriptType": "filter", "argNames": names, "msg": msg});
    for (query, body, says) in [
        ("?scriptLang=TBEL", asked("{}", json!([])), "write the script in JavaScript"),
        ("", asked("{", json!([])), "msg is not JSON"),
        ("", asked("{}", json!(["a"])), "three names"),
        (
            "",
            asked("{}", json!(["a", "b", "c) { while (true) {} } function x("])),
            "three names",
        ),
    ] {
        let told = gateway.post(&format!("{TEST}{query}"), &people.admin, body).await.ok();
        assert!(told["error"].as_str().is_some_and(|error| error.contains(says)), "{told}");
    }
    let unknown = json!({"script": "return true;", "scriptType": "poem", "msg": "{}"});
    gateway.post(TEST, &people.admin, unknown).await.refused(400, 31);
    let good = asked("{}", json!([]));
    gateway.post(TEST, &people.user, good).await.refused(403, 20);
    assert_eq!(gateway.get("/api/ruleChain/tbelEnabled", &people.admin).await.ok(), json!(false));
}

#[tokio::test]
async fn what_is_tried_is_charged_to_whom_it_belongs_to() {
    let gateway = Gateway::start().await;
    let (people, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let used = async |people: &People| {
        let usage = gateway.get("/api/plugins/usage", &people.admin).await.ok();
        usage["cpuMs"].as_u64().unwrap_or_else(|| panic!("{usage}"))
    };
    assert_eq!((used(&people).await, used(&other).await), (0, 0));
    let (_, error) = tried(&gateway, &people, "filter", "while (true) {}").await;
    assert!(error.contains("loops"), "{error}");
    assert!(used(&people).await > 0);
    let node =
        json!({"type": "org.thingsboard.rule.engine.filter.TbJsFilterNode", "name": "n", "configuration": {"jsScript": "return true;"}});
    let chain = gateway.post("/api/ruleChain", &other.admin, json!({"name": "c"})).await.ok();
    let nodes = vec![node; 50];
    let metadata = json!({"ruleChainId": chain["id"], "firstNodeIndex": 0, "nodes": nodes, "connections": []});
    gateway.post("/api/ruleChain/metadata", &other.admin, metadata).await.ok();
    assert!(used(&other).await > 0);
}
