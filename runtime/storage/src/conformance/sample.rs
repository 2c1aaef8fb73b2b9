//! Things to store.

use std::sync::Arc;

use model::entity::{Alarm, CredentialsType, DeviceCredentials, EntityRecord, Event, EventKind, IdRef, Severity};
use model::{AttributeScope, DeviceId, EntityId, Reading, TenantId, Value};
use serde_json::json;
use uuid::Uuid;

use crate::{KeptIn, Mutation, Store};

/// A new device.
pub(super) fn device() -> EntityId {
    DeviceId::generate(TenantId::generate()).entity()
}

/// Another entity of the same kind and tenant.
pub(super) fn sibling(of: EntityId) -> EntityId {
    EntityId::new(of.tenant, of.kind, Uuid::now_v7())
}

/// A new entity, to be created.
pub(super) fn record(id: EntityId, name: &str) -> EntityRecord {
    EntityRecord {
        id,
        version: 0,
        name: name.into(),
        subtype: "default".into(),
        customer: None,
        body: json!({"name": name, "createdTime": 1_700_000_000_000_i64, "additionalInfo": {"list": [1, null, "ü"]}}),
    }
}

/// Writes and waits.
pub(super) async fn commit(store: &dyn Store, batch: Vec<Mutation>) {
    store.submit(batch).await.expect("takes the batch").await.expect("makes it durable");
}

/// Saves, as a new entity.
pub(super) async fn create(store: &dyn Store, record: EntityRecord) {
    assert_eq!(store.save_entity(record).await.expect("creates"), 1);
}

/// Readings of whole numbers.
pub(super) fn points(entity: EntityId, ts_ms: i64, values: &[(&str, i64)]) -> Mutation {
    let values = values.iter().map(|(key, value)| (Arc::from(*key), Value::Long(*value))).collect();
    Mutation::Points {
        entity,
        ts_ms,
        values,
        ttl_s: 0,
        kept: KeptIn::Both,
    }
}

/// Attributes of whole numbers.
pub(super) fn attributes(entity: EntityId, scope: AttributeScope, ts_ms: i64, values: &[(&str, i64)]) -> Mutation {
    let values = values.iter().map(|(key, value)| (Arc::from(*key), Value::Long(*value))).collect();
    Mutation::Attributes {
        entity,
        scope,
        ts_ms,
        values,
    }
}

/// Keys as the ports take them.
pub(super) fn keys(keys: &[&str]) -> Vec<Arc<str>> {
    keys.iter().map(|key| Arc::from(*key)).collect()
}

/// Whole-number readings by key, as the ports answer them.
pub(super) fn readings(values: &[(&str, i64, i64)]) -> Vec<(Arc<str>, Reading)> {
    values
        .iter()
        .map(|(key, ts_ms, value)| {
            (
                Arc::from(*key),
                Reading {
                    ts_ms: *ts_ms,
                    value: Value::Long(*value),
                },
            )
        })
        .collect()
}

/// Every form a value has, with the borders of each.
pub(super) fn values() -> Vec<(Arc<str>, Value)> {
    let values = [
        Value::Bool(true),
        Value::Bool(false),
        Value::Long(i64::MIN),
        Value::Long(i64::MAX),
        Value::Double(-0.1),
        Value::Double(f64::MAX),
        Value::Text("".into()),
        Value::Text("größer \u{0} 📈".into()),
        Value::Json(r#"{"a":[1,2.50]}"#.into()),
        Value::Text("x".repeat(100_000).into()),
    ];
    values
        .into_iter()
        .enumerate()
        .map(|(at, value)| (Arc::from(format!("value {at}")), value))
        .collect()
}

/// An access token of a device.
pub(super) fn token(device: DeviceId, token: &str) -> DeviceCredentials {
    DeviceCredentials {
        id: None,
        created_time: 1,
        device_id: device.into(),
        credentials_type: CredentialsType::AccessToken,
        credentials_id: token.into(),
        credentials_value: None,
        version: None,
    }
}

/// An alarm that has just been raised.
pub(super) fn alarm(originator: EntityId, alarm_type: &str, created_time: i64) -> Alarm {
    Alarm {
        id: IdRef::new(model::EntityKind::Alarm, Uuid::now_v7()),
        created_time,
        tenant_id: IdRef::tenant(originator.tenant),
        customer_id: None,
        name: alarm_type.into(),
        alarm_type: alarm_type.into(),
        originator: originator.into(),
        severity: Severity::Major,
        acknowledged: false,
        cleared: false,
        assignee_id: None,
        start_ts: created_time,
        end_ts: created_time,
        ack_ts: 0,
        clear_ts: 0,
        assign_ts: 0,
        details: Some(json!({"limit": 40.5})),
        propagate: false,
        propagate_to_owner: false,
        propagate_to_tenant: false,
        propagate_relation_types: vec![],
        shown_to: vec![],
    }
}

/// A change that writes an alarm.
pub(super) fn put(alarm: &Alarm) -> Mutation {
    Mutation::PutAlarm(Arc::new(alarm.clone()))
}

/// An event.
pub(super) fn event(entity: EntityId, kind: EventKind, ts_ms: i64) -> Event {
    Event {
        id: Uuid::now_v7(),
        entity,
        kind,
        ts_ms,
        body: json!({"at": ts_ms, "error": null}),
    }
}

/// A change that adds an event.
pub(super) fn append(event: &Event) -> Mutation {
    Mutation::AppendEvent(Arc::new(event.clone()))
}
