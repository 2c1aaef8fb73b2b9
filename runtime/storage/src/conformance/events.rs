//! Promises of [`crate::EventStore`].

use model::entity::EventKind;
use model::{EntityId, PageRequest};

use super::sample::{append, commit, device, event, sibling};
use crate::{EventFilter, Store};

const KIND: EventKind = EventKind::DebugRuleNode;

fn any() -> EventFilter {
    EventFilter {
        kind: KIND,
        from_ms: None,
        to_ms: None,
    }
}

async fn times(store: &dyn Store, entity: EntityId, filter: &EventFilter, page: &PageRequest) -> Vec<i64> {
    let page = store.events(entity, filter, page).await.expect("lists");
    page.data.into_iter().map(|event| event.ts_ms).collect()
}

/// Newest first, unless the request names a property; pages are complete, and events come back as written.
pub async fn newest_come_first(store: &dyn Store) {
    let entity = device();
    let events: Vec<_> = [2, 5, 1, 4, 3].into_iter().map(|ts| event(entity, KIND, ts)).collect();
    commit(store, events.iter().map(append).collect()).await;
    let first = PageRequest::first(10);
    assert_eq!(times(store, entity, &any(), &first).await, [5, 4, 3, 2, 1]);
    let mut by_time = PageRequest {
        sort_property: Some("createdTime".into()),
        ..first
    };
    assert_eq!(times(store, entity, &any(), &by_time).await, [1, 2, 3, 4, 5]);
    by_time.descending = true;
    assert_eq!(times(store, entity, &any(), &by_time).await, [5, 4, 3, 2, 1]);
    let second = PageRequest {
        page: 1,
        ..PageRequest::first(2)
    };
    let page = store.events(entity, &any(), &second).await.expect("lists");
    assert_eq!(page.data, [events[4].clone(), events[0].clone()]);
    assert_eq!((page.total_pages, page.total_elements, page.has_next), (3, 5, true));
}

/// Both bounds belong to the list, and events of the same time are all kept.
pub async fn are_bounded_by_time(store: &dyn Store) {
    let entity = device();
    commit(
        store,
        [i64::MIN, 1, 2, 2, 3, i64::MAX]
            .into_iter()
            .map(|ts| append(&event(entity, KIND, ts)))
            .collect(),
    )
    .await;
    let cases: [(Option<i64>, Option<i64>, &[i64]); 6] = [
        (None, None, &[i64::MAX, 3, 2, 2, 1, i64::MIN]),
        (Some(2), None, &[i64::MAX, 3, 2, 2]),
        (None, Some(2), &[2, 2, 1, i64::MIN]),
        (Some(2), Some(2), &[2, 2]),
        (Some(4), Some(9), &[]),
        (Some(3), Some(1), &[]),
    ];
    for (from_ms, to_ms, expected) in cases {
        let filter = EventFilter {
            kind: KIND,
            from_ms,
            to_ms,
        };
        assert_eq!(times(store, entity, &filter, &PageRequest::first(10)).await, expected, "{filter:?}");
    }
}

/// A list has events of one kind and entity.
pub async fn kinds_and_entities_are_apart(store: &dyn Store) {
    let entity = device();
    let other = sibling(entity);
    let written = [
        (entity, KIND, 1),
        (entity, EventKind::Error, 2),
        (entity, EventKind::Stats, 3),
        (other, KIND, 4),
    ];
    commit(
        store,
        written
            .into_iter()
            .map(|(entity, kind, ts)| append(&event(entity, kind, ts)))
            .collect(),
    )
    .await;
    for (entity, kind, ts) in written {
        let filter = EventFilter { kind, ..any() };
        assert_eq!(times(store, entity, &filter, &PageRequest::first(10)).await, [ts]);
    }
    let filter = EventFilter {
        kind: EventKind::Error,
        ..any()
    };
    assert_eq!(times(store, other, &filter, &PageRequest::first(10)).await, [0; 0]);
}
