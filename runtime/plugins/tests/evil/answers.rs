//! What nodes hand over while they open and decide: no text, not there, too much, out of turn.

use std::sync::Arc;

use handmade::image::Span;
use handmade::{Guest, World, deeds};

use crate::world::{Platform, fails, fate};

const FAIL: &str = "(import \"pacificsoft:plugin/answer@0.1.0\" \"fail\" (func $fail (param i32 i32)))";
const LOG: &str = "(import \"pacificsoft:plugin/log@0.1.0\" \"log\" (func $log (param i32 i32 i32)))";
const NUMBER: &str = "(import \"pacificsoft:plugin/message@0.1.0\" \"number\" (func $number (param i32 i32 i32)))";
const ATTRIBUTE: &str = "(import \"pacificsoft:plugin/readings@0.1.0\" \"attribute\" \
     (func $attribute (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))";

const SET: &str = "(import \"pacificsoft:plugin/state@0.1.0\" \"set\" (func $set (param i32 i32 i32 i32 i32)))";

/// A node that keeps a value under a key.
fn keeping(key: Span, value: Span) -> Guest {
    let words = [key.at, key.len, value.at, value.len]
        .map(|word| format!("(i32.const {word})"))
        .concat();
    Guest::new(World::Nodes)
        .importing(SET)
        .with("process", &format!("(call $set {words} (i32.const 512)) (i32.const 0)"))
}

/// A node that answers `process` by saying why it fails, with a text.
fn failing(text: Span) -> Guest {
    let body = format!("(call $fail (i32.const {}) (i32.const {})) (i32.const -1)", text.at, text.len);
    Guest::new(World::Nodes).importing(FAIL).with("process", &body)
}

/// The same, with text in its memory.
fn failing_with(bytes: &[u8]) -> Guest {
    let mut guest = Guest::new(World::Nodes);
    let text = guest.image.text(bytes);
    let image = guest.image;
    let mut guest = failing(text);
    guest.image = image;
    let described = handmade::says::types(&mut guest.image, &[handmade::says::NodeType::default()]);
    guest.with("describe", &deeds::answer(described))
}

/// A node that refuses its configuration, with a text.
fn refusing(bytes: &[u8]) -> Guest {
    let mut guest = Guest::new(World::Nodes);
    let answer = guest.image.refusal(bytes);
    guest.with("open", &deeds::answer(answer))
}

fn logging(level: u32, text: Span) -> Guest {
    let body = format!(
        "(call $log (i32.const {level}) (i32.const {}) (i32.const {})) (i32.const 0)",
        text.at, text.len
    );
    Guest::new(World::Nodes).importing(LOG).with("process", &body)
}

#[test]
fn answers_that_make_no_sense_cost_the_message_or_the_instance() {
    let zeros = |len| Span { at: 0, len };
    let beyond = Span { at: 0xffff_0000, len: 10 };
    let process = |body: &str| Guest::new(World::Nodes).with("process", body);
    let cases: Vec<(&str, Guest, &str, &str)> = vec![
        (
            "an answer that is not there",
            process("(i32.const -1)"),
            "rejected",
            "handed none over",
        ),
        ("a relation that is not there", process("(i32.const 77)"), "rejected", "77"),
        ("a reason", failing_with(b"because"), "rejected", "because"),
        ("a reason that is no text", failing_with(&[0xc0, 0x80]), "process", "utf-8"),
        ("a reason beyond the memory", failing(beyond), "process", "trapped"),
        (
            "a reason of megabytes",
            failing(zeros(2 << 20)).with_pages(64),
            "process",
            "bytes at once",
        ),
        ("a reason of 900 kB", failing(zeros(900_000)).with_pages(64), "rejected", "\0"),
        ("a refusal that is no text", refusing(&[0xff]), "open", "utf-8"),
        ("a refusal of 900 kB", refusing(&vec![b'x'; 900_000]), "open", "xxxx"),
        ("a refusal of megabytes", refusing(&vec![b'x'; 2 << 20]), "open", "bytes at once"),
        (
            "neither well nor failed",
            Guest::new(World::Nodes).with("open", "(i32.store8 (i32.const 512) (i32.const 7)) (i32.const 512)"),
            "open",
            "trapped",
        ),
        ("a level that is none", logging(9, zeros(4)), "process", "trapped"),
        ("a log line beyond the memory", logging(1, beyond), "process", "trapped"),
        (
            "a log line of megabytes",
            logging(1, zeros(2 << 20)).with_pages(64),
            "process",
            "bytes at once",
        ),
        ("a key beyond the memory", keeping(beyond, zeros(1)), "process", "trapped"),
        ("a value beyond the memory", keeping(zeros(1), beyond), "process", "trapped"),
        (
            "a value of megabytes",
            keeping(zeros(1), zeros(2 << 20)).with_pages(64),
            "process",
            "bytes at once",
        ),
        (
            "a message that is not in hand",
            Guest::new(World::Nodes)
                .importing(NUMBER)
                .with("open", "(call $number (i32.const 0) (i32.const 0) (i32.const 512)) (i32.const 0)"),
            "open",
            "trapped",
        ),
        (
            "a place for an answer that is beyond the memory",
            Guest::new(World::Nodes).importing(NUMBER).with(
                "process",
                "(call $number (i32.const 0) (i32.const 0) (i32.const -16)) (i32.const 0)",
            ),
            "process",
            "trapped",
        ),
    ];
    for (name, guest, stage, says) in cases {
        fails(name, &guest, stage, says);
    }
}

#[test]
fn what_is_out_of_turn_and_harmless_is_let_go() {
    let platform = Arc::new(Platform::default());
    // Failing while opening is no answer to a message that comes later; an entity that is none has no attributes.
    let early = Guest::new(World::Nodes)
        .importing(FAIL)
        .with("open", "(call $fail (i32.const 0) (i32.const 0)) (i32.const 0)");
    assert_eq!(fate(&early, &platform), None);
    let none = "(i32.const 0)";
    let curious = format!("(call $attribute {none} {none} {none} {none} {none} {none} {none} {none} (i32.const 512)) (i32.const 0)");
    let curious = Guest::new(World::Nodes).importing(ATTRIBUTE).with("process", &curious);
    assert!(fate(&curious, &platform).is_none_or(|(stage, _)| stage != "load"));
}

#[test]
fn floods_end_with_the_time_of_a_message() {
    let started = std::time::Instant::now();
    let endless = |call: &str| format!("(loop $again {call} (br $again)) unreachable");
    let platform = Arc::new(Platform::default());
    let logs = Guest::new(World::Nodes)
        .importing(LOG)
        .with("process", &endless("(call $log (i32.const 3) (i32.const 0) (i32.const 8))"));
    let reads = Guest::new(World::Nodes)
        .importing(NUMBER)
        .with("process", &endless("(call $number (i32.const 0) (i32.const 0) (i32.const 512))"));
    let fails = Guest::new(World::Nodes)
        .importing(FAIL)
        .with("process", &endless("(call $fail (i32.const 0) (i32.const 1000))"));
    for (name, guest) in [("log flood", logs), ("read flood", reads), ("answer flood", fails)] {
        let (stage, words) = fate(&guest, &platform).unwrap();
        assert!(
            stage == "process" && words.contains("processor time") | words.contains("bytes at once"),
            "{name}: {stage}: {words}"
        );
    }
    let lines = platform.0.lock().len() as u64;
    // Fifty in a second of the wall's clock, and how many were dropped: a busy machine takes several for a guest's tenth.
    let most = 52 * (started.elapsed().as_secs() + 2);
    assert!((1..=most).contains(&lines), "{lines} lines, at most {most}");
}
