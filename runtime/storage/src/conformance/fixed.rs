//! One thing of every kind, the same in every run: what a back end makes of them is its stored form, whose bytes its tests pin. [`write`]
//! writes all of them into an empty store, and [`read`] looks whether they are in a store, whoever has written them.
//!
//! A new kind of mutation has to come in here, which the compiler sees to, and so has a new table, which the back ends' tests see to.

use std::sync::Arc;

use bytes::Bytes;
use model::entity::{
    Alarm, DeviceCredentials, Direction, EntityRecord, Event, EventKind, IdRef, MethodCall, Relation, RelationGroup, Rpc, RpcBody,
    RpcStatus,
};
use model::{
    AttributeScope, ComponentRecord, ComponentVersion, DeviceId, Digest, EntityId, EntityKind, Kept, NodeState, NodeStateChange,
    PageRequest, Reading, RuleNodeId, Suspension, TenantId, UserId, Value,
};
use serde_json::json;
use uuid::Uuid;

use super::sample;
use crate::{EventFilter, KeptIn, Login, Mutation, RelationQuery, SeriesQuery, Store};

/// When everything happens.
pub const NOW_MS: i64 = 1_700_000_000_000;
const TENANT: TenantId = TenantId(Uuid::from_u128(0x10));
/// What a component is made of.
const BYTES: [u8; 3] = [0, 97, 255];

fn device() -> DeviceId {
    DeviceId::new(TENANT, Uuid::from_u128(0x20))
}

fn asset() -> EntityId {
    EntityId::new(TENANT, EntityKind::Asset, Uuid::from_u128(0x21))
}

fn node(number: u128) -> RuleNodeId {
    RuleNodeId::new(TENANT, Uuid::from_u128(number))
}

/// Every form a value has.
fn values() -> Vec<(Arc<str>, Value)> {
    let values = [
        ("bool", Value::Bool(true)),
        ("double", Value::Double(-1.5)),
        ("json", Value::Json(r#"{"a":[1]}"#.into())),
        ("long", Value::Long(-2)),
        ("text", Value::Text("ö".into())),
    ];
    values.map(|(key, value)| (Arc::from(key), value)).into()
}

fn points(key: &str, ttl_s: u32) -> Mutation {
    Mutation::Points {
        entity: device().entity(),
        ts_ms: NOW_MS,
        values: vec![(key.into(), Value::Long(1))],
        ttl_s,
        kept: KeptIn::Both,
    }
}

fn latest(ttl_s: u32) -> Mutation {
    Mutation::Points {
        entity: device().entity(),
        ts_ms: NOW_MS - 1,
        values: vec![(if ttl_s == 0 { "latest" } else { "latest, brief" }.into(), Value::Long(2))],
        ttl_s,
        kept: KeptIn::Latest,
    }
}

fn history() -> Mutation {
    Mutation::Points {
        entity: device().entity(),
        ts_ms: NOW_MS - 2,
        values: vec![("history".into(), Value::Long(3))],
        ttl_s: 0,
        kept: KeptIn::History,
    }
}

fn record() -> EntityRecord {
    EntityRecord {
        customer: Some(Uuid::from_u128(0x30)),
        ..sample::record(device().entity(), "größer")
    }
}

fn credentials() -> DeviceCredentials {
    DeviceCredentials {
        credentials_value: Some("v".to_owned()),
        ..sample::token(device(), "a token")
    }
}

fn login() -> Login {
    Login {
        user: UserId::new(TENANT, Uuid::from_u128(0x40)),
        email: "ann@example.org".to_owned(),
        password_hash: Some("$argon2id$".to_owned()),
        enabled: true,
        tokens_valid_from_ms: NOW_MS,
    }
}

fn component() -> ComponentRecord {
    let (one, two) = (Digest([1; 32]), Digest([2; 32]));
    ComponentRecord {
        tenant: TENANT,
        name: "calc".to_owned(),
        revision: 0,
        created_time: NOW_MS,
        active: Some(one),
        previous: Some(two),
        suspended: Some(Suspension {
            version: one,
            since: NOW_MS,
            reason: "it trapped".to_owned(),
        }),
        auto_rollback: true,
        granted: ["log".to_owned()].into(),
        denied: ["send-rpc".to_owned()].into(),
    }
}

fn version() -> ComponentVersion {
    ComponentVersion {
        digest: Digest([1; 32]),
        created_time: NOW_MS,
        bytes: BYTES.len() as u64,
        facts: json!({"imports": ["log"]}),
    }
}

fn alarm(number: u128, cleared: bool) -> Alarm {
    Alarm {
        id: IdRef::new(EntityKind::Alarm, Uuid::from_u128(number)),
        cleared,
        ..sample::alarm(device().entity(), "hot", NOW_MS)
    }
}

fn rpc(number: u128) -> Rpc {
    Rpc {
        id: IdRef::new(EntityKind::Rpc, Uuid::from_u128(number)),
        created_time: NOW_MS,
        tenant_id: IdRef::tenant(TENANT),
        device_id: device().into(),
        expiration_time: NOW_MS + 1,
        request: RpcBody {
            body: MethodCall {
                method: "m".to_owned(),
                params: json!({"a": 1}),
            },
            oneway: false,
            retries: 3,
        },
        response: None,
        status: RpcStatus::Queued,
        additional_info: Some(json!({"b": 2})),
        request_number: 5,
    }
}

fn event() -> Event {
    Event {
        id: Uuid::from_u128(0x50),
        ..sample::event(device().entity(), EventKind::LifeCycle, NOW_MS)
    }
}

fn relation(relation_type: &str) -> Relation {
    Relation {
        from: asset().into(),
        to: device().into(),
        relation_type: relation_type.to_owned(),
        type_group: RelationGroup::Common,
        additional_info: Some(json!({"c": 3})),
    }
}

/// A batch with every kind of mutation, some of which undo others.
pub fn batch() -> Vec<Mutation> {
    let (entity, scope) = (device().entity(), AttributeScope::SharedScope);
    let kept = NodeStateChange {
        replaces: Some("s1".into()),
        device: None,
        entries: vec![("count".into(), Some(Bytes::from_static(b"7"))), ("gone".into(), None)],
        timers: vec![("tick".into(), Some(NOW_MS)), ("gone".into(), None)],
    };
    let state = |number, change: &NodeStateChange| Mutation::NodeState {
        node: node(number),
        change: Arc::new(change.clone()),
    };
    let related = |relation_type| (TENANT, Arc::new(relation(relation_type)));
    let put = |(tenant, relation)| Mutation::PutRelation { tenant, relation };
    vec![
        Mutation::Points {
            entity,
            ts_ms: NOW_MS,
            values: values(),
            ttl_s: 0,
            kept: KeptIn::Both,
        },
        points("brief", 600_000_000),
        points("gone", 0),
        Mutation::DeletePoints {
            entity,
            key: "gone".into(),
            from_ms: NOW_MS,
            to_ms: NOW_MS + 1,
        },
        Mutation::Attributes {
            entity,
            scope,
            ts_ms: NOW_MS,
            values: values(),
        },
        Mutation::DeleteAttributes {
            entity,
            scope,
            keys: vec!["bool".into()],
        },
        sample::put(&alarm(0x60, true)),
        sample::put(&alarm(0x61, false)),
        Mutation::PutRpc(Arc::new(rpc(0x70))),
        Mutation::PutRpc(Arc::new(rpc(0x71))),
        Mutation::DeleteRpc {
            device: device(),
            id: Uuid::from_u128(0x71),
        },
        Mutation::Remind(DeviceId::new(TENANT, Uuid::from_u128(0x22))),
        Mutation::Forget(DeviceId::new(TENANT, Uuid::from_u128(0x22))),
        Mutation::Remind(device()),
        sample::append(&event()),
        state(0x80, &kept),
        state(0x81, &kept),
        Mutation::DropNodeState(node(0x81)),
        put(related("Contains")),
        put(related("Gone")),
        Mutation::DeleteRelation {
            tenant: TENANT,
            relation: Arc::new(relation("Gone")),
        },
        Mutation::PutRelation {
            tenant: TENANT,
            relation: Arc::new(Relation {
                type_group: RelationGroup::Dashboard,
                ..relation("Shows")
            }),
        },
        Mutation::DropRelations {
            entity: asset(),
            group: RelationGroup::Dashboard,
        },
        latest(0),
        latest(600_000_000),
        Mutation::Untold(Box::new(points("quiet", 0))),
        Mutation::OnlyTold(Box::new(points("told", 0))),
        history(),
    ]
}

/// The name of a mutation's kind. A new one does not compile before it has a name here, and a place in [`batch`].
pub fn kind(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::Points { kept: KeptIn::Both, .. } => "points",
        Mutation::Points { kept: KeptIn::Latest, .. } => "latest",
        Mutation::Points { kept: KeptIn::History, .. } => "history",
        Mutation::Untold(_) => "untold",
        Mutation::OnlyTold(_) => "only-told",
        Mutation::DeletePoints { .. } => "delete-points",
        Mutation::Attributes { .. } => "attributes",
        Mutation::DeleteAttributes { .. } => "delete-attributes",
        Mutation::PutAlarm(_) => "put-alarm",
        Mutation::PutRpc(_) => "put-rpc",
        Mutation::DeleteRpc { .. } => "delete-rpc",
        Mutation::Remind(_) => "remind",
        Mutation::Forget(_) => "forget",
        Mutation::AppendEvent(_) => "append-event",
        Mutation::NodeState { .. } => "node-state",
        Mutation::DropNodeState(_) => "drop-node-state",
        Mutation::PutRelation { .. } => "put-relation",
        Mutation::DeleteRelation { .. } => "delete-relation",
        Mutation::DropRelations { .. } => "drop-relations",
    }
}

/// Writes everything.
pub async fn write(store: &dyn Store) {
    sample::create(store, record()).await;
    store.save_credentials(TENANT, credentials()).await.expect("saves");
    store.save_login(login()).await.expect("saves");
    store.save_setting("a setting", vec![0, 255]).await.expect("saves");
    store.save_component(component()).await.expect("saves");
    let added = store.add_component_version(TENANT, "calc", version(), Arc::from(BYTES)).await;
    assert!(added.expect("adds"));
    // One after the other: of those that undo others, it is the order that counts.
    for mutation in batch() {
        sample::commit(store, vec![mutation]).await;
    }
}

/// Everything is there, as it was written.
pub async fn read(store: &dyn Store) {
    let id = device().entity();
    let saved = Some(EntityRecord { version: 1, ..record() });
    assert_eq!(store.entity(id).await.expect("reads"), saved);
    assert_eq!(
        store.entity_by_name(TENANT, EntityKind::Device, "größer").await.expect("reads"),
        saved
    );
    let found = store.credentials("a token").await.expect("reads");
    assert_eq!(found, Some((TENANT, credentials())));
    assert_eq!(store.credentials_of(device()).await.expect("reads"), Some(credentials()));
    assert_eq!(store.login("Ann@example.org").await.expect("reads"), Some(login()));
    assert_eq!(store.setting("a setting").await.expect("reads"), Some(vec![0, 255]));
    let component = ComponentRecord {
        revision: 1,
        ..component()
    };
    assert_eq!(store.components(TENANT).await.expect("reads"), [component]);
    assert_eq!(store.component_versions(TENANT, "calc").await.expect("reads"), [version()]);
    let bytes = store.component_bytes(TENANT, "calc", version().digest).await.expect("reads");
    assert_eq!(bytes.as_deref(), Some(&BYTES[..]));
    read_values(store).await;
    read_things(store).await;
}

async fn read_values(store: &dyn Store) {
    let id = device().entity();
    let reading = |value| Reading { ts_ms: NOW_MS, value };
    let all: Vec<_> = values().into_iter().map(|(key, value)| (key, reading(value))).collect();
    let attributes = store.attributes(id, AttributeScope::SharedScope, None).await.expect("reads");
    assert_eq!(attributes, all[1..], "the first was removed");
    let query = SeriesQuery {
        from_ms: NOW_MS,
        to_ms: NOW_MS + 1,
        limit: 10,
        descending: false,
    };
    for (key, reading) in all {
        assert_eq!(store.series(id, &key, &query).await.expect("reads"), [reading], "{key}");
    }
    let brief = store.series(id, "brief", &query).await.expect("reads");
    assert_eq!(brief, [reading(Value::Long(1))]);
    assert_eq!(store.series(id, "gone", &query).await.expect("reads"), []);
    let found = store
        .latest(id, Some(&["latest".into(), "latest, brief".into(), "told".into()]))
        .await;
    let only = Reading {
        ts_ms: NOW_MS - 1,
        value: Value::Long(2),
    };
    assert_eq!(
        found.expect("reads"),
        [("latest".into(), only.clone()), ("latest, brief".into(), only)]
    );
    assert_eq!(store.series(id, "quiet", &query).await.expect("reads"), [reading(Value::Long(1))]);
}

async fn read_things(store: &dyn Store) {
    let id = device().entity();
    assert_eq!(
        store.alarm(TENANT, Uuid::from_u128(0x60)).await.expect("reads"),
        Some(alarm(0x60, true))
    );
    assert_eq!(store.active_alarm(id, "hot").await.expect("reads"), Some(alarm(0x61, false)));
    assert_eq!(store.rpc(TENANT, Uuid::from_u128(0x70)).await.expect("reads"), Some(rpc(0x70)));
    assert_eq!(store.rpc(TENANT, Uuid::from_u128(0x71)).await.expect("reads"), None);
    assert_eq!(store.open_rpcs(device()).await.expect("reads"), [rpc(0x70)]);
    assert_eq!(store.reminders().await.expect("reads"), [device()]);
    let filter = EventFilter {
        kind: EventKind::LifeCycle,
        from_ms: None,
        to_ms: None,
    };
    let events = store.events(id, &filter, &PageRequest::first(10)).await.expect("reads");
    assert_eq!(events.data, [event()]);
    let state = NodeState {
        schema: "s1".into(),
        entries: vec![Kept::new("count", Bytes::from_static(b"7"))],
        timers: vec![Kept::new("tick", NOW_MS)],
    };
    assert_eq!(store.node_state(node(0x80)).await.expect("reads"), Some(state));
    assert_eq!(store.node_state(node(0x81)).await.expect("reads"), None);
    for (end, direction) in [(asset(), Direction::From), (id, Direction::To)] {
        let query = |group| RelationQuery {
            direction,
            group,
            relation_type: None,
            limit: 10,
        };
        let common = store.relations(end, &query(RelationGroup::Common)).await.expect("reads");
        assert_eq!(common, [relation("Contains")]);
        assert_eq!(store.relations(end, &query(RelationGroup::Dashboard)).await.expect("reads"), []);
    }
}
