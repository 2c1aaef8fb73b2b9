//! Promises of [`crate::AlarmStore`].

use model::entity::{Alarm, IdRef, Severity};
use model::{EntityId, EntityKind, PageRequest, TenantId};
use uuid::Uuid;

use super::sample::{alarm, commit, device, put, sibling};
use crate::{AlarmFilter, Store};

async fn types(store: &dyn Store, tenant: TenantId, filter: &AlarmFilter, page: &PageRequest) -> Vec<String> {
    let page = store.alarms(tenant, filter, page).await.expect("lists");
    page.data.into_iter().map(|alarm| alarm.alarm_type).collect()
}

/// An alarm is active until it is cleared, for its originator and type.
pub async fn one_is_active_for_a_type(store: &dyn Store) {
    let entity = device();
    let mut raised = alarm(entity, "hot", 1);
    commit(store, vec![put(&raised), put(&alarm(entity, "cold", 1))]).await;
    assert_eq!(store.active_alarm(entity, "hot").await.expect("reads"), Some(raised.clone()));
    assert_eq!(store.active_alarm(sibling(entity), "hot").await.expect("reads"), None);
    for other in ["ho", "hott", "", &"x".repeat(100_000)] {
        assert_eq!(store.active_alarm(entity, other).await.expect("reads"), None);
    }
    raised.severity = Severity::Critical;
    raised.acknowledged = true;
    commit(store, vec![put(&raised)]).await;
    assert_eq!(store.active_alarm(entity, "hot").await.expect("reads"), Some(raised.clone()));
    raised.cleared = true;
    commit(store, vec![put(&raised)]).await;
    assert_eq!(store.active_alarm(entity, "hot").await.expect("reads"), None);
    assert!(store.active_alarm(entity, "cold").await.expect("reads").is_some());
    assert_eq!(store.alarm(entity.tenant, raised.id.id).await.expect("reads"), Some(raised.clone()));
    assert_eq!(store.alarm(TenantId::generate(), raised.id.id).await.expect("reads"), None);
}

/// All that are not cleared, sorted by type, and no more than the limit.
pub async fn all_active_ones_come_sorted(store: &dyn Store) {
    let entity = device();
    let cleared = Alarm {
        cleared: true,
        ..alarm(entity, "a", 1)
    };
    let raised = [alarm(entity, "c", 3), alarm(entity, "b", 2), alarm(sibling(entity), "d", 4)];
    let batch = raised.iter().chain([&cleared]).map(put);
    commit(store, batch.collect()).await;
    let found = async |limit| {
        let found = store.active_alarms(entity, limit).await.expect("reads");
        found.into_iter().map(|alarm| alarm.alarm_type).collect::<String>()
    };
    assert_eq!((found(10).await, found(1).await), ("bc".to_owned(), "b".to_owned()));
}

/// Clearing an alarm that is not the active one any more changes nothing about the active one, in one batch or in several.
pub async fn an_old_one_does_not_clear_a_new_one(store: &dyn Store) {
    for together in [true, false] {
        let entity = device();
        let old = alarm(entity, "hot", 1);
        let cleared = Alarm {
            cleared: true,
            ..old.clone()
        };
        let new = alarm(entity, "hot", 2);
        let changes = vec![put(&old), put(&cleared), put(&new), put(&cleared)];
        if together {
            commit(store, changes).await;
        } else {
            for change in changes {
                commit(store, vec![change]).await;
            }
        }
        assert_eq!(
            store.active_alarm(entity, "hot").await.expect("reads"),
            Some(new),
            "together: {together}"
        );
    }
}

/// Every filter narrows the list, all of them together as well.
pub async fn lists_filter(store: &dyn Store) {
    let (entity, customer) = (device(), Uuid::now_v7());
    let other = sibling(entity);
    let of_customer = Some(IdRef::new(EntityKind::Customer, customer));
    let all = [
        Alarm {
            severity: Severity::Critical,
            ..alarm(entity, "1 hot", 10)
        },
        Alarm {
            cleared: true,
            customer_id: of_customer,
            ..alarm(entity, "2 cold", 20)
        },
        Alarm {
            acknowledged: true,
            customer_id: of_customer,
            severity: Severity::Minor,
            ..alarm(other, "3 hot", 30)
        },
        Alarm {
            acknowledged: true,
            cleared: true,
            ..alarm(other, "4 Wet", 40)
        },
    ];
    commit(store, all.iter().map(put).collect()).await;
    commit(store, vec![put(&alarm(device(), "of another tenant", 10))]).await;
    let none = AlarmFilter::default();
    let cases: [(AlarmFilter, Option<&str>, &str); 13] = [
        (none.clone(), None, "4321"),
        (
            AlarmFilter {
                entity: Some(other),
                ..none.clone()
            },
            None,
            "43",
        ),
        (
            AlarmFilter {
                customer: Some(customer),
                ..none.clone()
            },
            None,
            "32",
        ),
        (
            AlarmFilter {
                alarm_type: Some("2 cold".into()),
                ..none.clone()
            },
            None,
            "2",
        ),
        (
            AlarmFilter {
                cleared: Some(true),
                ..none.clone()
            },
            None,
            "42",
        ),
        (
            AlarmFilter {
                cleared: Some(false),
                ..none.clone()
            },
            None,
            "31",
        ),
        (
            AlarmFilter {
                acknowledged: Some(false),
                ..none.clone()
            },
            None,
            "21",
        ),
        (
            AlarmFilter {
                severities: vec![Severity::Minor, Severity::Critical],
                ..none.clone()
            },
            None,
            "31",
        ),
        (
            AlarmFilter {
                from_ms: Some(20),
                ..none.clone()
            },
            None,
            "432",
        ),
        (
            AlarmFilter {
                to_ms: Some(20),
                ..none.clone()
            },
            None,
            "21",
        ),
        (none.clone(), Some("HOT"), "31"),
        (none.clone(), Some("wet"), "4"),
        (
            AlarmFilter {
                entity: Some(entity),
                cleared: Some(false),
                to_ms: Some(10),
                ..none
            },
            Some("hot"),
            "1",
        ),
    ];
    for (filter, search, expected) in cases {
        let page = PageRequest {
            text_search: search.map(Into::into),
            ..PageRequest::first(10)
        };
        let found: String = types(store, entity.tenant, &filter, &page)
            .await
            .iter()
            .map(|name| &name[..1])
            .collect();
        assert_eq!(found, expected, "{filter:?} {search:?}");
    }
}

/// Who shows an alarm comes back with it, and lists of theirs have it until it is shown to them no more.
pub async fn lists_have_what_is_shown(store: &dyn Store) {
    let (entity, customer) = (device(), Uuid::now_v7());
    let (parent, unrelated) = (sibling(entity), sibling(entity));
    let mut hot = Alarm {
        customer_id: Some(IdRef::new(EntityKind::Customer, customer)),
        shown_to: vec![parent.into(), IdRef::tenant(entity.tenant)],
        ..alarm(entity, "hot", 10)
    };
    commit(store, vec![put(&hot), put(&alarm(parent, "own", 20))]).await;
    assert_eq!(store.alarm(entity.tenant, hot.id.id).await.expect("reads"), Some(hot.clone()));
    assert_eq!(store.active_alarm(entity, "hot").await.expect("reads"), Some(hot.clone()));
    assert_eq!(store.active_alarm(parent, "hot").await.expect("reads"), None);
    let of = async |entity: EntityId, customer| {
        let filter = AlarmFilter {
            entity: Some(entity),
            customer,
            ..AlarmFilter::default()
        };
        types(store, entity.tenant, &filter, &PageRequest::first(10)).await
    };
    let tenant = IdRef::tenant(entity.tenant).of(entity.tenant);
    let other_kind = EntityId::new(entity.tenant, EntityKind::Asset, parent.id);
    let elsewhere = EntityId::new(TenantId::generate(), parent.kind, parent.id);
    assert_eq!(of(parent, None).await, ["own", "hot"]);
    assert_eq!(of(parent, Some(customer)).await, ["hot"], "another filter narrows it, too");
    assert!(of(parent, Some(Uuid::now_v7())).await.is_empty());
    assert_eq!(of(tenant, None).await, ["hot"]);
    assert_eq!(of(entity, None).await, ["hot"]);
    for other in [unrelated, other_kind, elsewhere] {
        assert!(of(other, None).await.is_empty(), "{other:?}");
    }
    hot.shown_to.clear();
    commit(store, vec![put(&hot)]).await;
    assert_eq!(of(parent, None).await, ["own"]);
}

/// Newest first, unless the request names a property; pages are complete.
pub async fn lists_sort_and_page(store: &dyn Store) {
    let entity = device();
    let severities = [Severity::Minor, Severity::Critical, Severity::Major];
    let all = ["b", "c", "a"].into_iter().zip([10, 30, 20]).zip(severities);
    let all = all.map(|((name, created), severity)| {
        put(&Alarm {
            severity,
            ..alarm(entity, name, created)
        })
    });
    commit(store, all.collect()).await;
    let filter = AlarmFilter::default();
    assert_eq!(types(store, entity.tenant, &filter, &PageRequest::first(10)).await, ["c", "a", "b"]);
    let cases = [
        ("createdTime", ["b", "a", "c"]),
        ("type", ["a", "b", "c"]),
        ("severity", ["c", "a", "b"]),
    ];
    for (property, mut expected) in cases {
        let mut page = PageRequest {
            sort_property: Some(property.into()),
            ..PageRequest::first(10)
        };
        assert_eq!(types(store, entity.tenant, &filter, &page).await, expected, "{property}");
        page.descending = true;
        expected.reverse();
        assert_eq!(types(store, entity.tenant, &filter, &page).await, expected, "{property} descending");
    }
    let second = PageRequest {
        page: 1,
        ..PageRequest::first(2)
    };
    let page = store.alarms(entity.tenant, &filter, &second).await.expect("lists");
    assert_eq!(
        (page.data.len(), page.total_pages, page.total_elements, page.has_next),
        (1, 2, 3, false)
    );
    assert_eq!(page.data[0].alarm_type, "b");
}
