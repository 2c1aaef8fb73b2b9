//! What scripts return, and the messages that it becomes.

use pacificsoft_sdk::Content;
use pacificsoft_sdk::testing::{TestMessage, set_now_ms};
use serde_json::{Value as Json, json};

use super::*;

type Made = (Option<String>, Option<Vec<(String, String)>>, Option<Json>);

fn open(script: &str) -> ScriptTransform {
    let configuration = json!({"scriptLang": "JS", "jsScript": script}).to_string();
    ScriptTransform::open(&configuration).expect(script)
}

fn made(node: &mut ScriptTransform, message: &TestMessage) -> Result<Vec<Made>, String> {
    let Outcome::Steps(steps) = node.process(&message.message())? else {
        panic!("not steps");
    };
    let one = |emission: Emission| {
        assert_eq!(emission.relation, "Success");
        let message = emission.message.expect("a message");
        let payload = message.payload.map(|content| match content {
            Content::Json(json) => serde_json::from_str(&json).expect("JSON"),
            other => panic!("{other:?}"),
        });
        (message.kind, message.metadata, payload)
    };
    Ok(steps.emissions.into_iter().map(one).collect())
}

/// The payload that a script makes of a message.
fn payload(script: &str, message: &TestMessage) -> Result<Json, String> {
    let mut all = made(&mut open(script), message)?;
    assert_eq!(all.len(), 1, "{script}");
    Ok(all.remove(0).2.expect("a payload"))
}

fn entry(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn what_is_left_out_stays() {
    let message = TestMessage::telemetry(r#"{"t": 1}"#).with("a", "1");
    let all = |script: &str| made(&mut open(script), &message);
    let kept = Some(vec![entry("a", "1")]);
    let kind = Some("POST_TELEMETRY_REQUEST".to_owned());
    assert_eq!(all(DEFAULT), Ok(vec![(kind, kept.clone(), Some(json!({"t": 1})))]));
    assert_eq!(all("return {}"), Ok(vec![(None, None, None)]));
    assert_eq!(
        all("return {msg: {a: [1, {b: null}]}}"),
        Ok(vec![(None, None, Some(json!({"a": [1, {"b": null}]})))])
    );
    assert_eq!(all("return {msg: null}"), Ok(vec![(None, None, Some(Json::Null))]));
    assert_eq!(
        all("return {msg: undefined, metadata: null, msgType: ''}"),
        Ok(vec![(None, None, None)])
    );
    assert_eq!(all("return {msgType: 'OWN'}"), Ok(vec![(Some("OWN".to_owned()), None, None)]));
    assert_eq!(all("return {metadata: metadata}"), Ok(vec![(None, kept, None)]));
}

#[test]
fn metadata_become_text() {
    let message = TestMessage::telemetry("{}").with("a", "1");
    let script = "metadata.n = 40; metadata.half = 0.5; metadata.big = 1e21; metadata.yes = true; metadata.none = null;
        metadata.gone = undefined; metadata['ключ'] = 'значение'; return {metadata: metadata}";
    let all = made(&mut open(script), &message).expect("one message");
    let expected = [
        entry("a", "1"),
        entry("big", "1e+21"),
        entry("half", "0.5"),
        entry("n", "40"),
        entry("yes", "true"),
        entry("ключ", "значение"),
    ];
    assert_eq!(all[0].1.as_deref(), Some(&expected[..]));
    let refused = made(&mut open("metadata.o = {}; return {metadata: metadata}"), &message);
    assert_eq!(
        refused,
        Err("metadata.o of what the script returned is an object, not text: JSON.stringify makes text of it".to_owned())
    );
    let refused = made(&mut open("return [{}, {metadata: 'a'}]"), &message);
    assert_eq!(
        refused,
        Err("metadata of element 1 of the script's array is text, not an object".to_owned())
    );
}

#[test]
fn an_array_is_several_messages() {
    let message = TestMessage::telemetry(r#"{"values": [1, 2]}"#);
    let script = "return msg.values.map(v => ({msg: {v: v}, metadata: {i: v}, msgType: 'T' + v}))";
    let one = |v: i32| {
        (
            Some(format!("T{v}")),
            Some(vec![entry("i", &v.to_string())]),
            Some(json!({ "v": v })),
        )
    };
    assert_eq!(made(&mut open(script), &message), Ok(vec![one(1), one(2)]));
    assert_eq!(made(&mut open("return []"), &message), Ok(Vec::new()));
    assert_eq!(
        made(&mut open("return [{}, 5]"), &message),
        Err(
            "element 1 of the script's array is a number, not an object such as {msg: msg, metadata: metadata, msgType: msgType}"
                .to_owned()
        )
    );
    for (script, what) in [
        ("return 'x'", "text"),
        ("return", "nothing"),
        ("return true", "a boolean"),
        ("return null", "null"),
    ] {
        let reason = format!("the script returned {what}, not an object or an array of objects");
        assert_eq!(made(&mut open(script), &message), Err(reason));
    }
}

#[test]
fn data_come_through_a_script_as_javascript_has_them() {
    let unchanged = [
        r#"{"":0,"a b":{"__proto__":1,"constructor":2,"toString":"x","hasOwnProperty":[]},"7":[[],[[]]]}"#,
        r#"["é","日本語","😀","\u0000\u001f\"\\/",""]"#,
        r#"[-1,2147483647,2147483648,-2147483649,9007199254740991,0.1,1e-7,-1.5e300,1e300]"#,
        r#"[null,true,false,{},[]]"#,
        "5",
        r#""text""#,
        "null",
    ];
    for json in unchanged {
        let message = TestMessage::telemetry(json);
        assert_eq!(payload(DEFAULT, &message), Ok(message.payload.clone()), "{json}");
        let through = "return {msg: JSON.parse(JSON.stringify(msg))}";
        assert_eq!(payload(through, &message), Ok(message.payload.clone()), "{json}");
    }
    // Numbers are doubles.
    let rounded = [
        ("9007199254740993", "9007199254740992"),
        ("18446744073709551615", "18446744073709552000"),
        ("-0.0", "0"),
        ("1.0", "1"),
    ];
    for (json, expected) in rounded {
        let found = payload(DEFAULT, &TestMessage::telemetry(json));
        assert_eq!(
            found.map(|json| json.as_f64()),
            Ok(serde_json::from_str::<Json>(expected).expect("JSON").as_f64()),
            "{json}"
        );
    }
    let deep = ["[".repeat(100), "]".repeat(100)].concat();
    let message = TestMessage::telemetry(&deep);
    assert_eq!(payload(DEFAULT, &message), Ok(message.payload.clone()));
}

#[test]
fn what_json_has_no_word_for() {
    let message = TestMessage::telemetry("{}");
    let cases = [
        (
            "return {msg: {a: NaN, b: Infinity, c: undefined, d: function() {}, e: [undefined]}}",
            Ok(json!({"a": null, "b": null, "e": [null]})),
        ),
        ("return {msg: new Date(0)}", Ok(json!("1970-01-01T00:00:00.000Z"))),
        ("return {msg: {toJSON() { return 'own'; }}}", Ok(json!("own"))),
        ("return {msg: new Map([[1, 2]])}", Ok(json!({}))),
        ("return {msg: new Number(5)}", Ok(json!(5))),
        ("var a = {}; a.a = a; return {msg: a}", Err("TypeError: cyclic object value")),
        ("return {msg: 10n}", Err("TypeError: cannot serialize bigint to JSON")),
    ];
    for (script, expected) in cases {
        let found = payload(script, &message);
        match expected {
            Ok(json) => assert_eq!(found, Ok(json), "{script}"),
            Err(reason) => assert!(found.as_ref().is_err_and(|found| found.starts_with(reason)), "{script}: {found:?}"),
        }
    }
}

#[test]
fn the_language_is_there() {
    let message = TestMessage::telemetry(r#"{"payload": "0a1f", "t": "21.5", "list": [3, 1, 2]}"#);
    let cases = [
        (
            "var b = []; for (var i = 0; i < msg.payload.length; i += 2) b.push(parseInt(msg.payload.substr(i, 2), 16)); return {msg: b}",
            json!([10, 31]),
        ),
        ("return {msg: parseFloat(msg.t).toFixed(2)}", json!("21.50")),
        ("return {msg: msg.list.sort((a, b) => a - b).join('-')}", json!("1-2-3")),
        (
            "const {list, ...others} = msg, [first, ...rest] = list; return {msg: {first, rest, n: Object.keys(others)}}",
            json!({"first": 3, "rest": [1, 2], "n": ["payload", "t"]}),
        ),
        (
            "class P { #x = 1; get x() { return this.#x ?? 2; } } return {msg: `${new P().x}`}",
            json!("1"),
        ),
        ("return {msg: /(\\d+)\\.(\\d+)/.exec(msg.t).slice(1)}", json!(["21", "5"])),
        ("return {msg: 'ß€😀'.toUpperCase()}", json!("SS€😀")),
        ("try { null.x } catch (e) { return {msg: e instanceof TypeError} }", json!(true)),
        (
            "var e = new Error('a'); e.name = 'Own'; e.message = 'b'; return {msg: String(e)}",
            json!("Own: b"),
        ),
        (
            "class E extends Error { constructor(m) { super(m); this.name = 'E'; } } return {msg: String(new E('m'))}",
            json!("E: m"),
        ),
        (
            "var o = {}; o.toString = () => 'o'; o.constructor = 5; return {msg: [String(o), o.constructor]}",
            json!(["o", 5]),
        ),
        (
            "return {msg: [new Date().getTimezoneOffset(), new Date(2024, 0, 2).toISOString()]}",
            json!([0, "2024-01-02T00:00:00.000Z"]),
        ),
        (
            "var u = new Uint8Array([1, 2]); return {msg: new DataView(u.buffer).getInt16(0)}",
            json!(258),
        ),
        (
            "return {msg: JSON.parse('{\"a\": [1, 2]}', (k, v) => typeof v === 'number' ? v + 1 : v)}",
            json!({"a": [2, 3]}),
        ),
        ("return {msg: unescape(encodeURIComponent('é')).length}", json!(2)),
        ("return {msg: [msg, 1].flat().length + [...'ab'].length}", json!(4)),
    ];
    for (script, expected) in cases {
        assert_eq!(payload(script, &message), Ok(expected), "{script}");
    }
}

#[test]
fn time_and_chance() {
    set_now_ms(1_700_000_000_123);
    let message = TestMessage::telemetry("{}");
    assert_eq!(payload("return {msg: Date.now()}", &message), Ok(json!(1_700_000_000_123_i64)));
    let mut node = open("return {msg: Math.random()}");
    let mut chance = || {
        made(&mut node, &message).expect("a number")[0]
            .2
            .clone()
            .and_then(|json| json.as_f64())
            .expect("a number")
    };
    let all: Vec<f64> = (0..100).map(|_| chance()).collect();
    assert!(all.iter().all(|one| (0.0..1.0).contains(one)));
    let mean = all.iter().sum::<f64>() / 100.0;
    assert!((0.35..0.65).contains(&mean), "{mean}");
}
