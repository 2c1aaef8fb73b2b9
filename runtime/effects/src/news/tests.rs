//! What becomes of news that wait.

use serde_json::json;

use super::*;

fn changed(values: Json) -> Downlink {
    Downlink::AttributesChanged(Payload::new(values))
}

fn removed(keys: &[&str]) -> Downlink {
    Downlink::AttributesRemoved(keys.iter().map(|key| Arc::from(*key)).collect())
}

#[test]
fn news_that_wait_become_one_and_keep_their_order() {
    let mut waiting = Vec::new();
    for news in [
        changed(json!({"a": 1, "b": 1})),
        changed(json!({"a": 2})),
        removed(&["a", "b"]),
        removed(&["b", "c"]),
        changed(json!({"a": 3})),
    ] {
        add(&mut waiting, news);
    }
    assert_eq!(
        waiting,
        [
            changed(json!({"a": 2, "b": 1})),
            removed(&["a", "b", "c"]),
            changed(json!({"a": 3}))
        ]
    );
}

#[test]
fn there_is_an_end_to_what_waits() {
    let mut waiting = Vec::new();
    for number in 0..NEWS_MAX {
        add(&mut waiting, changed(json!({"n": number})));
        add(&mut waiting, removed(&["n"]));
    }
    assert_eq!(waiting.len(), NEWS_MAX);
}
