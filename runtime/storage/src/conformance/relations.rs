//! Promises of [`crate::RelationStore`].

use std::sync::Arc;

use model::entity::{Direction, IdRef, Relation, RelationGroup};
use model::{EntityId, EntityKind, TenantId};
use serde_json::json;

use super::sample::{commit, create, device, record, sibling};
use crate::{Mutation, RelationQuery, Store};

fn link(from: EntityId, to: EntityId, relation_type: &str) -> Relation {
    Relation {
        from: from.into(),
        to: to.into(),
        relation_type: relation_type.into(),
        type_group: RelationGroup::Common,
        additional_info: None,
    }
}

fn put(tenant: TenantId, relation: &Relation) -> Mutation {
    Mutation::PutRelation {
        tenant,
        relation: Arc::new(relation.clone()),
    }
}

fn delete(tenant: TenantId, relation: &Relation) -> Mutation {
    Mutation::DeleteRelation {
        tenant,
        relation: Arc::new(relation.clone()),
    }
}

fn query(direction: Direction) -> RelationQuery {
    RelationQuery {
        direction,
        group: RelationGroup::Common,
        relation_type: None,
        limit: 1000,
    }
}

async fn found(store: &dyn Store, entity: EntityId, query: &RelationQuery) -> Vec<Relation> {
    store.relations(entity, query).await.expect("reads")
}

/// The types and other ends, as seen from an entity.
async fn seen(store: &dyn Store, entity: EntityId, direction: Direction) -> Vec<(String, IdRef)> {
    let relations = found(store, entity, &query(direction)).await;
    relations
        .iter()
        .map(|one| (one.relation_type.clone(), one.seen(direction)))
        .collect()
}

/// A relation comes back by its name, and from either end; writing it again replaces its data.
pub async fn are_seen_from_both_ends(store: &dyn Store) {
    let (from, tenant) = (device(), device().tenant);
    let (from, to) = (
        EntityId::new(tenant, EntityKind::Asset, from.id),
        EntityId::new(tenant, EntityKind::Device, device().id),
    );
    let mut relation = Relation {
        additional_info: Some(json!({"since": [1, null, "ü"]})),
        ..link(from, to, "Contains größer")
    };
    for round in 0..2 {
        relation.additional_info = Some(json!({ "round": round }));
        commit(store, vec![put(tenant, &relation)]).await;
        let nameless = Relation {
            additional_info: None,
            ..relation.clone()
        };
        assert_eq!(store.relation(tenant, &nameless).await.expect("reads"), Some(relation.clone()));
        assert_eq!(found(store, from, &query(Direction::From)).await, vec![relation.clone()]);
        assert_eq!(found(store, to, &query(Direction::To)).await, vec![relation.clone()]);
    }
    assert_eq!(found(store, from, &query(Direction::To)).await, vec![]);
    assert_eq!(found(store, to, &query(Direction::From)).await, vec![]);
    let turned = link(to, from, "Contains größer");
    assert_eq!(store.relation(tenant, &turned).await.expect("reads"), None);
}

/// A type is not mixed up with one that begins like it; groups are apart; a limit is kept.
pub async fn are_apart_by_type_and_group(store: &dyn Store) {
    let from = device();
    let (a, b, c) = (sibling(from), sibling(from), sibling(from));
    let other = Relation {
        type_group: RelationGroup::Dashboard,
        ..link(from, c, "Has")
    };
    let batch = [link(from, a, "Has"), link(from, b, "Has more"), link(from, c, "Has"), other.clone()];
    commit(store, batch.iter().map(|one| put(from.tenant, one)).collect()).await;
    let of_type = |relation_type: &str, limit| RelationQuery {
        relation_type: Some(relation_type.into()),
        limit,
        ..query(Direction::From)
    };
    let mut ends: Vec<IdRef> = found(store, from, &of_type("Has", 9)).await.iter().map(|one| one.to).collect();
    ends.sort_unstable_by_key(|end| end.id);
    let mut expected: Vec<IdRef> = vec![a.into(), c.into()];
    expected.sort_unstable_by_key(|end| end.id);
    assert_eq!(ends, expected);
    assert_eq!(found(store, from, &of_type("Has", 1)).await.len(), 1);
    for unknown in ["Ha", "", "has", "Has\0"] {
        assert_eq!(found(store, from, &of_type(unknown, 9)).await, vec![], "{unknown:?}");
    }
    let types: Vec<String> = seen(store, from, Direction::From).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(types, ["Has", "Has", "Has more"]);
    let dashboards = RelationQuery {
        group: RelationGroup::Dashboard,
        ..query(Direction::To)
    };
    assert_eq!(found(store, c, &dashboards).await, vec![other]);
}

/// The same ids in another tenant are other entities.
pub async fn of_tenants_are_apart(store: &dyn Store) {
    let (from, foreign) = (device(), TenantId::generate());
    let to = sibling(from);
    let relation = link(from, to, "Contains");
    commit(store, vec![put(from.tenant, &relation)]).await;
    let abroad = |entity: EntityId| EntityId::new(foreign, entity.kind, entity.id);
    assert_eq!(store.relation(foreign, &relation).await.expect("reads"), None);
    assert_eq!(seen(store, abroad(from), Direction::From).await, vec![]);
    assert_eq!(seen(store, abroad(to), Direction::To).await, vec![]);
    let drop = Mutation::DropRelations {
        entity: abroad(from),
        group: RelationGroup::Common,
    };
    commit(store, vec![delete(foreign, &relation), drop]).await;
    assert_eq!(seen(store, to, Direction::To).await, vec![("Contains".into(), from.into())]);
}

/// A removed relation is gone at both ends, and others stay; removing it again changes nothing.
pub async fn are_removed_one_by_one_and_by_group(store: &dyn Store) {
    let middle = device();
    let (above, below) = (sibling(middle), sibling(middle));
    let (up, down, more) = (link(above, middle, "C"), link(middle, below, "C"), link(middle, below, "D"));
    let dashboard = Relation {
        type_group: RelationGroup::Dashboard,
        ..link(middle, below, "C")
    };
    let all = [&up, &down, &more, &dashboard].map(|one| put(middle.tenant, one)).to_vec();
    commit(store, all).await;
    for _ in 0..2 {
        commit(store, vec![delete(middle.tenant, &down)]).await;
        assert_eq!(seen(store, below, Direction::To).await, vec![("D".into(), middle.into())]);
        assert_eq!(seen(store, middle, Direction::From).await, vec![("D".into(), below.into())]);
    }
    let drop = Mutation::DropRelations {
        entity: middle,
        group: RelationGroup::Common,
    };
    commit(store, vec![drop]).await;
    for (entity, direction) in [
        (middle, Direction::From),
        (middle, Direction::To),
        (above, Direction::From),
        (below, Direction::To),
    ] {
        assert_eq!(seen(store, entity, direction).await, vec![]);
    }
    assert_eq!(store.relation(middle.tenant, &dashboard).await.expect("reads"), Some(dashboard));
}

/// An entity that is deleted leaves no relation behind, of any group, at either end.
pub async fn go_with_either_end(store: &dyn Store) {
    let gone = device();
    let (above, below) = (sibling(gone), sibling(gone));
    create(store, record(gone, "gone")).await;
    let of_groups = RelationGroup::ALL.map(|type_group| Relation {
        type_group,
        ..link(gone, below, "C")
    });
    let kept = link(above, below, "C");
    let other = link(above, gone, "C");
    let all = of_groups.iter().chain([&other, &kept]).map(|one| put(gone.tenant, one));
    commit(store, all.collect()).await;
    assert!(store.delete_entity(gone).await.expect("deletes"));
    assert_eq!(found(store, above, &query(Direction::From)).await, vec![kept.clone()]);
    assert_eq!(found(store, below, &query(Direction::To)).await, vec![kept]);
    for relation in of_groups {
        assert_eq!(store.relation(gone.tenant, &relation).await.expect("reads"), None);
    }
}
