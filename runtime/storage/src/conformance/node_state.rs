//! Promises of [`crate::NodeStateStore`].

use std::sync::Arc;

use bytes::Bytes;
use model::{Kept, NodeState, NodeStateChange, RuleNodeId, TenantId};

use super::sample::commit;
use crate::{Mutation, Store};

fn entries(values: &[(&str, Option<&str>)]) -> NodeStateChange {
    NodeStateChange {
        entries: values
            .iter()
            .map(|(key, value)| ((*key).into(), value.map(|text| Bytes::copy_from_slice(text.as_bytes()))))
            .collect(),
        ..NodeStateChange::default()
    }
}

fn fresh(schema: &str, values: &[(&str, Option<&str>)]) -> NodeStateChange {
    NodeStateChange {
        replaces: Some(schema.into()),
        ..entries(values)
    }
}

fn timers(values: &[(&str, Option<i64>)]) -> NodeStateChange {
    NodeStateChange {
        timers: values.iter().map(|(name, due_ms)| ((*name).into(), *due_ms)).collect(),
        ..NodeStateChange::default()
    }
}

fn of(node: RuleNodeId, change: NodeStateChange) -> Mutation {
    Mutation::NodeState {
        node,
        change: Arc::new(change),
    }
}

fn state(schema: &str, values: &[(&str, &'static str)], timers: &[(&str, i64)]) -> Option<NodeState> {
    Some(NodeState {
        schema: schema.into(),
        entries: values
            .iter()
            .map(|(key, value)| Kept::new(key, Bytes::from_static(value.as_bytes())))
            .collect(),
        timers: timers.iter().map(|(name, due_ms)| Kept::new(name, *due_ms)).collect(),
    })
}

async fn read(store: &dyn Store, node: RuleNodeId) -> Option<NodeState> {
    store.node_state(node).await.expect("reads")
}

/// Keys and timers are set, changed and removed, each on its own; nodes are apart.
pub async fn comes_back_as_changed(store: &dyn Store) {
    let tenant = TenantId::generate();
    let (node, other) = (RuleNodeId::generate(tenant), RuleNodeId::generate(tenant));
    assert_eq!(read(store, node).await, None);
    commit(
        store,
        vec![
            of(node, fresh("s/1", &[("b", Some("1")), ("a", Some(""))])),
            of(node, timers(&[("b", Some(-5)), ("z", Some(i64::MAX))])),
            of(other, fresh("s/2", &[("a", Some("other"))])),
        ],
    )
    .await;
    assert_eq!(
        read(store, node).await,
        state("s/1", &[("a", ""), ("b", "1")], &[("b", -5), ("z", i64::MAX)])
    );
    let changes = vec![
        of(node, entries(&[("a", Some("2")), ("b", None), ("gone", None)])),
        of(node, timers(&[("b", None)])),
    ];
    for _ in 0..2 {
        commit(store, changes.clone()).await;
        assert_eq!(read(store, node).await, state("s/1", &[("a", "2")], &[("z", i64::MAX)]));
    }
    assert_eq!(read(store, other).await, state("s/2", &[("a", "other")], &[]));
}

/// Nothing of the old schema is left, not even what the same batch wrote.
pub async fn another_schema_replaces_it(store: &dyn Store) {
    let node = RuleNodeId::generate(TenantId::generate());
    commit(
        store,
        vec![
            of(node, fresh("old", &[("a", Some("1"))])),
            of(node, timers(&[("t", Some(1))])),
            of(node, entries(&[("b", Some("1"))])),
            of(node, fresh("new", &[("c", Some("2"))])),
        ],
    )
    .await;
    assert_eq!(read(store, node).await, state("new", &[("c", "2")], &[]));
}

/// A read sees what was handed over before it, although nobody waited for it to be durable.
pub async fn is_read_behind_its_changes(store: &dyn Store) {
    let node = RuleNodeId::generate(TenantId::generate());
    for round in 0..20 {
        let value = round.to_string();
        let change = fresh("s", &[("a", Some(&*value))]);
        let pending = store.submit(vec![of(node, change)]).await.expect("takes it");
        let found = read(store, node).await.expect("there");
        assert_eq!(found.entries, vec![Kept::new("a", Bytes::from(value))]);
        pending.await.expect("durable");
    }
}

/// Nothing is left of a node that is removed; its siblings keep theirs.
pub async fn goes_with_its_node(store: &dyn Store) {
    let tenant = TenantId::generate();
    let nodes = [(); 3].map(|()| RuleNodeId::generate(tenant));
    commit(store, nodes.map(|node| of(node, fresh("s", &[("a", Some("1"))]))).to_vec()).await;
    commit(store, vec![Mutation::DropNodeState(nodes[0])]).await;
    store.delete_entity(nodes[1].entity()).await.expect("deletes");
    assert_eq!(read(store, nodes[0]).await, None);
    assert_eq!(read(store, nodes[1]).await, None);
    assert_eq!(read(store, nodes[2]).await, state("s", &[("a", "1")], &[]));
}
