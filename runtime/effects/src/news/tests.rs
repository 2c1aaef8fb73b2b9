//! What becomes of news that wait.

use serde_json::json;

use super::*;

fn changed(values: Json) -> News {
    News::Device(Downlink::AttributesChanged(Payload::new(values)))
}

fn removed(keys: &[&str]) -> News {
    News::Device(Downlink::AttributesRemoved(keys.iter().map(|key| Arc::from(*key)).collect()))
}

fn told(kind: MessageKind, scope: &str, values: Json) -> News {
    News::Chain(Notice {
        kind,
        metadata: [("scope", scope)].into_iter().collect(),
        payload: Payload::new(values),
    })
}

/// News have no equality of their own.
fn shown(news: &[News]) -> Vec<String> {
    news.iter().map(|one| format!("{one:?}")).collect()
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
    let expected = [
        changed(json!({"a": 2, "b": 1})),
        removed(&["a", "b", "c"]),
        changed(json!({"a": 3})),
    ];
    assert_eq!(shown(&waiting), shown(&expected));
}

#[test]
fn what_chains_are_told_becomes_one_for_each_scope() {
    const UPDATED: MessageKind = MessageKind::AttributesUpdated;
    let gone = || told(MessageKind::AttributesDeleted, "SERVER_SCOPE", json!({"attributes": ["a"]}));
    let mut waiting = Vec::new();
    for news in [
        told(UPDATED, "SERVER_SCOPE", json!({"a": 1})),
        told(UPDATED, "SERVER_SCOPE", json!({"b": 1})),
        told(UPDATED, "SHARED_SCOPE", json!({"a": 1})),
        gone(),
        gone(),
    ] {
        add(&mut waiting, news);
    }
    let expected = [
        told(UPDATED, "SERVER_SCOPE", json!({"a": 1, "b": 1})),
        told(UPDATED, "SHARED_SCOPE", json!({"a": 1})),
        gone(),
        gone(),
    ];
    assert_eq!(shown(&waiting), shown(&expected));
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
