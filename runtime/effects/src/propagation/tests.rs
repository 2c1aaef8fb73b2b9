//! Who shows an alarm: along which relations, how many, and whether it ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use async_trait::async_trait;
use model::entity::{Relation, Severity};
use model::{EntityId, EntityKind};
use plugins::Propagation;
use uuid::Uuid;

use crate::alarm::{Raise, Raised, raise};

/// Relations, and how often somebody asked for some.
#[derive(Default)]
struct Known {
    all: Vec<Relation>,
    asked: AtomicUsize,
}

#[async_trait]
impl RelationStore for Known {
    async fn relation(&self, _: TenantId, _: &Relation) -> Result<Option<Relation>, StorageError> {
        Err(StorageError::Unavailable("nobody asks for one"))
    }

    async fn relations(&self, entity: EntityId, query: &RelationQuery) -> Result<Vec<Relation>, StorageError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let ends = |relation: &&Relation| {
            relation.to == IdRef::from(entity)
                && query.direction == Direction::To
                && query.group == relation.type_group
                && query.relation_type.as_ref().is_none_or(|name| *name == relation.relation_type)
        };
        Ok(self.all.iter().filter(ends).take(query.limit).cloned().collect())
    }
}

impl Known {
    fn new(all: impl IntoIterator<Item = (u128, u128, &'static str)>) -> Self {
        let relation = |(from, to, relation_type): (u128, u128, &str)| Relation {
            from: asset(from),
            to: asset(to),
            relation_type: relation_type.to_owned(),
            type_group: RelationGroup::Common,
            additional_info: None,
        };
        Known {
            all: all.into_iter().map(relation).collect(),
            ..Known::default()
        }
    }

    /// Which assets show an alarm of asset 0, and how often it was asked for that.
    async fn related(&self, types: &[&str]) -> (Vec<u128>, usize) {
        let propagation = Propagation {
            related: true,
            relation_types: types.iter().map(|&name| name.to_owned()).collect(),
            ..Propagation::default()
        };
        self.asked.store(0, Ordering::Relaxed);
        let shown = shown_to(self, &alarm(None, propagation)).await.expect("reads");
        let shown = shown.iter().map(|one| one.id.as_u128()).collect();
        (shown, self.asked.load(Ordering::Relaxed))
    }
}

fn asset(number: u128) -> IdRef {
    IdRef::new(EntityKind::Asset, Uuid::from_u128(number))
}

const TENANT: TenantId = TenantId(Uuid::from_u128(0xff));

fn alarm(customer: Option<IdRef>, propagation: Propagation) -> Alarm {
    let wanted = Raise {
        originator: asset(0).of(TENANT),
        alarm_type: "hot".to_owned(),
        severity: Severity::Major,
        details: None,
        start_ms: 0,
        end_ms: None,
        propagation,
    };
    match raise(None, wanted, Uuid::nil(), 0) {
        Raised::Created(alarm) | Raised::Updated { alarm, .. } => Alarm {
            customer_id: customer,
            ..alarm
        },
    }
}

#[tokio::test]
async fn relations_are_followed_from_end_to_start_the_nearest_first() {
    let known = Known::new([
        (1, 0, "Contains"),
        (2, 0, "Manages"),
        (3, 1, "Contains"),
        (4, 3, "Manages"),
        // Two ways to one, and what the originator contains itself.
        (4, 2, "Contains"),
        (0, 5, "Contains"),
    ]);
    for (types, expected) in [
        (&[][..], &[1, 2, 3, 4][..]),
        (&["Contains"], &[1, 3]),
        (&["Manages"], &[2]),
        (&["Contains", "Manages"], &[1, 2, 3, 4]),
        (&["Manages", "Owns"], &[2]),
        (&["Owns"], &[]),
    ] {
        assert_eq!(known.related(types).await.0, expected, "{types:?}");
    }
    let mut other_group = known;
    for relation in &mut other_group.all {
        relation.type_group = RelationGroup::Dashboard;
    }
    assert!(other_group.related(&[]).await.0.is_empty());
}

#[tokio::test]
async fn a_ring_of_relations_ends() {
    let ring = Known::new([(1, 0, "r"), (2, 1, "r"), (0, 2, "r"), (0, 0, "r"), (2, 2, "r")]);
    assert_eq!(ring.related(&[]).await, (vec![1, 2], 3));
}

#[tokio::test]
async fn the_nearest_hundred_show_it() {
    let line = Known::new((0..200).map(|at| (at + 1, at, "r")));
    assert_eq!(line.related(&["r"]).await, ((1..=100).collect(), 100));
    let crowd = Known::new((1..=200).map(|at| (at, 0, "r")));
    assert_eq!(crowd.related(&[]).await, ((1..=100).collect(), 1));
    // As many relations as are read are of another type; what comes after them is too much.
    let noise = Known::new((1..=1_000).map(|at| (at, 0, "noise")).chain([(7, 0, "r")]));
    assert_eq!(noise.related(&["r", "s"]).await, (vec![], 1));
    assert_eq!(noise.related(&["r"]).await, (vec![7], 2));
}

#[tokio::test]
async fn owner_and_tenant_show_it_once_each_and_nothing_is_read_for_them() {
    let known = Known::new([(1, 0, "r")]);
    let customer = IdRef::new(EntityKind::Customer, Uuid::from_u128(9));
    let tenant = IdRef::tenant(TENANT);
    for (customer_id, owner, to_tenant, expected) in [
        (Some(customer), false, false, vec![]),
        (Some(customer), true, false, vec![customer]),
        (None, true, false, vec![tenant]),
        (None, true, true, vec![tenant]),
        (Some(customer), true, true, vec![customer, tenant]),
        (Some(customer), false, true, vec![tenant]),
    ] {
        let propagation = Propagation {
            owner,
            tenant: to_tenant,
            relation_types: vec!["r".to_owned()],
            ..Propagation::default()
        };
        let shown = shown_to(&known, &alarm(customer_id, propagation)).await.expect("reads");
        assert_eq!(shown, expected, "{customer_id:?} {owner} {to_tenant}");
    }
    assert_eq!(known.asked.load(Ordering::Relaxed), 0);
    let all = Propagation {
        related: true,
        owner: true,
        ..Propagation::default()
    };
    let shown = shown_to(&known, &alarm(Some(customer), all)).await.expect("reads");
    assert_eq!(shown, [asset(1), customer]);
}
