//! A chain as ThingsBoard exports it, with scripts: they decide, change and multiply messages, and a script that fails hurts its message only.

use std::sync::Arc;

use crate::world::{World, patient, soon, telemetry};
use model::entity::RuleChainMetadata;
use model::{AttributeScope, RuleChainId, Value};
use rules::{ChainError, Graph};
use serde_json::{Value as Json, json};

const EXPORTED: &str = include_str!("script.json");

fn exported() -> RuleChainMetadata {
    let file: Json = serde_json::from_str(EXPORTED).unwrap();
    serde_json::from_value(file["metadata"].clone()).unwrap()
}

fn validated(world: &World, metadata: &RuleChainMetadata) -> Arc<Graph> {
    Arc::new(Graph::validate(RuleChainId::generate(world.tenant), "Thermostats", metadata, patient()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_chain_with_scripts_does_what_they_say() {
    let world = World::new();
    let graph = validated(&world, &exported());
    assert_eq!(graph.check_configurations(), []);
    let mut chain = world.start(&graph);
    let device = world.device();
    chain
        .settle_all([
            telemetry(device, 1_000, json!({"temperature": 21.5})),
            telemetry(device, 2_000, json!({"humidity": 40})),
            telemetry(device, 3_000, json!({"temperature": 35})),
        ])
        .await;
    let series = world.series(device, "temperature").await;
    assert_eq!(series, [(1_000, Value::Double(21.5)), (3_000, Value::Long(35))]);
    let converted = world.series(device, "temperatureF").await;
    assert_eq!(converted, [(1_000, Value::Double(70.7)), (3_000, Value::Long(95))]);
    assert_eq!(world.series(device, "humidity").await, [], "False leads nowhere");
    let attribute = world.attribute(device, AttributeScope::ServerScope, "temperature").await;
    assert_eq!(attribute, Some(Value::Long(35)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_fails_fails_its_message_and_serves_the_next() {
    let world = World::new();
    let mut metadata = exported();
    metadata.nodes[1].configuration["jsScript"] = json!(
        "if (msg.temperature === 1) throw new Error('one is too few');\n\
         if (msg.temperature === 2) while (true) {}\n\
         if (msg.temperature === 3) { var deep = []; for (var i = 0; i < 1e5; i++) deep = [deep]; return {msg: deep}; }\n\
         metadata.converted = true; return {msg: msg, metadata: metadata};"
    );
    let graph = validated(&world, &metadata);
    assert_eq!(graph.check_configurations(), []);
    let mut chain = world.start(&graph);
    let device = world.device();
    let told = |n: i64| telemetry(device, n, json!({ "temperature": n }));
    // What a script throws, and what the interpreter ends, costs the message.
    chain.settle_all([told(1), told(2), told(4)]).await;
    assert_eq!(world.series(device, "temperature").await, [(4, Value::Long(4))]);
    // What uses up the stack costs the instance; the node is restarted.
    chain.settle_all([told(3)]).await;
    soon("serving again", async {
        for n in 5.. {
            chain.settle_all([told(n)]).await;
            if world.series(device, "temperature").await.len() > 1 {
                break;
            }
        }
    })
    .await;
    let failures = world.failures(&graph, 1).await;
    let reasons: Vec<String> = failures.iter().map(|event| event.body["error"].to_string()).collect();
    for (reason, says) in reasons
        .iter()
        .zip(["one is too few", "goes round its loops more than", "used up its stack"])
    {
        assert!(reason.contains(says), "{reasons:?}");
    }
    let restarting = |reason: &String| reason.contains("is being restarted");
    assert!(reasons.len() > 2 && reasons[3..].iter().all(restarting), "{reasons:?}");
}

#[test]
fn nothing_leads_to_a_node_that_only_makes_messages() {
    let world = World::new();
    let mut metadata = exported();
    let generator = json!({"type": "org.thingsboard.rule.engine.debug.TbMsgGeneratorNode", "name": "makes", "configuration": {}});
    metadata.nodes.push(serde_json::from_value(generator).unwrap());
    let to = metadata.nodes.len() - 1;
    let connections = metadata.connections.as_mut().unwrap();
    connections[0].to_index = to;
    let refused = Graph::validate(RuleChainId::generate(world.tenant), "Thermostats", &metadata, patient()).unwrap_err();
    let [
        ChainError::TakesNoMessages {
            connection: 0,
            index,
            name,
            ..
        },
    ] = &refused[..]
    else {
        panic!("{refused:?}")
    };
    assert_eq!((*index, name.as_str()), (to, "makes"));
}

#[test]
fn a_script_that_is_none_is_refused_with_its_place() {
    let world = World::new();
    let mut metadata = exported();
    metadata.nodes[0].configuration["jsScript"] = json!("var a = 1;\nreturn a +;");
    metadata.nodes[1].configuration["scriptLang"] = json!("TBEL");
    metadata.nodes[2].configuration["scriptLang"] = json!("TBEL");
    metadata.nodes[2].configuration["tbelScript"] = json!("foreach (x : msg) { return x; }");
    let refused: Vec<String> = validated(&world, &metadata)
        .check_configurations()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(refused.len(), 2, "the default script in TBEL is taken: {refused:?}");
    assert!(
        refused[0].contains("Has temperature?") && refused[0].contains("line 2"),
        "{refused:?}"
    );
    assert!(
        refused[1].contains("Where to") && refused[1].contains("write the script in JavaScript and set scriptLang to JS"),
        "{refused:?}"
    );
}
