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
fn an_hour_has_its_budget() {
    let graph = routes(Some(0), 1, &[]);
    let message = message(json!({}));
    let mut failures = Failures::default();
    let start = 10 * HOUR_MS;
    let recorded = |failures: &mut Failures, at_ms| failures.record(&graph.nodes[0], &message, "no", at_ms).is_some();
    for count in 0..RECORDED_PER_HOUR {
        assert!(recorded(&mut failures, start + i64::from(count)), "failure {count}");
    }
    assert!(!recorded(&mut failures, start + HOUR_MS - 1));
    assert_eq!(failures.suppressed, 1);
    assert!(recorded(&mut failures, start + HOUR_MS), "the next hour has a budget of its own");
    assert_eq!((failures.suppressed, failures.recorded), (0, 1));
}
