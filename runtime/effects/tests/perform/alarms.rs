//! Alarms: created, updated, cleared; at most one of a type is active for an originator.

use std::sync::Arc;

use crate::entities::create;
use crate::world::{World, leaving, mark, message, soon};
use effects::{EffectError, Performed};
use model::entity::{IdRef, Relation, RelationGroup, Severity};
use model::{CustomerId, DeviceId, EntityId, EntityKind, Payload};
use plugins::{Content, Effect, Propagation, Retention};
use serde_json::{Value as Json, json};
use storage::{AlarmFilter, AlarmStore, AttributeStore, Journal, Mutation, StorageError};

fn raise(entity: EntityId, severity: Severity, details: Option<Json>) -> Effect {
    Effect::RaiseAlarm {
        entity,
        alarm_type: "hot".to_owned(),
        severity,
        details: details.map(Content::Own),
        start_ms: 3,
        end_ms: None,
        propagation: Propagation {
            related: true,
            ..Propagation::default()
        },
    }
}

fn clear(entity: EntityId, details: Option<Json>) -> Effect {
    Effect::ClearAlarm {
        entity,
        alarm_type: "hot".to_owned(),
        details: details.map(Content::Own),
    }
}

/// The three marks an alarm's message can carry.
fn marks(performed: &Performed) -> Vec<&'static str> {
    let known = ["isNewAlarm", "isExistingAlarm", "isSeverityUpdated", "isClearedAlarm"];
    known.into_iter().filter(|key| mark(performed, key) == Some("true")).collect()
}

async fn count(world: &World) -> u64 {
    world
        .store
        .alarms(world.tenant, &AlarmFilter::default(), &model::PageRequest::first(100))
        .await
        .unwrap()
        .total_elements
}

#[tokio::test]
async fn an_alarm_is_created_then_updated() {
    let world = World::new();
    let entity = world.device().entity();
    let message = message(entity);

    let nothing = world.perform(5, vec![clear(entity, None)], &message).await.unwrap();
    assert_eq!(
        nothing,
        Performed {
            relation: "False",
            message: None
        },
        "there is nothing to clear yet"
    );

    let created = world
        .perform(10, vec![raise(entity, Severity::Major, Some(json!({"t": 41})))], &message)
        .await
        .unwrap();
    assert_eq!((created.relation, marks(&created)), ("Created", vec!["isNewAlarm"]));
    let stored = world.store.active_alarm(entity, "hot").await.unwrap().expect("active");
    assert_eq!(
        (stored.start_ts, stored.end_ts, stored.severity, stored.propagate),
        (3, 10, Severity::Major, true)
    );
    assert_eq!(
        (stored.originator, stored.customer_id),
        (IdRef::from(entity), message.customer.map(IdRef::from))
    );
    assert_eq!(stored.details, Some(json!({"t": 41})));
    let mut expected = serde_json::to_value(&stored).unwrap();
    expected["status"] = json!("ACTIVE_UNACK");
    assert_eq!(leaving(&created), expected, "the alarm as it is stored, with its status");
    let left = created.message.as_ref().unwrap();
    assert_eq!(
        (left.originator, left.metadata.get("deviceName"), left.id),
        (entity, Some("D"), message.id)
    );
    assert_eq!(message.metadata.get("isNewAlarm"), None, "messages are never changed");

    let updated = world
        .perform(20, vec![raise(entity, Severity::Major, None)], &message)
        .await
        .unwrap();
    assert_eq!((updated.relation, marks(&updated)), ("Updated", vec!["isExistingAlarm"]));
    assert_eq!(
        (&leaving(&updated)["endTs"], &leaving(&updated)["details"]),
        (&json!(20), &json!({"t": 41}))
    );

    let worse = world
        .perform(30, vec![raise(entity, Severity::Critical, Some(json!({"t": 50})))], &message)
        .await
        .unwrap();
    assert_eq!((worse.relation, marks(&worse)), ("Updated", vec!["isSeverityUpdated"]));
    let active = world.store.active_alarm(entity, "hot").await.unwrap().expect("active");
    assert_eq!(
        (active.id, active.severity, active.start_ts, active.end_ts),
        (stored.id, Severity::Critical, 3, 30)
    );
}

#[tokio::test]
async fn an_alarm_is_cleared_once_and_can_be_raised_anew() {
    let world = World::new();
    let entity = world.device().entity();
    let message = message(entity);
    let details = Some(json!({"t": 50}));
    let created = world
        .perform(10, vec![raise(entity, Severity::Major, details.clone())], &message)
        .await
        .unwrap();
    let stored = world.store.active_alarm(entity, "hot").await.unwrap().expect("active");
    let cleared = world.perform(40, vec![clear(entity, None)], &message).await.unwrap();
    assert_eq!((cleared.relation, marks(&cleared)), ("Cleared", vec!["isClearedAlarm"]));
    assert_eq!(
        (&leaving(&cleared)["status"], &leaving(&cleared)["clearTs"]),
        (&json!("CLEARED_UNACK"), &json!(40))
    );
    assert_eq!(world.store.active_alarm(entity, "hot").await.unwrap(), None);
    let kept = world.store.alarm(world.tenant, stored.id.id).await.unwrap().expect("kept");
    assert_eq!((kept.cleared, kept.clear_ts, kept.details), (true, 40, Some(json!({"t": 50}))));

    let again = world.perform(50, vec![clear(entity, None)], &message).await.unwrap();
    assert_eq!(again.relation, "False", "what is cleared cannot be cleared again");
    let reborn = world
        .perform(60, vec![raise(entity, Severity::Minor, None)], &message)
        .await
        .unwrap();
    assert_eq!(reborn.relation, "Created");
    assert_ne!(leaving(&reborn)["id"], leaving(&created)["id"]);
    assert_eq!(count(&world).await, 2);
}

#[tokio::test]
async fn clearing_can_bring_details() {
    let world = World::new();
    let entity = world.device().entity();
    let message = message(entity);
    let both = vec![
        raise(entity, Severity::Major, Some(json!({"t": 41}))),
        clear(entity, Some(json!({"t": 20}))),
    ];
    let cleared = world.perform(10, both, &message).await.unwrap();
    assert_eq!((cleared.relation, &leaving(&cleared)["details"]), ("Cleared", &json!({"t": 20})));
    assert_eq!(
        marks(&cleared),
        ["isNewAlarm", "isClearedAlarm"],
        "the second effect continues with the message of the first"
    );
}

#[tokio::test]
async fn details_can_be_a_part_of_the_message() {
    let world = World::new();
    let entity = world.device().entity();
    let payload = Payload::new(json!({"a": {"b": 1}}));
    let details = Some(Content::Shared {
        payload,
        path: "/a".into(),
    });
    let effect = Effect::RaiseAlarm {
        entity,
        alarm_type: "hot".to_owned(),
        severity: Severity::Warning,
        details,
        start_ms: 3,
        end_ms: None,
        propagation: Propagation::default(),
    };
    world.perform(10, vec![effect], &message(entity)).await.unwrap();
    let stored = world.store.active_alarm(entity, "hot").await.unwrap().expect("active");
    assert_eq!((stored.details, stored.propagate), (Some(json!({"b": 1})), false));
}

#[tokio::test]
async fn an_alarm_keeps_when_it_was_and_to_whom_it_is_shown() {
    let world = World::new();
    let entity = world.device().entity();
    let hot = |start_ms, end_ms, relation_type: &str| Effect::RaiseAlarm {
        entity,
        alarm_type: "hot".to_owned(),
        severity: Severity::Major,
        details: None,
        start_ms,
        end_ms,
        propagation: Propagation {
            related: true,
            relation_types: vec![relation_type.to_owned()],
            owner: true,
            tenant: false,
        },
    };
    for (now_ms, effect, expected) in [
        (10, hot(4, Some(6), "Contains"), (4, 6, "Contains")),
        (20, hot(5, None, "Contains"), (4, 20, "Contains")),
        (30, hot(5, Some(15), "Manages"), (4, 20, "Manages")),
    ] {
        world.perform(now_ms, vec![effect], &message(entity)).await.unwrap();
        let stored = world.store.active_alarm(entity, "hot").await.unwrap().expect("active");
        let types: Vec<&str> = stored.propagate_relation_types.iter().map(String::as_str).collect();
        assert_eq!((stored.start_ts, stored.end_ts, types), (expected.0, expected.1, vec![expected.2]));
        assert_eq!(
            (stored.propagate, stored.propagate_to_owner, stored.propagate_to_tenant),
            (true, true, false)
        );
    }
}

/// Who shows an alarm is found when it is new, or propagates otherwise; clearing leaves it, and nobody hears of it.
#[tokio::test]
async fn an_alarm_is_shown_by_what_it_propagates_to() {
    let world = World::new();
    let entity = world.device().entity();
    let message = message(entity);
    let asset = || EntityId::new(world.tenant, EntityKind::Asset, uuid::Uuid::now_v7());
    let (room, house, other) = (asset(), asset(), asset());
    let customer = message.customer.expect("a customer").entity();
    let tenant = EntityId::new(world.tenant, EntityKind::Tenant, world.tenant.0);
    let contains = |from: EntityId, to: EntityId| Relation {
        from: from.into(),
        to: to.into(),
        relation_type: "Contains".to_owned(),
        type_group: RelationGroup::Common,
        additional_info: None,
    };
    let write = async |mutation| world.store.submit(vec![mutation]).await.unwrap().await.unwrap();
    for relation in [contains(room, entity), contains(house, room), contains(entity, other)] {
        let (tenant, relation) = (world.tenant, Arc::new(relation));
        write(Mutation::PutRelation { tenant, relation }).await;
    }
    let shown = async || {
        let mut showing = Vec::new();
        for one in [entity, room, house, other, customer, tenant] {
            let filter = AlarmFilter {
                entity: Some(one),
                ..AlarmFilter::default()
            };
            let page = model::PageRequest::first(100);
            if world.store.alarms(world.tenant, &filter, &page).await.unwrap().total_elements == 1 {
                showing.push(one);
            }
        }
        showing
    };
    let raised = async |propagation| {
        let effect = Effect::RaiseAlarm {
            entity,
            alarm_type: "hot".to_owned(),
            severity: Severity::Major,
            details: None,
            start_ms: 3,
            end_ms: None,
            propagation,
        };
        let performed = world.perform(10, vec![effect], &message).await.unwrap();
        assert_eq!(leaving(&performed).get("shownTo"), None);
    };
    let related = || Propagation {
        related: true,
        ..Propagation::default()
    };

    raised(Propagation::default()).await;
    assert_eq!(shown().await, [entity]);
    raised(related()).await;
    assert_eq!(shown().await, [entity, room, house]);
    let relation = Arc::new(contains(house, room));
    write(Mutation::DeleteRelation {
        tenant: world.tenant,
        relation,
    })
    .await;
    raised(related()).await;
    assert_eq!(shown().await, [entity, room, house], "until it propagates otherwise");
    raised(Propagation { owner: true, ..related() }).await;
    assert_eq!(shown().await, [entity, room, customer]);
    let cleared = world.perform(20, vec![clear(entity, None)], &message).await.unwrap();
    assert_eq!((cleared.relation, leaving(&cleared).get("shownTo")), ("Cleared", None));
    assert_eq!(shown().await, [entity, room, customer]);
}

#[tokio::test]
async fn types_and_originators_are_apart() {
    let world = World::new();
    let (one, other) = (world.device().entity(), world.device().entity());
    for entity in [one, other] {
        let performed = world
            .perform(10, vec![raise(entity, Severity::Major, None)], &message(entity))
            .await
            .unwrap();
        assert_eq!(performed.relation, "Created");
    }
    let cold = Effect::RaiseAlarm {
        entity: one,
        alarm_type: "cold".to_owned(),
        severity: Severity::Major,
        details: None,
        start_ms: 3,
        end_ms: None,
        propagation: Propagation::default(),
    };
    assert_eq!(world.perform(10, vec![cold], &message(one)).await.unwrap().relation, "Created");
    assert_eq!(
        world.perform(11, vec![clear(one, None)], &message(one)).await.unwrap().relation,
        "Cleared"
    );
    assert!(world.store.active_alarm(one, "cold").await.unwrap().is_some());
    assert!(world.store.active_alarm(other, "hot").await.unwrap().is_some());
}

/// Its customer's, whoever's message raised it: users of others must not see it.
#[tokio::test]
async fn an_alarm_is_of_the_customer_whose_its_originator_is() {
    let world = World::new();
    let (one, other) = (world.device().entity(), world.device().entity());
    let message = message(one);
    let customer = CustomerId::generate(world.tenant);
    let mut cases = vec![(one, message.customer), (other, None)];
    for of in [None, Some(customer)] {
        let entity = world.device().entity();
        create(&world, entity, &format!("of {of:?}"), of).await;
        cases.push((entity, of));
    }
    for (entity, of) in cases {
        world
            .perform(10, vec![raise(entity, Severity::Major, None)], &message)
            .await
            .unwrap();
        let alarm = world.store.active_alarm(entity, "hot").await.unwrap().unwrap();
        assert_eq!(alarm.customer_id.map(|customer| customer.id), of.map(|customer| customer.id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_raised_by_many_at_once_is_created_once() {
    let world = World::new();
    let entity = world.device().entity();
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let effects = world.effects.clone();
            actor::spawn("test", async move {
                effects
                    .perform([raise(entity, Severity::Major, None)], message(entity))
                    .await
                    .unwrap()
                    .relation
            })
        })
        .collect();
    let mut relations = Vec::new();
    for task in tasks {
        relations.push(soon("raising", task).await.unwrap());
    }
    relations.sort_unstable();
    let mut expected = vec!["Updated"; 39];
    expected.insert(0, "Created");
    assert_eq!(relations, expected);
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn effects_after_one_that_fails_do_not_happen() {
    let world = World::new();
    let device: DeviceId = world.device();
    let entity = device.entity();
    let bad = Effect::SaveTimeSeries {
        entity,
        ts_ms: 1,
        ttl_s: 0,
        values: Content::Own(json!([1])),
        keep: Retention::All,
        quiet: false,
    };
    let all = vec![raise(entity, Severity::Major, None), bad, clear(entity, None)];
    let error = world.perform(10, all, &message(entity)).await.unwrap_err();
    assert!(matches!(error, EffectError::Invalid(_)), "{error:?}");
    assert_eq!(error.to_string(), "the values are not a JSON object");
    assert!(
        world.store.active_alarm(entity, "hot").await.unwrap().is_some(),
        "raised before, not cleared after"
    );
}

#[tokio::test]
async fn plain_writes_are_durable_when_they_are_performed() {
    let world = World::new();
    let device = world.device();
    let entity = device.entity();
    let scope = model::AttributeScope::ServerScope;
    let points = Effect::SaveTimeSeries {
        entity,
        ts_ms: 3,
        ttl_s: 0,
        values: Content::Own(json!({"t": 1})),
        keep: Retention::All,
        quiet: false,
    };
    let attributes = Effect::SaveAttributes {
        entity,
        scope,
        values: Content::Own(json!({"a": 1})),
        only_changed: false,
        notify_device: false,
        tell_chain: false,
        keep: Retention::All,
        quiet: false,
    };
    let nothing = Effect::SaveTimeSeries {
        entity,
        ts_ms: 3,
        ttl_s: 0,
        values: Content::Own(json!({})),
        keep: Retention::All,
        quiet: false,
    };
    assert_eq!(
        world.perform(9, vec![points, attributes, nothing], &message(entity)).await.unwrap(),
        Performed::SUCCESS
    );
    assert_eq!(storage::TimeSeriesStore::latest(&world.store, entity, None).await.unwrap().len(), 1);
    assert_eq!(world.store.attributes(entity, scope, None).await.unwrap()[0].1.ts_ms, 9);
    assert_eq!(
        soon("performing", world.effects.perform([], message(entity))).await.unwrap(),
        Performed::SUCCESS
    );
}

#[tokio::test]
async fn a_store_that_takes_nothing_fails_the_effect() {
    let world = World::new();
    let entity = world.device().entity();
    world.store.close().await.unwrap();
    let error = world
        .perform(10, vec![raise(entity, Severity::Major, None)], &Arc::clone(&message(entity)))
        .await
        .unwrap_err();
    assert!(matches!(error, EffectError::Storage(StorageError::Unavailable(_))), "{error:?}");
    assert!(error.to_string().starts_with("the values could not be stored: "), "{error}");
}
