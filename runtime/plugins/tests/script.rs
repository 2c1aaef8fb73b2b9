//! The script nodes in the host: what hostile scripts cost, and whom. Needs what `cargo xtask guests` builds.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "scripted/world.rs"]
mod world;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use model::SystemClock;
use plugins::{Fault, NodeInstance, OpenError, Outcome, ProcessError, RuleComponent, SharedMemory};
use serde_json::json;
use world::message;

/// Compiled once.
fn component() -> &'static RuleComponent {
    static COMPONENT: OnceLock<RuleComponent> = OnceLock::new();
    COMPONENT.get_or_init(|| world::rules(&world::host(64, 64), "script.wasm"))
}

fn open(type_name: &str, script: &str) -> Result<NodeInstance, OpenError> {
    let configuration = json!({"scriptLang": "JS", "jsScript": script}).to_string();
    world::open(
        component(),
        type_name,
        &configuration,
        SharedMemory::default(),
        Arc::new(SystemClock),
    )
}

fn relations(outcome: &Outcome) -> Vec<&str> {
    outcome.emissions.iter().map(|emission| emission.relation.as_str()).collect()
}

#[test]
fn scripts_decide_change_and_multiply() {
    let mut filter = open("script-filter", "return msg.temperature > 20;").unwrap();
    assert_eq!(relations(&filter.process(&message(json!({"temperature": 21}))).unwrap()), ["True"]);
    assert_eq!(relations(&filter.process(&message(json!({"temperature": 20}))).unwrap()), ["False"]);
    let mut switch = open("script-switch", "return metadata.deviceName === 'D' ? ['Eins', 'Zwölf'] : 'Other';").unwrap();
    assert_eq!(relations(&switch.process(&message(json!({}))).unwrap()), ["Eins", "Zwölf"]);
    let script = "return msg.map(v => ({msg: {v: v}, metadata: {at: Date.now() > 1e12}, msgType: 'T' + v}));";
    let mut transform = open("script-transform", script).unwrap();
    let outcome = transform.process(&message(json!([1, "ü"]))).unwrap();
    let all: Vec<_> = outcome
        .emissions
        .iter()
        .map(|emission| emission.message.as_ref().unwrap())
        .collect();
    assert_eq!(
        [all[0].payload.json(), all[1].payload.json()],
        [&json!({"v": 1}), &json!({"v": "ü"})]
    );
    assert_eq!(all[1].metadata.shared("at").map(|text| &**text), Some("true"));
    assert_eq!(all[1].kind.as_str(), "Tü");
}

#[test]
fn configurations_are_refused_in_words() {
    for (script, says) in [
        ("return msg.;", "the script is not JavaScript"),
        ("var a = 1;\nreturn a +;", "line 2"),
    ] {
        match open("script-filter", script).map(drop) {
            Err(OpenError::Configuration(reason)) => assert!(reason.contains(says), "{script}: {reason}"),
            other => panic!("{script}: {other:?}"),
        }
    }
    // So deep that reading it takes more stack than there is.
    match open("script-filter", &["return ", &"(".repeat(45_000), &")".repeat(45_000)].concat()).map(drop) {
        Err(OpenError::Broken(Fault::Stack | Fault::Trap(_))) => {}
        other => panic!("{other:?}"),
    }
}

/// What a hostile script costs, and what its message hears.
enum Cost {
    /// The message fails, and the instance goes on: what the reason says.
    Message(&'static str),
    /// The instance, by its time.
    Time,
    /// The instance, by its memory: it is refused more, or ends itself where it could never get as much.
    Memory,
    /// The instance, by its stack, of which a part is in its memory.
    Stack,
    /// The instance, by what it hands over.
    Output,
}

/// Each row is a script that does harm, as far as it can.
const HOSTILE: &[(&str, &str, Cost)] = &[
    ("loop", "while (true) {}", Cost::Message("goes round its loops more than")),
    (
        "loops in loops",
        "for (;;) { (function () { for (var i = 0; i < 1e5; i++) {} })() }",
        Cost::Time,
    ),
    (
        "caught loop",
        "for (;;) { try { for (;;) {} } catch (e) {} finally { continue } }",
        Cost::Message("goes round its loops more than"),
    ),
    ("backtracking", "return /^(a+)+$/.test('a'.repeat(40) + 'b')", Cost::Time),
    (
        "sorting",
        "return new Array(1e5).fill(0).map((_, i) => -i).sort((a, b) => { for (var i = 0; i < 1e4; i++) {} return a - b })",
        Cost::Time,
    ),
    (
        "recursion",
        "function f() { return f() + 1 } return f()",
        Cost::Message("calls functions inside each other"),
    ),
    (
        "recursion through natives",
        "function f() { return [1].map(f) } return f()",
        Cost::Message("calls functions inside each other"),
    ),
    (
        "recursion through getters",
        "var o = {get a() { return this.a }}; return o.a",
        Cost::Message("calls functions inside each other"),
    ),
    (
        "recursion through JSON",
        "var o = {toJSON() { return JSON.stringify(o) }}; return JSON.stringify(o)",
        Cost::Message("calls functions inside each other"),
    ),
    (
        "deep answer",
        "var a = []; for (var i = 0; i < 1e5; i++) a = [a]; return {msg: a}",
        Cost::Stack,
    ),
    ("memory in texts", "var s = 'x'; for (;;) s += s + 'y'", Cost::Memory),
    (
        "memory in arrays",
        "var a = []; for (;;) a.push(new Array(1000).fill(1))",
        Cost::Memory,
    ),
    ("memory in one array", "return new Array(4e9).fill(1)", Cost::Memory),
    (
        "memory in buffers",
        "var a = []; for (;;) a.push(new ArrayBuffer(1 << 20))",
        Cost::Message("RangeError"),
    ),
    ("a large buffer", "return new ArrayBuffer(1 << 30)", Cost::Message("RangeError")),
    ("a large text", "return 'x'.repeat(1 << 30)", Cost::Memory),
    ("large output", "return {msg: 'x'.repeat(2 << 20)}", Cost::Output),
    (
        "many messages",
        "return new Array(1001).fill({})",
        Cost::Message("more than the 1000 allowed"),
    ),
    ("many relations", "return new Array(101).fill('x')", Cost::Message("not an object")),
    ("thrown megabyte", "throw 'x'.repeat(1 << 20)", Cost::Message("xxx")),
    (
        "code from text",
        "return eval('while (true) {}')",
        Cost::Message("eval and new Function are not offered"),
    ),
];

#[test]
fn hostile_scripts_cost_their_message_or_their_instance_and_nothing_else() {
    let mut good = open("script-filter", "return msg.temperature > 20;").unwrap();
    for (what, script, cost) in HOSTILE {
        let mut node = open("script-transform", script).unwrap();
        let started = Instant::now();
        let found = node.process(&message(json!({})));
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        match (cost, &found) {
            (Cost::Message(says), Err(ProcessError::Rejected(reason))) => {
                assert!(reason.contains(says) && reason.len() < 5_000, "{what}: {reason}");
                // The instance says the same again.
                assert_eq!(node.process(&message(json!({}))).map(drop), found.map(drop), "{what}");
            }
            // Filling memory may take all the time there is.
            (Cost::Time | Cost::Memory | Cost::Stack | Cost::Output, Err(ProcessError::Broken(Fault::Time { .. })))
            | (Cost::Memory, Err(ProcessError::Broken(Fault::Memory { .. } | Fault::Trap(_))))
            | (Cost::Output, Err(ProcessError::Broken(Fault::Output { .. })))
            | (Cost::Stack, Err(ProcessError::Broken(Fault::Stack | Fault::Trap(_)))) => {}
            _ => panic!("{what}: {found:?}"),
        }
        assert_eq!(
            relations(&good.process(&message(json!({"temperature": 21}))).unwrap()),
            ["True"],
            "beside {what}"
        );
    }
}

#[test]
fn an_instance_does_not_grow_with_its_messages() {
    let script = "left = msg.list.map(x => x + 1); Promise.resolve(left).then(() => left); \
        return {msg: JSON.parse(JSON.stringify(msg)), metadata: {n: JSON.parse('{\"a' + msg.n + '\": 1}')['a' + msg.n]}}";
    let mut node = open("script-transform", script).unwrap();
    let mut grown = Vec::new();
    for n in 0..8_000 {
        node.process(&message(json!({"n": n, "list": vec![n; 100]}))).unwrap();
        if n % 2_000 == 1_999 {
            grown.push(node.memory_bytes());
        }
    }
    // What is collected from time to time moves the end of the memory by pages; what stays would be hundreds of bytes each.
    assert!(grown[3] <= grown[1] + (128 << 10), "{grown:?}");
}

/// How long opening and deciding take, and what an instance takes: `cargo test --release -p plugins --test script -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn figures() {
    component();
    let cases = [
        ("script-filter", "return msg.temperature > 20;", json!({"temperature": 21.5})),
        (
            "script-switch",
            "if (msg.temperature > 20) return ['High', 'All']; return 'All';",
            json!({"temperature": 21.5, "humidity": 40}),
        ),
        (
            "script-transform",
            "msg.f = msg.temperature * 1.8 + 32; metadata.unit = 'F'; return {msg: msg, metadata: metadata, msgType: msgType};",
            json!({"temperature": 21.5, "humidity": 40}),
        ),
        (
            "script-transform",
            "return {msg: msg, metadata: metadata, msgType: msgType};",
            json!((0..50).map(|i| (format!("key{i}"), json!(i))).collect::<serde_json::Map<_, _>>()),
        ),
    ];
    for (type_name, script, payload) in cases {
        let started = Instant::now();
        let mut node = open(type_name, script).unwrap();
        let opened = started.elapsed();
        let message = message(payload);
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            for _ in 0..2_000 {
                node.process(&message).unwrap();
            }
            rounds.push(started.elapsed() / 2_000);
        }
        println!(
            "{type_name}: open {opened:?}, message {:?} (best of {rounds:?}), memory {} kB",
            rounds.iter().min().unwrap(),
            node.memory_bytes() / 1024
        );
    }
}
