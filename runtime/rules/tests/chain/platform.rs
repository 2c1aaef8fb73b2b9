//! Shipped nodes that read what is stored, relate entities, and hold messages, in a real chain.

use model::entity::{Direction, EntityRecord, RelationGroup};
use model::{AttributeScope, CustomerId, EntityId, Value};
use serde_json::{Value as Json, json};
use storage::{EntityStore, Mutation, NodeStateStore, RelationQuery, RelationStore};

use super::world::{SAVE, World, graph, soon, telemetry};

const ATTRIBUTES: &str = "org.thingsboard.rule.engine.metadata.TbGetAttributesNode";
const CUSTOMER: &str = "org.thingsboard.rule.engine.metadata.TbGetCustomerAttributeNode";
const DELTA: &str = "org.thingsboard.rule.engine.metadata.CalculateDeltaNode";
const CREATE_RELATION: &str = "org.thingsboard.rule.engine.action.TbCreateRelationNode";
const DELETE_RELATION: &str = "org.thingsboard.rule.engine.action.TbDeleteRelationNode";
const CHECK_RELATION: &str = "org.thingsboard.rule.engine.filter.TbCheckRelationNode";
const PROFILE_SWITCH: &str = "org.thingsboard.rule.engine.filter.TbDeviceTypeSwitchNode";
const DELETE_ATTRIBUTES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgDeleteAttributesNode";
const DEDUPLICATION: &str = "org.thingsboard.rule.engine.deduplication.TbMsgDeduplicationNode";
const DELAY: &str = "org.thingsboard.rule.engine.delay.TbMsgDelayNode";
const RENAME: &str = "org.thingsboard.rule.engine.transform.TbRenameKeysNode";

async fn create(world: &World, entity: EntityId, name: &str, subtype: &str, customer: Option<CustomerId>) {
    let record = EntityRecord {
        id: entity,
        version: 0,
        name: name.into(),
        subtype: subtype.into(),
        customer: customer.map(|customer| customer.id),
        body: json!({"name": name}),
    };
    world.store.save_entity(record).await.unwrap();
}

async fn set(world: &World, entity: EntityId, key: &str, value: i64) {
    let attributes = Mutation::Attributes {
        entity,
        scope: AttributeScope::ServerScope,
        ts_ms: 1,
        values: vec![(key.into(), Value::Long(value))],
    };
    world.store_now(vec![attributes]).await;
}

async fn values(world: &World, entity: EntityId, key: &str) -> Vec<Value> {
    world.series(entity, key).await.into_iter().map(|(_, value)| value).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_enriched_with_what_is_stored() {
    let world = World::new();
    let (device, owner) = (world.device(), CustomerId::generate(world.tenant));
    create(&world, owner.entity(), "Blue", "", None).await;
    create(&world, device, "D", "meter", Some(owner)).await;
    set(&world, device, "limit", 40).await;
    set(&world, owner.entity(), "tariff", 3).await;
    let chain = [
        (PROFILE_SWITCH, json!({}), &[("meter", 1)][..]),
        (
            ATTRIBUTES,
            json!({"serverAttributeNames": ["limit"], "fetchTo": "DATA"}),
            &[("Success", 2)],
        ),
        (
            CUSTOMER,
            json!({"dataMapping": {"tariff": "t"}, "fetchTo": "DATA"}),
            &[("Success", 3)],
        ),
        (
            RENAME,
            json!({"renameIn": "DATA", "renameKeysMapping": {"ss_limit": "limit"}}),
            &[("Success", 4)],
        ),
        (SAVE, json!({}), &[]),
    ];
    let mut chain = world.chain("enriching", &chain);
    chain.settle_all([telemetry(device, 7, json!({"a": 1}))]).await;
    for (key, expected) in [("a", 1), ("limit", 40), ("t", 3)] {
        assert_eq!(values(&world, device, key).await, [Value::Long(expected)], "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_originator_is_related_checked_and_parted() {
    let world = World::new();
    let (device, house) = (world.device(), world.device());
    create(&world, device, "D", "default", None).await;
    create(&world, house, "House", "default", None).await;
    set(&world, device, "gone", 1).await;
    // Configurations without a version are old ones: their direction is that of the other entity.
    let other = json!({"direction": "FROM", "relationType": "Contains", "entityType": "DEVICE", "entityNamePattern": "$[house]"});
    let with = |more: Json| {
        let mut all = other.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let chain = [
        (CREATE_RELATION, other.clone(), &[("Success", 1)][..]),
        (
            CHECK_RELATION,
            json!({"direction": "FROM", "relationType": "Contains"}),
            &[("True", 2)],
        ),
        (
            DELETE_ATTRIBUTES,
            json!({"scope": "SERVER_SCOPE", "keys": ["gone"]}),
            &[("Success", 3)],
        ),
        (SAVE, json!({}), &[]),
    ];
    let graph = graph(world.tenant, "relating", &chain);
    let mut relating = world.start(&graph);
    relating.settle_all([telemetry(device, 7, json!({"house": "House"}))]).await;
    let query = RelationQuery {
        direction: Direction::From,
        group: RelationGroup::Common,
        relation_type: Some("Contains".into()),
        limit: 10,
    };
    let related = world.store.relations(house, &query).await.unwrap();
    assert_eq!(related.iter().map(|one| one.to.of(world.tenant)).collect::<Vec<_>>(), [device]);
    assert_eq!(values(&world, device, "house").await.len(), 1, "it was found to be related");
    assert_eq!(world.attribute(device, AttributeScope::ServerScope, "gone").await, None);
    relating.settle_all([telemetry(device, 8, json!({"house": "Elsewhere"}))]).await;
    assert_eq!(world.failures(&graph, 0).await.len(), 1, "there is no such house");

    let mut parting = world.chain(
        "parting",
        &[
            (DELETE_RELATION, with(json!({"deleteForSingleEntity": false})), &[("Success", 1)]),
            (SAVE, json!({}), &[]),
        ],
    );
    parting.settle_all([telemetry(device, 9, json!({"parted": 1}))]).await;
    assert_eq!(world.store.relations(house, &query).await.unwrap(), []);
    assert_eq!(values(&world, device, "parted").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_are_those_of_each_device() {
    let world = World::new();
    let delta = json!({"inputValueKey": "pulses", "outputValueKey": "delta"});
    let mut chain = world.chain("counting", &[(DELTA, delta, &[("Success", 1)]), (SAVE, json!({}), &[])]);
    let devices = [world.device(), world.device()];
    let messages = (0..20).flat_map(|at| {
        let pulse = move |number: usize| telemetry(devices[number], 1_000 + at, json!({"pulses": at * (number as i64 + 1)}));
        [pulse(0), pulse(1)]
    });
    chain.settle_all(messages).await;
    for (number, device) in devices.into_iter().enumerate() {
        let mut expected = vec![Value::Long(number as i64 + 1); 20];
        expected[0] = Value::Long(0);
        assert_eq!(values(&world, device, "delta").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collected_messages_leave_as_one_after_their_time() {
    let world = World::new();
    let collect = json!({"interval": 1, "strategy": "LAST"});
    let graph = graph(
        world.tenant,
        "collecting",
        &[(DEDUPLICATION, collect, &[("Success", 1)]), (SAVE, json!({}), &[])],
    );
    let device = world.device();
    {
        let mut chain = world.start(&graph);
        chain
            .settle_all((0..10).map(|at| telemetry(device, 1_000 + at, json!({"t": at}))))
            .await;
        assert_eq!(values(&world, device, "t").await, [], "they are kept, and settled");
        let mut settlements = chain.let_go();
        assert!(settlements.all(0).await.is_empty());
    }
    // The clock of these tests goes on when it is looked at: the time of what was collected is over.
    for _ in 0..2_000 {
        world.around().clock.now_ms();
    }
    // What was acknowledged is sent by the chain's next life.
    let _chain = world.start(&graph);
    until_saved(&world, device, "t", 1).await;
    assert_eq!(world.series(device, "t").await, [(1_009, Value::Long(9))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_messages_leave_in_their_order() {
    let world = World::new();
    let hold = json!({"periodInSeconds": 0});
    let graph = graph(world.tenant, "holding", &[(DELAY, hold, &[("Success", 1)]), (SAVE, json!({}), &[])]);
    let device = world.device();
    let mut chain = world.start(&graph);
    chain
        .settle_all((0..50).map(|at| telemetry(device, 1_000 + at, json!({"t": at}))))
        .await;
    until_saved(&world, device, "t", 50).await;
    assert_eq!(values(&world, device, "t").await, (0..50).map(Value::Long).collect::<Vec<_>>());
    soon("forgetting", async {
        while !world.store.node_state(graph.nodes[0].id).await.unwrap().unwrap().entries.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn until_saved(world: &World, device: EntityId, key: &str, count: usize) {
    soon("saving", async {
        while world.series(device, key).await.len() < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
