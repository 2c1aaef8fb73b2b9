//! The node with arguments and results of every kind.

use super::*;
use pacificsoft_sdk::testing::{TestMessage, forget, platform, set_now_ms};
use serde_json::json;

/// An addition, with its arguments and its result.
fn node(arguments: Json, result: Json) -> Math {
    let configuration = json!({"operation": "ADD", "arguments": arguments, "result": result});
    Math::open(&configuration.to_string()).expect("valid")
}

fn decided(node: &mut Math, message: &TestMessage) -> Result<Steps, String> {
    match node.process(&message.message())? {
        Outcome::Steps(steps) => Ok(steps),
        other => panic!("{other:?}"),
    }
}

/// The data that leaves.
fn body(steps: &Steps) -> Json {
    match steps.emissions[0].message.as_ref().and_then(|message| message.payload.as_ref()) {
        Some(Content::Json(text)) => serde_json::from_str(text).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

fn constant(value: &str) -> Json {
    json!({"type": "CONSTANT", "key": value})
}

fn to_body() -> Json {
    json!({"type": "MESSAGE_BODY", "key": "sum", "resultValuePrecision": 2})
}

#[test]
fn arguments_come_from_everywhere() {
    forget();
    let message =
        TestMessage::telemetry(r#"{"a": 1.5, "text": " 2 ", "none": null, "blank": "", "flag": true, "key": "a"}"#).with("m", "4");
    platform(|platform| {
        let device = &message.originator;
        platform.set_attribute(device, "SHARED_SCOPE", "number", json!(8));
        platform.set_attribute(device, "SERVER_SCOPE", "flag", json!(true));
        platform.set_attribute(device, "SERVER_SCOPE", "word", json!("x"));
        platform.add_reading(device, "series", 1, json!("16"));
    });
    let one = |kind: &str, key: &str| json!({"type": kind, "key": key});
    let with = |mut argument: Json, key: &str, value: Json| {
        argument[key] = value;
        argument
    };
    for (argument, expected) in [
        (one("MESSAGE_BODY", "a"), Some(1.5)),
        (one("MESSAGE_BODY", "$[key]"), Some(1.5)),
        (one("MESSAGE_BODY", "text"), Some(2.0)),
        (one("MESSAGE_METADATA", "m"), Some(4.0)),
        (with(one("ATTRIBUTE", "number"), "attributeScope", json!("SHARED_SCOPE")), Some(8.0)),
        (one("ATTRIBUTE", "flag"), Some(1.0)),
        (one("TIME_SERIES", "series"), Some(16.0)),
        (constant("-0.25"), Some(-0.25)),
        (one("MESSAGE_BODY", "gone"), None),
        (one("MESSAGE_BODY", "none"), None),
        (one("MESSAGE_BODY", "blank"), None),
        (one("MESSAGE_BODY", "flag"), None),
        (one("MESSAGE_BODY", "key"), None),
        (one("MESSAGE_METADATA", "gone"), None),
        (one("ATTRIBUTE", "number"), None),
        (one("ATTRIBUTE", "word"), None),
        (one("TIME_SERIES", "gone"), None),
        (with(one("MESSAGE_BODY", "gone"), "defaultValue", json!(3)), Some(3.0)),
        (with(one("MESSAGE_BODY", "none"), "defaultValue", json!(3)), Some(3.0)),
        (with(one("MESSAGE_METADATA", "gone"), "defaultValue", json!(0.0)), Some(0.0)),
        (with(one("ATTRIBUTE", "gone"), "defaultValue", json!(-3)), Some(-3.0)),
        (with(one("TIME_SERIES", "gone"), "defaultValue", json!(5)), Some(5.0)),
        (with(one("ATTRIBUTE", "word"), "defaultValue", json!(5)), None),
    ] {
        let told = decided(&mut node(json!([argument, constant("100")]), to_body()), &message);
        match (told, expected) {
            (Ok(steps), Some(expected)) => assert_eq!(body(&steps)["sum"], json!(100.0 + expected), "{argument}"),
            (Err(_), None) => {}
            (told, _) => panic!("{argument}: {told:?}"),
        }
    }
}

#[test]
fn results_go_everywhere() {
    forget();
    set_now_ms(77);
    let message = TestMessage::telemetry(r#"{"a": 1, "k": "dyn"}"#).with("m", "4");
    let arguments = || json!([{"type": "MESSAGE_BODY", "key": "a"}, constant("2.5")]);
    let result = |json: Json| decided(&mut node(arguments(), json), &message).expect("a result");

    let steps = result(json!({"type": "MESSAGE_BODY", "key": "$[k]", "resultValuePrecision": 0}));
    assert_eq!((body(&steps), steps.effects.len()), (json!({"a": 1, "k": "dyn", "dyn": 4}), 0));

    let steps = result(json!({"type": "MESSAGE_METADATA", "key": "m", "resultValuePrecision": 1}));
    let next = steps.emissions[0].message.as_ref().expect("changed");
    assert_eq!(
        (&next.payload, &next.metadata),
        (&None, &Some(vec![("m".to_owned(), "3.5".to_owned())]))
    );

    let steps = result(json!({"type": "ATTRIBUTE", "key": "sum", "resultValuePrecision": 1, "attributeScope": "SHARED_SCOPE"}));
    assert_eq!(steps.emissions[0].message, None, "the message itself goes on");
    assert!(
        matches!(&steps.effects[..], [Effect::SaveAttributes(save)] if save.scope == "SHARED_SCOPE" && save.notify_device
            && save.values == Content::Json(r#"{"sum":3.5}"#.to_owned())),
        "{steps:?}"
    );

    let steps = result(json!({"type": "TIME_SERIES", "key": "sum", "resultValuePrecision": 0, "addToBody": true, "addToMetadata": true}));
    assert!(
        matches!(&steps.effects[..], [Effect::SaveTimeSeries(save)] if save.timestamp == Some(77)
            && save.values == Content::Json(r#"{"sum":4}"#.to_owned())),
        "{steps:?}"
    );
    assert_eq!(body(&steps)["sum"], 4);
    let next = steps.emissions[0].message.as_ref().expect("changed");
    assert_eq!(next.metadata.as_ref().map(|entries| entries.len()), Some(2));

    let list = TestMessage::telemetry("[1]");
    let told = decided(&mut node(json!([constant("1"), constant("2")]), to_body()), &list);
    assert!(told.is_err_and(|told| told.contains("no object")));
}

#[test]
fn a_counter_sees_what_it_has_saved() {
    forget();
    for (kind, scope) in [("ATTRIBUTE", json!("SERVER_SCOPE")), ("TIME_SERIES", Json::Null)] {
        let arguments = json!([{"type": kind, "key": "count", "attributeScope": scope, "defaultValue": 0}, constant("1")]);
        let mut node = node(
            arguments,
            json!({"type": kind, "key": "count", "attributeScope": scope, "addToBody": true}),
        );
        let counts: Vec<Json> = (0..3)
            .map(|_| body(&decided(&mut node, &TestMessage::telemetry("{}")).expect("a result"))["count"].clone())
            .collect();
        assert_eq!(counts, [1, 2, 3], "{kind}: nothing is stored yet");
    }
}

#[test]
fn what_makes_no_sense_is_refused_when_the_node_opens() {
    let base = json!({"operation": "ADD", "arguments": [constant("1"), constant("2")], "result": to_body()});
    let with = |place: &str, value: Json| {
        let mut changed = base.clone();
        *changed.pointer_mut(place).expect("a place") = value;
        changed
    };
    for (configuration, says) in [
        (json!({}), "missing"),
        (with("/operation", json!("ADDITION")), "operation"),
        (with("/operation", json!("SIN")), "one argument"),
        (with("/operation", json!("CUSTOM")), "customFunction"),
        (with("/arguments", json!([])), "1 to 16"),
        (with("/arguments", json!(vec![constant("1"); 17])), "1 to 16"),
        (with("/arguments/0/key", json!("one")), "no number"),
        (with("/arguments/0/key", json!("")), "key is empty"),
        (with("/arguments/0/type", json!("ALARM")), "unknown variant"),
        (with("/arguments/0", json!({"type": "CONSTANT", "key": "1", "name": "1x"})), "name"),
        (
            with("/arguments/0", json!({"type": "CONSTANT", "key": "1", "name": "y"})),
            "two are named y",
        ),
        (
            with("/arguments/0", json!({"type": "ATTRIBUTE", "key": "a", "attributeScope": "ANY"})),
            "attributeScope",
        ),
        (with("/result/type", json!("CONSTANT")), "result"),
        (with("/result/resultValuePrecision", json!(21)), "resultValuePrecision"),
    ] {
        let told = Math::open(&configuration.to_string()).map(drop).expect_err("no sense");
        assert!(told.contains(says), "{configuration}: {told}");
    }
    assert!(Math::open(Math::descriptor().default_configuration).is_ok());
    let sixteen: Vec<Json> = (0..16)
        .map(|number| json!({"type": "CONSTANT", "key": "1", "name": format!("a{number}")}))
        .collect();
    let custom = json!({"operation": "CUSTOM", "arguments": sixteen, "customFunction": "a0 + a15 * 2", "result": to_body()});
    let mut node = Math::open(&custom.to_string()).expect("sixteen are fine");
    assert_eq!(
        body(&decided(&mut node, &TestMessage::telemetry("{}")).expect("a result"))["sum"],
        3.0
    );
}
