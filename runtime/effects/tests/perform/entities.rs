//! Effects on relations, customers and entities; attributes that go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use cluster::{Delivery, Notice};
use effects::{EffectError, Keeper};
use model::entity::{Direction, EntityRecord, RelationGroup};
use model::{AttributeScope, CustomerId, DeviceId, Downlink, EntityId, EntityKind, TenantId, Value};
use plugins::{Effect, EntityRef, RelationChange};
use serde_json::json;
use storage::{EntityStore, Journal, Mutation, RelationQuery, RelationStore};

use super::world::{World, message};

pub async fn create(world: &World, entity: EntityId, name: &str, customer: Option<CustomerId>) {
    let record = EntityRecord {
        id: entity,
        version: 0,
        name: name.into(),
        subtype: String::new(),
        customer: customer.map(|customer| customer.id),
        body: json!({}),
    };
    world.store.save_entity(record).await.unwrap();
}

async fn related(world: &World, entity: EntityId) -> Vec<EntityId> {
    let query = RelationQuery {
        direction: Direction::From,
        group: RelationGroup::Common,
        relation_type: None,
        limit: 100,
    };
    let found = world.store.relations(entity, &query).await.unwrap();
    found.into_iter().map(|relation| relation.to.of(entity.tenant)).collect()
}

fn relate(source: EntityRef, target: EntityRef) -> Effect {
    Effect::CreateRelation(Box::new(RelationChange {
        source,
        target,
        relation_type: "Contains".into(),
    }))
}

fn part(source: EntityRef, target: EntityRef) -> Effect {
    Effect::DeleteRelation(Box::new(RelationChange {
        source,
        target,
        relation_type: "Contains".into(),
    }))
}

fn named(tenant: TenantId, name: &str) -> EntityRef {
    EntityRef::Named {
        tenant,
        kind: EntityKind::Device,
        name: name.into(),
    }
}

#[tokio::test]
async fn entities_are_related_by_id_and_by_name_and_parted() {
    let world = World::new();
    let (a, b) = (world.device().entity(), world.device().entity());
    create(&world, a, "A", None).await;
    create(&world, b, "B", None).await;
    let about = message(a);
    for _ in 0..2 {
        let made = world
            .perform(1, vec![relate(EntityRef::Id(a), named(world.tenant, "B"))], &about)
            .await
            .unwrap();
        assert_eq!((made.relation, made.message), ("Success", None));
        assert_eq!(related(&world, a).await, [b]);
    }
    for _ in 0..2 {
        let gone = world
            .perform(1, vec![part(named(world.tenant, "A"), EntityRef::Id(b))], &about)
            .await
            .unwrap();
        assert_eq!(gone.relation, "Success");
        assert_eq!(related(&world, a).await, []);
    }
    let gone = world
        .perform(1, vec![part(EntityRef::Id(a), named(world.tenant, "never"))], &about)
        .await
        .unwrap();
    assert_eq!(gone.relation, "Success", "what is not there is related to nothing");
}

#[tokio::test]
async fn relations_do_not_cross_tenants() {
    let world = World::new();
    let foreign = DeviceId::generate(TenantId::generate()).entity();
    let own = world.device().entity();
    create(&world, own, "A", None).await;
    create(&world, foreign, "Foreign", None).await;
    // A guest's ids get its own tenant: the foreign device's id names nothing there.
    let claimed = EntityId::new(world.tenant, EntityKind::Device, foreign.id);
    for target in [
        EntityRef::Id(claimed),
        named(world.tenant, "Foreign"),
        EntityRef::Id(EntityId::new(world.tenant, EntityKind::Tenant, foreign.tenant.0)),
    ] {
        let refused = world.perform(1, vec![relate(EntityRef::Id(own), target)], &message(own)).await;
        assert!(
            matches!(&refused, Err(EffectError::Invalid(reason)) if reason.contains("is not there")),
            "{refused:?}"
        );
    }
    assert_eq!(related(&world, own).await, []);
    let tenant = EntityId::new(world.tenant, EntityKind::Tenant, world.tenant.0);
    world
        .perform(1, vec![relate(EntityRef::Id(own), EntityRef::Id(tenant))], &message(own))
        .await
        .unwrap();
    assert_eq!(related(&world, own).await, [tenant], "its own tenant is an entity as others");
}

/// Makes devices by counting, and assigns in the store.
struct Counting {
    world: storage::EmbeddedStore,
    made: AtomicU32,
    /// What chains were told.
    told: parking_lot::Mutex<Vec<(EntityId, Notice)>>,
}

#[async_trait]
impl Keeper for Counting {
    async fn ensure(&self, tenant: TenantId, kind: EntityKind, name: &str, subtype: &str) -> Result<EntityId, EffectError> {
        if let Some(found) = self.world.entity_by_name(tenant, kind, name).await? {
            return Ok(found.id);
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let id = EntityId::new(tenant, kind, uuid::Uuid::now_v7());
        let record = EntityRecord {
            id,
            version: 0,
            name: name.into(),
            subtype: subtype.into(),
            customer: None,
            body: json!({}),
        };
        self.world.save_entity(record).await?;
        Ok(id)
    }

    async fn assign(
        &self,
        entity: EntityId,
        customer: Option<CustomerId>,
        only_from: Option<CustomerId>,
    ) -> Result<Option<CustomerId>, EffectError> {
        let mut record = self.world.entity(entity).await?.unwrap();
        let owner = record.customer.map(|id| CustomerId::new(entity.tenant, id));
        if only_from.is_some() && owner != only_from {
            return Ok(owner);
        }
        record.customer = customer.map(|customer| customer.id);
        self.world.save_entity(record).await?;
        Ok(customer)
    }

    async fn tell_chain(&self, entity: EntityId, notice: Notice) {
        self.told.lock().push((entity, notice));
    }
}

#[tokio::test]
async fn what_is_ensured_can_be_named_by_the_next_effect() {
    let world = World::new();
    let a = world.device().entity();
    create(&world, a, "A", None).await;
    let ensure = |becomes_originator| Effect::EnsureEntity {
        tenant: world.tenant,
        kind: EntityKind::Device,
        name: "New".into(),
        subtype: "meter".into(),
        becomes_originator,
    };
    let refused = world.perform(1, vec![ensure(false)], &message(a)).await;
    assert!(matches!(refused, Err(EffectError::Invalid(_))), "nobody keeps entities yet");
    let keeper = Arc::new(Counting {
        world: world.store.clone(),
        made: AtomicU32::new(0),
        told: parking_lot::Mutex::default(),
    });
    world.effects.attach(keeper.clone());
    for _ in 0..2 {
        let effects = vec![ensure(true), relate(EntityRef::Id(a), named(world.tenant, "New"))];
        let done = world.perform(1, effects, &message(a)).await.unwrap();
        let made = world
            .store
            .entity_by_name(world.tenant, EntityKind::Device, "New")
            .await
            .unwrap()
            .unwrap();
        assert_eq!((made.subtype.as_str(), related(&world, a).await), ("meter", vec![made.id]));
        let left = done.message.unwrap();
        assert_eq!(
            (left.originator, left.customer),
            (made.id, None),
            "not the old originator's customer"
        );
    }
    assert_eq!(keeper.made.load(Ordering::Relaxed), 1, "repeating makes no second one");
}

#[tokio::test]
async fn a_message_goes_on_with_its_originator_s_new_customer() {
    let world = World::new();
    let (blue, red) = (CustomerId::generate(world.tenant), CustomerId::generate(world.tenant));
    let device = world.device().entity();
    create(&world, blue.entity(), "Blue", None).await;
    create(&world, red.entity(), "Red", None).await;
    create(&world, device, "D", None).await;
    world.effects.attach(Arc::new(Counting {
        world: world.store.clone(),
        made: AtomicU32::new(0),
        told: parking_lot::Mutex::default(),
    }));
    let owner = |customer: CustomerId| EntityRef::Id(customer.entity());
    let assign = |customer| Effect::AssignCustomer { entity: device, customer };
    let unassign = |customer| Effect::UnassignCustomer { entity: device, customer };
    for (effect, expected) in [
        (assign(owner(blue)), Some(blue)),
        (unassign(Some(owner(red))), Some(blue)),
        (unassign(Some(owner(blue))), None),
        (assign(owner(red)), Some(red)),
        (unassign(None), None),
    ] {
        let done = world.perform(1, vec![effect.clone()], &message(device)).await.unwrap();
        assert_eq!(done.message.unwrap().customer, expected, "{effect:?}");
        let stored = world.store.entity(device).await.unwrap().unwrap();
        assert_eq!(stored.customer, expected.map(|customer| customer.id));
    }
    let refused = world.perform(1, vec![assign(EntityRef::Id(device))], &message(device)).await;
    assert!(matches!(refused, Err(EffectError::Invalid(_))), "a device is no customer");
    let foreign = CustomerId::generate(TenantId::generate());
    create(&world, foreign.entity(), "Foreign", None).await;
    let claimed = EntityRef::Id(EntityId::new(world.tenant, EntityKind::Customer, foreign.id));
    assert!(world.perform(1, vec![assign(claimed)], &message(device)).await.is_err());
}

#[tokio::test]
async fn attributes_go_and_the_device_hears_of_shared_ones() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    for (scope, notify_device) in [
        (AttributeScope::ServerScope, false),
        (AttributeScope::SharedScope, false),
        (AttributeScope::SharedScope, true),
    ] {
        let set = Mutation::Attributes {
            entity: device.entity(),
            scope,
            ts_ms: 1,
            values: vec![("a".into(), Value::Long(1)), ("b".into(), Value::Long(2))],
        };
        world.store.submit(vec![set]).await.unwrap().await.unwrap();
        let delete = Effect::DeleteAttributes {
            entity: device.entity(),
            scope,
            keys: vec!["a".into(), "never".into()],
            notify_device,
            tell_chain: false,
        };
        world.perform(1, vec![delete], &message(device.entity())).await.unwrap();
        assert_eq!(world.attribute(device, scope, "a").await, None);
        assert!(world.attribute(device, scope, "b").await.is_some());
        match (notify_device, lane.try_recv()) {
            (false, None) => {}
            (true, Some(Delivery::Push(Downlink::AttributesRemoved(keys)))) => assert_eq!(keys, ["a".into(), "never".into()]),
            other => panic!("{other:?}"),
        }
    }
}
