//! What is said of the live feed.

use std::sync::Arc;

use feed::{News, Say, Update};
use model::{AttributeScope, Value};
use peers::codec::feed as fed;
use peers::wire::item;

use crate::device;

/// What is said of the live feed.
pub fn said() -> Vec<(&'static str, Say)> {
    let entity = device().entity();
    let saved = |news| Say::Saved(Arc::new(Update::new(entity, news)));
    let values: Vec<(Arc<str>, Value)> = vec![
        ("b".into(), Value::Bool(true)),
        ("l".into(), Value::Long(-2)),
        ("d".into(), Value::Double(0.5)),
        ("t".into(), Value::Text("12".into())),
        ("j".into(), Value::Json("[]".into())),
    ];
    let scope = AttributeScope::SharedScope;
    vec![
        ("feed-watch", Say::Watch(entity)),
        ("feed-unwatch", Say::Unwatch(entity)),
        ("feed-missed", Say::Missed(entity)),
        (
            "feed-points",
            saved(News::Points {
                ts_ms: -1,
                values: values.clone(),
            }),
        ),
        ("feed-attributes", saved(News::Attributes { scope, ts_ms: 5, values })),
        (
            "feed-attributes-removed",
            saved(News::AttributesRemoved {
                scope: AttributeScope::ServerScope,
                keys: vec!["k".into()],
            }),
        ),
        (
            "feed-attributes-removed-client",
            saved(News::AttributesRemoved {
                scope: AttributeScope::ClientScope,
                keys: vec!["k".into()],
            }),
        ),
        ("feed-points-removed", saved(News::PointsRemoved { key: "k".into() })),
    ]
}

#[test]
fn what_is_said_of_the_feed_is_read_as_it_was() {
    let entity = device().entity();
    for (name, say) in said() {
        match (fed::encode(say.clone()), say) {
            (item::What::Watch(read), Say::Watch(of))
            | (item::What::Unwatch(read), Say::Unwatch(of))
            | (item::What::Missed(read), Say::Missed(of)) => assert_eq!(fed::entity_of(read), Ok(of), "{name}"),
            (item::What::Saved(read), Say::Saved(update)) => assert_eq!(fed::decode(read), Ok((*update).clone()), "{name}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
    // What a newer version tells was missed.
    let newer = peers::wire::Saved {
        entity: Some(fed::entity(entity)),
        what: None,
    };
    assert_eq!(fed::decode(newer), Ok(Update::new(entity, News::Missed)));
    assert!(fed::decode(peers::wire::Saved::default()).is_err());
    let of_no_kind = peers::wire::Entity {
        kind: 200,
        ..fed::entity(entity)
    };
    assert!(fed::entity_of(of_no_kind).is_err());
}
