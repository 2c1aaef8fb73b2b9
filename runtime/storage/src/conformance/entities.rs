//! Promises of [`crate::EntityStore`].

use model::entity::{EntityRecord, EventKind};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Page, PageRequest, TenantId};
use serde_json::json;
use uuid::Uuid;

use super::sample::{append, attributes, commit, create, device, event, points, record, sibling, token};
use crate::{EntityFilter, EventFilter, StorageError, Store};

async fn names(store: &dyn Store, of: EntityId, filter: &EntityFilter, page: &PageRequest) -> Vec<String> {
    let page = store.entities(of.tenant, of.kind, filter, page).await.expect("lists");
    page.data.into_iter().map(|record| record.name).collect()
}

/// What is saved is what is read, by id and by name.
pub async fn come_back_as_saved(store: &dyn Store) {
    let id = device();
    let saved = EntityRecord {
        customer: Some(Uuid::now_v7()),
        subtype: "".into(),
        ..record(id, "Zähler 1")
    };
    create(store, saved.clone()).await;
    let expected = Some(EntityRecord { version: 1, ..saved });
    assert_eq!(store.entity(id).await.expect("reads"), expected);
    assert_eq!(store.entity_by_name(id.tenant, id.kind, "Zähler 1").await.expect("reads"), expected);
    assert_eq!(store.entity(sibling(id)).await.expect("reads"), None);
    for other in ["zähler 1", "Zähler", "", &"x".repeat(100_000)] {
        assert_eq!(store.entity_by_name(id.tenant, id.kind, other).await.expect("reads"), None);
    }
}

/// A save counts the version up, and only the stored version can be replaced.
pub async fn count_versions(store: &dyn Store) {
    let id = device();
    let missing = store
        .save_entity(EntityRecord {
            version: 1,
            ..record(id, "a")
        })
        .await
        .expect_err("nothing to replace");
    assert!(matches!(missing, StorageError::NotFound), "{missing}");
    create(store, record(id, "a")).await;
    let changed = EntityRecord {
        version: 1,
        body: json!({"changed": true}),
        ..record(id, "a")
    };
    assert_eq!(store.save_entity(changed.clone()).await.expect("replaces"), 2);
    for given in [0, 1, 3] {
        let conflict = store
            .save_entity(EntityRecord {
                version: given,
                ..record(id, "a")
            })
            .await
            .expect_err("not the stored version");
        assert!(
            matches!(conflict, StorageError::VersionConflict { given: said, stored: 2 } if said == given),
            "{conflict}"
        );
    }
    assert_eq!(store.entity(id).await.expect("reads"), Some(EntityRecord { version: 2, ..changed }));
}

/// A name is taken within its tenant and kind, until its owner gives it up.
pub async fn names_are_unique(store: &dyn Store) {
    let (first, second) = {
        let id = device();
        (id, sibling(id))
    };
    create(store, record(first, "a")).await;
    let taken = store.save_entity(record(second, "a")).await.expect_err("the name is taken");
    assert!(matches!(&taken, StorageError::NameTaken(name) if name == "a"), "{taken}");
    assert_eq!(store.entity(second).await.expect("reads"), None);
    create(
        store,
        record(
            EntityId {
                kind: EntityKind::Asset,
                ..second
            },
            "a",
        ),
    )
    .await;
    create(
        store,
        record(
            EntityId {
                tenant: TenantId::generate(),
                ..second
            },
            "a",
        ),
    )
    .await;
    create(store, record(second, "b")).await;
    let taken = store
        .save_entity(EntityRecord {
            version: 1,
            ..record(second, "a")
        })
        .await
        .expect_err("the name is taken");
    assert!(matches!(taken, StorageError::NameTaken(_)), "{taken}");
    store
        .save_entity(EntityRecord {
            version: 1,
            ..record(first, "c")
        })
        .await
        .expect("renames");
    store
        .save_entity(EntityRecord {
            version: 1,
            ..record(second, "a")
        })
        .await
        .expect("takes the free name");
    let found = store
        .entity_by_name(first.tenant, first.kind, "a")
        .await
        .expect("reads")
        .expect("found");
    assert_eq!(found.id, second);
    assert_eq!(store.entity_by_name(first.tenant, first.kind, "b").await.expect("reads"), None);
    assert!(store.delete_entity(second).await.expect("deletes"));
    create(store, record(sibling(first), "a")).await;
}

/// Of many at the same time, one gets the name.
pub async fn a_name_goes_to_one_of_two(store: &dyn Store) {
    let id = device();
    let save = || store.save_entity(record(sibling(id), "wanted"));
    let results = tokio::join!(save(), save(), save(), save());
    let results: [_; 4] = results.into();
    assert_eq!(results.iter().filter(|result| matches!(result, Ok(1))).count(), 1, "{results:?}");
    assert_eq!(
        results
            .iter()
            .filter(|result| matches!(result, Err(StorageError::NameTaken(_))))
            .count(),
        3,
        "{results:?}"
    );
    assert_eq!(
        names(store, id, &EntityFilter::default(), &PageRequest::first(10)).await,
        ["wanted"]
    );
}

/// Filters narrow a list, and so does text search, in any case.
pub async fn lists_filter_and_search(store: &dyn Store) {
    let (id, customer) = (device(), Uuid::now_v7());
    for (name, subtype, customer) in [
        ("Pump 1", "pump", Some(customer)),
        ("Pump 2", "pump", None),
        ("Ölfass", "tank", Some(customer)),
    ] {
        create(
            store,
            EntityRecord {
                subtype: subtype.into(),
                customer,
                ..record(sibling(id), name)
            },
        )
        .await;
    }
    create(
        store,
        record(
            EntityId {
                kind: EntityKind::Asset,
                ..sibling(id)
            },
            "Pump 3",
        ),
    )
    .await;
    create(store, record(device(), "Pump 4")).await;
    let (of_customer, of_type) = (Some(customer), Some("pump".to_owned()));
    let cases: [(EntityFilter, Option<&str>, &[&str]); 6] = [
        (EntityFilter::default(), None, &["Pump 1", "Pump 2", "Ölfass"]),
        (
            EntityFilter {
                customer: of_customer,
                subtype: None,
            },
            None,
            &["Pump 1", "Ölfass"],
        ),
        (
            EntityFilter {
                customer: None,
                subtype: of_type.clone(),
            },
            None,
            &["Pump 1", "Pump 2"],
        ),
        (
            EntityFilter {
                customer: of_customer,
                subtype: of_type,
            },
            None,
            &["Pump 1"],
        ),
        (EntityFilter::default(), Some("PUMP"), &["Pump 1", "Pump 2"]),
        (
            EntityFilter {
                customer: of_customer,
                subtype: None,
            },
            Some("öL"),
            &["Ölfass"],
        ),
    ];
    for (filter, search, expected) in cases {
        let page = PageRequest {
            text_search: search.map(Into::into),
            sort_property: Some("name".into()),
            ..PageRequest::first(10)
        };
        assert_eq!(names(store, id, &filter, &page).await, expected, "{filter:?} {search:?}");
    }
}

/// Lists sort by name, type or time of creation, both ways; creation is the default.
pub async fn lists_sort(store: &dyn Store) {
    let id = device();
    for (name, subtype, created) in [("b", "y", 30), ("c", "x", 10), ("a", "z", 20)] {
        let body = json!({ "createdTime": created });
        create(
            store,
            EntityRecord {
                subtype: subtype.into(),
                body,
                ..record(sibling(id), name)
            },
        )
        .await;
    }
    let cases = [
        (None, ["c", "a", "b"]),
        (Some("createdTime"), ["c", "a", "b"]),
        (Some("name"), ["a", "b", "c"]),
        (Some("type"), ["c", "b", "a"]),
    ];
    for (property, mut expected) in cases {
        let mut page = PageRequest {
            sort_property: property.map(Into::into),
            ..PageRequest::first(10)
        };
        assert_eq!(names(store, id, &EntityFilter::default(), &page).await, expected, "{property:?}");
        page.descending = true;
        expected.reverse();
        assert_eq!(
            names(store, id, &EntityFilter::default(), &page).await,
            expected,
            "{property:?} descending"
        );
    }
}

/// Pages follow each other without gap or overlap, also when the sort property is the same for all.
pub async fn pages_are_complete(store: &dyn Store) {
    let id = device();
    for at in 0..7 {
        create(store, record(sibling(id), &format!("d{at}"))).await;
    }
    let mut seen = Vec::new();
    for (page, has_next) in [(0, true), (1, true), (2, false)] {
        let request = PageRequest {
            page,
            sort_property: Some("type".into()),
            ..PageRequest::first(3)
        };
        let Page {
            data,
            total_pages,
            total_elements,
            has_next: more,
        } = store
            .entities(id.tenant, id.kind, &EntityFilter::default(), &request)
            .await
            .expect("lists");
        assert_eq!((total_pages, total_elements, more), (3, 7, has_next), "page {page}");
        seen.extend(data.into_iter().map(|record| record.name));
    }
    seen.sort_unstable();
    assert_eq!(seen, ["d0", "d1", "d2", "d3", "d4", "d5", "d6"]);
}

async fn populate(store: &dyn Store, id: EntityId, name: &str) {
    create(store, record(id, name)).await;
    let device = DeviceId::try_from(id).expect("a device");
    store
        .save_credentials(id.tenant, token(device, &format!("token {}", id.id)))
        .await
        .expect("saves");
    let mut batch: Vec<_> = AttributeScope::ALL
        .into_iter()
        .map(|scope| attributes(id, scope, 1, &[("a", 1), ("b", 2)]))
        .collect();
    batch.extend((0..50).map(|ts| points(id, ts, &[("x", ts), ("y", ts)])));
    batch.extend([append(&event(id, EventKind::LifeCycle, 1)), append(&event(id, EventKind::Error, 2))]);
    commit(store, batch).await;
}

/// Rows of an entity: itself, name, credentials (both ways), attributes, series, latest readings, events.
async fn rows(store: &dyn Store, id: EntityId, name: &str) -> [usize; 8] {
    let device = DeviceId::try_from(id).expect("a device");
    let mut attributes = 0;
    for scope in AttributeScope::ALL {
        attributes += store.attributes(id, scope, None).await.expect("reads").len();
    }
    let mut events = 0;
    for kind in [EventKind::LifeCycle, EventKind::Error] {
        let filter = EventFilter {
            kind,
            from_ms: None,
            to_ms: None,
        };
        events += store.events(id, &filter, &PageRequest::first(10)).await.expect("reads").data.len();
    }
    [
        store.entity(id).await.expect("reads").iter().count(),
        store.entity_by_name(id.tenant, id.kind, name).await.expect("reads").iter().count(),
        store.credentials_of(device).await.expect("reads").iter().count(),
        store.credentials(&format!("token {}", id.id)).await.expect("reads").iter().count(),
        attributes,
        store.series_keys(id).await.expect("reads").len(),
        store.latest(id, None).await.expect("reads").len(),
        events,
    ]
}

const ALL_ROWS: [usize; 8] = [1, 1, 1, 1, 6, 2, 2, 2];

/// Nothing of a deleted entity is left, and an entity made anew under its id starts empty.
pub async fn deletion_removes_what_belongs_to_it(store: &dyn Store) {
    let id = device();
    populate(store, id, "a").await;
    assert_eq!(rows(store, id, "a").await, ALL_ROWS);
    assert!(store.delete_entity(id).await.expect("deletes"));
    assert_eq!(rows(store, id, "a").await, [0; 8]);
    assert!(!store.delete_entity(id).await.expect("has nothing to delete"));
    create(store, record(id, "a")).await;
    commit(store, vec![points(id, 10, &[("x", 1)])]).await;
    assert_eq!(
        store.latest(id, None).await.expect("reads"),
        super::sample::readings(&[("x", 10, 1)])
    );
}

/// Deleting one entity takes nothing from another.
pub async fn deletion_leaves_others_alone(store: &dyn Store) {
    let (id, other) = {
        let id = device();
        (id, sibling(id))
    };
    populate(store, id, "a").await;
    populate(store, other, "b").await;
    assert!(store.delete_entity(id).await.expect("deletes"));
    assert_eq!(rows(store, other, "b").await, ALL_ROWS);
}
