//! What a recorded failure says, and how many are recorded.

use super::*;
use crate::testing::{message, routes};

#[test]
fn a_recorded_failure_says_where_and_why() {
    let graph = routes(Some(0), 1, &[]);
    let message = message(json!({"t": 1}));
    let Some(Mutation::AppendEvent(event)) = Failures::default().record(&graph.nodes[0], &message, "too hot", 99) else {
        panic!("it is recorded")
    };
    assert_eq!((event.entity, event.ts_ms), (graph.nodes[0].id.entity(), 99));
    let expected = json!({
        "type": "IN",
        "entityId": message.originator.id.to_string(),
        "entityType": "DEVICE",
        "msgId": message.id.to_string(),
        "msgType": "POST_TELEMETRY_REQUEST",
        "dataType": "JSON",
        "relationType": "Failure",
        "data": r#"{"t":1}"#,
        "metadata": r#"{"deviceName":"D"}"#,
        "error": "too hot",
    });
    assert_eq!(event.body, expected);
}

#[test]
fn long_texts_are_cut_between_characters() {
    let graph = routes(Some(0), 1, &[]);
    // Two bytes each: the limit falls into the middle of one, as the data begin with a quotation mark.
    let long = "ü".repeat(TEXT_MAX);
    let Some(Mutation::AppendEvent(event)) = Failures::default().record(&graph.nodes[0], &message(json!(long)), &long, 0) else {
        panic!("it is recorded")
    };
    let data = event.body["data"].as_str().expect("text");
    assert_eq!(data.len(), TEXT_MAX - 1);
    assert!(data.starts_with("\"ü") && data.ends_with('ü'));
    assert_eq!(event.body["error"].as_str().map(str::len), Some(TEXT_MAX));
}

#[test]
fn a_flood_of_failures_is_recorded_in_part_and_counted() {
    let graph = routes(Some(0), 1, &[]);
    let message = message(json!({}));
    let mut failures = Failures::default();
    let start = 1_800_000_000_000;
    let mut recorded = |at_ms: i64| failures.record(&graph.nodes[0], &message, "no", start + at_ms).is_some();
    let at_once = (0..2 * RECORDED_AT_ONCE).filter(|_| recorded(0)).count();
    assert_eq!(at_once, RECORDED_AT_ONCE as usize);
    // Ten seconds of a thousand failures each.
    let later = (1..=10_000).filter(|at_ms| recorded(*at_ms)).count();
    assert_eq!(later, 10 * RECORDED_PER_SECOND as usize);
    assert!(!recorded(5_000), "a clock that was put back gives nothing");
    let after_a_pause = (0..2 * RECORDED_AT_ONCE).filter(|_| recorded(1_000_000)).count();
    assert_eq!(
        after_a_pause, RECORDED_AT_ONCE as usize,
        "the whole budget has come back, and no more"
    );
}

#[test]
fn the_log_is_told_of_a_flood_now_and_then() {
    let graph = routes(Some(0), 1, &[]);
    let message = message(json!({}));
    let mut failures = Failures::default();
    let start = 1_800_000_000_000;
    for at_ms in 0..30_000 {
        failures.record(&graph.nodes[0], &message, "no", start + at_ms);
    }
    assert_eq!(failures.told_ms, start + i64::from(RECORDED_AT_ONCE) + 10, "as it begins");
    let waiting = failures.suppressed;
    assert!(waiting > 20_000, "{waiting}");
    failures.record(&graph.nodes[0], &message, "no", start + 10 * TOLD_EVERY_MS);
    assert_eq!((failures.suppressed, failures.told_ms), (0, start + 10 * TOLD_EVERY_MS));
}
