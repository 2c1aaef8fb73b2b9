//! Chains that send messages into each other: what is acknowledged here is durable there, order holds, circles end, nothing is lost when a
//! chain is replaced, and a chain that is gone is a failure.

use std::sync::Arc;

use crate::world::{Chain, FIELD_FILTER, Node, SAVE, World, graph, telemetry};
use cluster::SettleError;
use model::{EntityId, TenantId, Value};
use rules::Graph;
use rules::chain::Replace;
use serde_json::{Value as Json, json};

const RULE_CHAIN: &str = "org.thingsboard.rule.engine.flow.TbRuleChainInputNode";
const OUTPUT: &str = "org.thingsboard.rule.engine.flow.TbRuleChainOutputNode";
const SPLIT: &str = "org.thingsboard.rule.engine.transform.TbSplitArrayMsgNode";

fn into(chain: &Graph) -> Json {
    json!({"ruleChainId": chain.chain.id, "forwardMsgToDefaultRuleChain": false})
}

fn hot() -> Json {
    json!({"key": "temperature", "operator": "GREATER", "value": 20})
}

fn save() -> Json {
    json!({"defaultTTL": 0, "useServerTs": false})
}

/// A chain that others may call.
fn callee(world: &World, name: &str, nodes: &[Node]) -> (Arc<Graph>, Chain) {
    let graph = graph(world.tenant, name, nodes);
    let chain = world.start(&graph);
    world.publish(world.tenant, &graph, &chain);
    (graph, chain)
}

async fn values(world: &World, device: EntityId, key: &str) -> Vec<Value> {
    world.series(device, key).await.into_iter().map(|(_, value)| value).collect()
}

fn whole(values: impl IntoIterator<Item = i64>) -> Vec<Value> {
    values.into_iter().map(Value::Long).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_are_relations_of_the_node_that_called() {
    let world = World::new();
    let device = world.device();
    // Outputs n1 and n2, for what is hot and what is not.
    let (asked, _inner) = callee(
        &world,
        "judge",
        &[
            (FIELD_FILTER, hot(), &[("True", 1), ("False", 2)]),
            (OUTPUT, json!({}), &[]),
            (OUTPUT, json!({}), &[]),
        ],
    );
    let mut chain = world.chain("root", &[(RULE_CHAIN, into(&asked), &[("n1", 1)]), (SAVE, save(), &[])]);
    let message = |number: i64| telemetry(device, number, json!({"temperature": 10 + number}));
    chain.settle_all((0..20).map(message)).await;
    assert_eq!(
        values(&world, device, "temperature").await,
        whole(21..30),
        "those that were hot, in order"
    );
    let state = chain.observe().await;
    assert_eq!((state.entered, state.settled, state.open_branches), (20, 20, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_of_many_devices_keep_their_order_through_three_chains() {
    let world = World::new();
    let devices: Vec<EntityId> = (0..8).map(|_| world.device()).collect();
    let (deepest, _one) = callee(&world, "deepest", &[(OUTPUT, json!({}), &[])]);
    let (middle, _two) = callee(
        &world,
        "middle",
        &[(RULE_CHAIN, into(&deepest), &[("n0", 1)]), (OUTPUT, json!({}), &[])],
    );
    let mut chain = world.chain("root", &[(RULE_CHAIN, into(&middle), &[("n1", 1)]), (SAVE, save(), &[])]);
    let message = |number: i64| telemetry(devices[usize::try_from(number).unwrap() % 8], number, json!({"count": number}));
    chain.settle_all((0..2_000).map(message)).await;
    for (first, device) in devices.into_iter().enumerate() {
        let expected = (0..250).map(|round| round * 8 + i64::try_from(first).unwrap());
        assert_eq!(values(&world, device, "count").await, whole(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_that_comes_back_goes_on_and_what_is_saved_there_is_settled() {
    let world = World::new();
    let device = world.device();
    let (asked, _inner) = callee(
        &world,
        "splits",
        &[
            (SPLIT, json!({}), &[("Success", 1)]),
            (SAVE, save(), &[("Success", 2)]),
            (OUTPUT, json!({}), &[]),
        ],
    );
    let mut chain = world.chain("root", &[(RULE_CHAIN, into(&asked), &[("n2", 1)]), (SAVE, save(), &[])]);
    let parts: Vec<Json> = (0..100).map(|number| json!({ format!("k{number}"): number })).collect();
    chain.settle_all([telemetry(device, 1, Json::Array(parts))]).await;
    for number in [0, 50, 99] {
        assert_eq!(values(&world, device, &format!("k{number}")).await, whole([number]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_stays_where_it_happens() {
    let world = World::new();
    let device = world.device();
    // Values that are no object cannot be saved.
    let (asked, _inner) = callee(&world, "fails", &[(SAVE, save(), &[("Success", 1)]), (OUTPUT, json!({}), &[])]);
    let root = graph(
        world.tenant,
        "root",
        &[(RULE_CHAIN, into(&asked), &[("n1", 1), ("Failure", 1)]), (SAVE, save(), &[])],
    );
    let mut chain = world.start(&root);
    chain
        .settle_all([telemetry(device, 1, json!([1])), telemetry(device, 2, json!({"fine": 1}))])
        .await;
    assert_eq!(
        world.failures(&asked, 0).await.len(),
        1,
        "it is recorded in the chain where it failed"
    );
    assert!(world.failures(&root, 0).await.is_empty() && world.failures(&root, 1).await.is_empty());
    assert_eq!(values(&world, device, "fine").await, whole([1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circles_end_with_a_failure() {
    let world = World::new();
    let device = world.device();
    let second = graph(
        world.tenant,
        "second",
        &[(RULE_CHAIN, json!({"forwardMsgToDefaultRuleChain": true}), &[])],
    );
    let (first, mut chain) = callee(&world, "first", &[(RULE_CHAIN, into(&second), &[])]);
    // The second chain, as it is stored later: it calls the first.
    let mut back = graph(world.tenant, "second", &[(RULE_CHAIN, into(&first), &[])]);
    Arc::get_mut(&mut back).unwrap().chain = second.chain;
    let other = world.start(&back);
    world.publish(world.tenant, &back, &other);
    chain
        .settle_all((0..50).map(|number| telemetry(device, number, json!({"a": 1}))))
        .await;
    let failures = world.failures(&back, 0).await;
    assert_eq!(failures.len(), 50);
    assert!(
        failures[0].body["error"].as_str().unwrap().contains("in a circle"),
        "{:?}",
        failures[0].body
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_chains_of_the_tenant_are_entered() {
    let world = World::new();
    let device = world.device();
    let strange = graph(world.tenant, "strange", &[(OUTPUT, json!({}), &[])]);
    let stranger = world.start(&strange);
    world.publish(TenantId::generate(), &strange, &stranger);
    let root = graph(
        world.tenant,
        "root",
        &[(RULE_CHAIN, into(&strange), &[("Failure", 1)]), (SAVE, save(), &[])],
    );
    let mut chain = world.start(&root);
    chain.settle_all([telemetry(device, 1, json!({"a": 1}))]).await;
    assert_eq!(values(&world, device, "a").await, whole([1]), "it leaves along Failure");
    assert_eq!(stranger.observe().await.entered, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_gone_is_a_failure_and_what_is_inside_is_done() {
    let world = World::new();
    let device = world.device();
    let (asked, inner) = callee(&world, "asked", &[(OUTPUT, json!({}), &[])]);
    let nodes: [Node; 3] = [
        (RULE_CHAIN, into(&asked), &[("n0", 1), ("Failure", 2)]),
        (SAVE, save(), &[]),
        (FIELD_FILTER, hot(), &[]),
    ];
    let root = graph(world.tenant, "root", &nodes);
    let mut chain = world.start(&root);
    chain.settle_all([telemetry(device, 1, json!({"a": 1}))]).await;
    // Gone, and still in somebody's hand: nobody is behind the lane.
    let mut ended = inner.let_go();
    world.withdraw(&asked);
    chain.settle_all([telemetry(device, 2, json!({"a": 2}))]).await;
    assert_eq!(values(&world, device, "a").await, whole([1]));
    assert!(ended.all(0).await.is_empty());
    assert!(world.failures(&root, 0).await.is_empty(), "Failure is taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_is_replaced_between_messages_of_others() {
    let world = World::new();
    let device = world.device();
    let (asked, inner) = callee(&world, "asked", &[(OUTPUT, json!({}), &[])]);
    let mut chain = world.chain("root", &[(RULE_CHAIN, into(&asked), &[("n0", 1), ("n1", 1)]), (SAVE, save(), &[])]);
    let sender = chain.sender();
    let sending = async {
        for number in 0..1_000 {
            sender
                .send(number, telemetry(device, i64::try_from(number).unwrap(), json!({"count": number})))
                .await;
        }
    };
    let replacing = async {
        for round in 0..20 {
            let mut nodes: Vec<Node> = vec![(OUTPUT, json!({}), &[])];
            if round % 2 == 0 {
                nodes = vec![(FIELD_FILTER, hot(), &[("False", 1), ("True", 1)]), (OUTPUT, json!({}), &[])];
            }
            let mut next = graph(world.tenant, "asked", &nodes);
            Arc::get_mut(&mut next).unwrap().chain = asked.chain;
            inner.handle.control.tell(Replace(next)).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(sending, replacing);
    let settled = chain.settled(1_000).await;
    assert!(settled.iter().all(|(_, result)| *result == Ok::<(), SettleError>(())));
    assert_eq!(
        values(&world, device, "count").await,
        whole(0..1_000),
        "nothing is lost, and order holds"
    );
}

/// Each of two chains waits for the other, and both are replaced: neither waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_chains_that_are_replaced_at_once_do_not_wait_for_each_other() {
    let world = World::new();
    let device = world.device();
    let [first, second] = ["first", "second"].map(|name| graph(world.tenant, name, &[(OUTPUT, json!({}), &[])]));
    let [mut one, mut two] = [(&first, &second), (&second, &first)].map(|(own, other)| {
        let mut graph = graph(world.tenant, &own.name, &[(RULE_CHAIN, into(other), &[])]);
        Arc::get_mut(&mut graph).unwrap().chain = own.chain;
        let chain = world.start(&graph);
        world.publish(world.tenant, &graph, &chain);
        (graph, chain)
    });
    for round in 0..3 {
        for (number, (_, chain)) in [&one, &two].into_iter().enumerate() {
            let at = round * 2 + u64::try_from(number).unwrap();
            chain.send(at, telemetry(device, i64::try_from(at).unwrap(), json!({"a": 1}))).await;
        }
        for (graph, chain) in [&one, &two] {
            chain.handle.control.tell(Replace(Arc::clone(graph))).await.unwrap();
        }
    }
    let (settled_one, settled_two) = (one.1.settled(3).await, two.1.settled(3).await);
    assert!(settled_one.iter().chain(&settled_two).all(|(_, result)| result.is_ok()));
}
