//! Shipped nodes that act by themselves, or remember where an originator was, in a real chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::entity::EntityRecord;
use model::{AttributeScope, CustomerId, DeviceId, RuleNodeId, Value};
use rules::{Changed, Whereabouts};
use serde_json::{Value as Json, json};
use storage::EntityStore;

use super::world::{SAVE, World, graph, soon, telemetry};

const GENERATOR: &str = "org.thingsboard.rule.engine.debug.TbMsgGeneratorNode";
const GEOFENCING_FILTER: &str = "org.thingsboard.rule.engine.geo.TbGpsGeofencingFilterNode";
const GEOFENCING_EVENTS: &str = "org.thingsboard.rule.engine.geo.TbGpsGeofencingActionNode";
const SAVE_ATTRIBUTES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode";
const ORIGINATOR_ATTRIBUTES: &str = "org.thingsboard.rule.engine.metadata.TbGetAttributesNode";
const CUSTOMER_DETAILS: &str = "org.thingsboard.rule.engine.metadata.TbGetCustomerDetailsNode";
const CHECKPOINT: &str = "org.thingsboard.rule.engine.flow.TbCheckpointNode";
const JSON_PATH: &str = "org.thingsboard.rule.engine.transform.TbJsonPathNode";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generator_begins_by_itself_and_goes_on_after_a_restart() {
    let world = World::new();
    let device = world.device();
    let script = "var msg = {made: 1}; return {msg: msg, metadata: {}, msgType: 'POST_TELEMETRY_REQUEST'};";
    let configuration = json!({"msgCount": 2, "periodInSeconds": 1, "originatorType": "DEVICE", "originatorId": device.id.to_string(), "scriptLang": "JS", "jsScript": script});
    let graph = graph(
        world.tenant,
        "generating",
        &[(GENERATOR, configuration, &[("Success", 1)]), (SAVE, json!({}), &[])],
    );
    {
        let _chain = world.start(&graph);
        saved(&world, device, "made", 1).await;
    }
    // Nobody sends it anything: what it keeps wakes it again, and it knows how many there were.
    let mut chain = world.start(&graph);
    saved(&world, device, "made", 2).await;
    chain.settle_all([telemetry(device, 9, json!({"not": "taken"}))]).await;
    assert_eq!(world.failures(&graph, 0).await.len(), 1, "a generator takes no messages");
    assert_eq!(world.series(device, "made").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generator_makes_each_message_of_the_one_before() {
    let world = World::new();
    let device = world.device();
    let script = "return {msg: {made: (prevMsg.made || 0) + 1}, metadata: {before: prevMsgType}, msgType: 'POST_TELEMETRY_REQUEST'};";
    let configuration = json!({"periodInSeconds": 1, "originatorType": "DEVICE", "originatorId": device.id.to_string(), "scriptLang": "JS", "jsScript": script});
    let graph = graph(
        world.tenant,
        "generating by script",
        &[(GENERATOR, configuration, &[("Success", 1)]), (SAVE, json!({}), &[])],
    );
    {
        let _chain = world.start(&graph);
        saved(&world, device, "made", 2).await;
    }
    let _chain = world.start(&graph);
    saved(&world, device, "made", 4).await;
    let made: Vec<_> = world.series(device, "made").await.into_iter().map(|(_, value)| value).collect();
    assert!((1..=4).all(|number| made.contains(&Value::Long(number))), "{made:?}");
}

/// One of two servers.
struct Turn(Arc<AtomicBool>, bool);

impl Whereabouts for Turn {
    fn runs(&self, _: RuleNodeId) -> bool {
        self.0.load(Ordering::Acquire) == self.1
    }
    fn serves(&self, _: DeviceId) -> bool {
        true
    }
    fn arrivals(&self) -> u64 {
        0
    }
    fn changed(&self) -> Changed {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_one_has_a_generator_at_work() {
    let world = World::new();
    let device = world.device();
    let script = "return {msg: {made: 1}, metadata: {}, msgType: 'POST_TELEMETRY_REQUEST'};";
    let configuration = json!({"msgCount": 4, "periodInSeconds": 1, "originatorType": "DEVICE", "originatorId": device.id.to_string(), "scriptLang": "JS", "jsScript": script});
    let graph = graph(
        world.tenant,
        "generating once",
        &[(GENERATOR, configuration, &[("Success", 1)]), (SAVE, json!({}), &[])],
    );
    let whose = Arc::new(AtomicBool::new(false));
    let server = |second: bool| {
        let mut around = world.around().clone();
        around.whereabouts = Arc::new(Turn(Arc::clone(&whose), second));
        world.start_in(&graph, around)
    };
    let (_first, _second) = (server(false), server(true));
    saved(&world, device, "made", 1).await;
    whose.store(true, Ordering::Release);
    saved(&world, device, "made", 4).await;
    whose.store(false, Ordering::Release);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // Each by itself would have made four. One may have been on its way when the turn changed.
    let made = world.series(device, "made").await.len();
    assert!((4..=5).contains(&made), "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossings_of_a_fence_are_told_once() {
    let world = World::new();
    let device = world.device();
    let perimeter = json!("[[0, 0], [0, 2], [2, 2], [2, 0]]");
    let mut chain = world.chain(
        "storing the fence",
        &[(
            SAVE_ATTRIBUTES,
            json!({"scope": "SERVER_SCOPE", "notifyDevice": false, "updateAttributesOnlyOnValueChange": false}),
            &[],
        )],
    );
    chain.settle_all([telemetry(device, 1, json!({ "perimeter": perimeter }))]).await;

    // The perimeter is an attribute of the device: `ss_perimeter` in the metadata.
    let fetch = json!({"serverAttributeNames": ["perimeter"], "tellFailureIfAbsent": true, "fetchTo": "METADATA"});
    let fence = |more: Json| {
        let mut all = json!({"latitudeKeyName": "lat", "longitudeKeyName": "lon", "perimeterType": "POLYGON",
            "fetchPerimeterInfoFromMessageMetadata": true, "perimeterKeyName": "ss_perimeter"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let once = json!({"minInsideDuration": 1, "minInsideDurationTimeUnit": "DAYS", "minOutsideDuration": 1, "minOutsideDurationTimeUnit": "DAYS", "reportPresenceStatusOnEachMessage": false});
    let mut chain = world.chain(
        "fencing",
        &[
            (ORIGINATOR_ATTRIBUTES, fetch.clone(), &[("Success", 1)]),
            (GEOFENCING_EVENTS, fence(once), &[("Entered", 2), ("Left", 2)]),
            (SAVE, json!({}), &[]),
        ],
    );
    let at = |time: i64, lat: i64| telemetry(device, time, json!({"lat": lat, "lon": 1}));
    chain.settle_all([at(10, 1), at(11, 1), at(12, 9), at(13, 9), at(14, 1)]).await;
    let crossings = [(10, Value::Long(1)), (12, Value::Long(9)), (14, Value::Long(1))];
    assert_eq!(world.series(device, "lat").await, crossings);

    let other = world.device();
    let mut filtering = world.chain(
        "filtering",
        &[
            (
                GEOFENCING_FILTER,
                json!({"latitudeKeyName": "lat", "longitudeKeyName": "lon", "perimeterType": "CIRCLE", "centerLatitude": 1, "centerLongitude": 1, "range": 10, "rangeUnit": "KILOMETER"}),
                &[("True", 1)],
            ),
            (SAVE, json!({}), &[]),
        ],
    );
    let at = |time: i64, lat: f64| telemetry(other, time, json!({"lat": lat, "lon": 1}));
    filtering.settle_all([at(1, 1.05), at(2, 1.5), at(3, 0.95)]).await;
    let inside: Vec<i64> = world.series(other, "lat").await.into_iter().map(|(time, _)| time).collect();
    assert_eq!(inside, [1, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_chooses_a_part_of_the_data() {
    let world = World::new();
    let device = world.device();
    let mut chain = world.chain(
        "choosing",
        &[
            (
                JSON_PATH,
                json!({"jsonPath": "$.readings[?(@.unit == 'C')].values"}),
                &[("Success", 1)],
            ),
            (
                "org.thingsboard.rule.engine.transform.TbSplitArrayMsgNode",
                json!({}),
                &[("Success", 2)],
            ),
            (CHECKPOINT, json!({}), &[("Success", 3)]),
            (
                SAVE_ATTRIBUTES,
                json!({"scope": "SERVER_SCOPE", "notifyDevice": false, "updateAttributesOnlyOnValueChange": false}),
                &[],
            ),
        ],
    );
    let readings = json!({"readings": [{"unit": "F", "values": {"hot": 90}}, {"unit": "C", "values": {"warm": 30}}]});
    chain.settle_all([telemetry(device, 1, readings)]).await;
    let attribute = |key: &'static str| world.attribute(device, AttributeScope::ServerScope, key);
    assert_eq!((attribute("warm").await, attribute("hot").await), (Some(Value::Long(30)), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_learns_who_its_customer_is() {
    let world = World::new();
    let (device, owner) = (world.device(), CustomerId::generate(world.tenant));
    let record = |id, name: &str, customer: Option<CustomerId>, body: Json| EntityRecord {
        id,
        version: 0,
        name: name.into(),
        subtype: "".into(),
        customer: customer.map(|customer| customer.id),
        body,
    };
    let red = json!({"title": "Red", "city": "Berlin"});
    world.store.save_entity(record(owner.entity(), "Red", None, red)).await.unwrap();
    world.store.save_entity(record(device, "D", Some(owner), json!({}))).await.unwrap();
    let mut chain = world.chain(
        "introducing",
        &[
            (
                CUSTOMER_DETAILS,
                json!({"detailsList": ["TITLE", "CITY", "PHONE"], "fetchTo": "DATA"}),
                &[("Success", 1)],
            ),
            (SAVE, json!({}), &[]),
        ],
    );
    chain.settle_all([telemetry(device, 5, json!({"t": 1}))]).await;
    for (key, expected) in [("customer_title", "Red"), ("customer_city", "Berlin")] {
        assert_eq!(world.series(device, key).await, [(5, Value::Text(expected.into()))]);
    }
    assert_eq!(world.series(device, "customer_phone").await, []);
}

async fn saved(world: &World, device: model::EntityId, key: &str, count: usize) {
    soon("saving", async {
        while world.series(device, key).await.len() < count {
            // The clock of these tests goes on when it is looked at.
            world.around().clock.now_ms();
            tokio::task::yield_now().await;
        }
    })
    .await;
}
