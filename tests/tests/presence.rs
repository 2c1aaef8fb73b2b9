//! Who is there: attributes and messages when devices come, go and fall silent, also when the server crashed meanwhile; and what devices
//! and chains hear when attributes are removed.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};
use tests::clients::python;
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};
use tests::wire::Wire;

const TOKEN: &str = "A1_TEST_TOKEN";

/// Messages along these relations of the type switch are saved as time series too.
fn saving_chain(rest: &Rest, relations: &[&str]) {
    let mut metadata = rest.root_metadata();
    let nodes = metadata["nodes"].as_array().unwrap();
    let index = |name: &str| nodes.iter().position(|node| node["name"] == name).unwrap();
    let (switch, save) = (index("Message Type Switch"), index("Save Timeseries"));
    let connections = metadata["connections"].as_array_mut().unwrap();
    connections.extend(
        relations
            .iter()
            .map(|relation| json!({"fromIndex": switch, "toIndex": save, "type": relation})),
    );
    rest.post("/api/ruleChain/metadata", &metadata);
}

fn server_attribute(rest: &Rest, device: &str, key: &str) -> Json {
    let all = rest.attributes(device, "SERVER_SCOPE");
    let found = all.as_array().unwrap().iter().find(|one| one["key"] == key);
    found.map_or(Json::Null, |one| one["value"].clone())
}

fn until_active(rest: &Rest, device: &str, active: bool) {
    tests::until(&format!("active: {active}"), || server_attribute(rest, device, "active") == active);
}

#[test]
fn devices_come_and_go_and_fall_silent_over_a_crash_too() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    saving_chain(
        &tenant,
        &["Connect Event", "Disconnect Event", "Activity Event", "Inactivity Event"],
    );
    let (device, other) = (tenant.device("Demo device"), tenant.create_device("Other", "other-token"));
    assert_eq!(server_attribute(&tenant, &device, "active"), Json::Null);

    let wire = Wire::connect(server.mqtt_port, TOKEN, 4);
    until_active(&tenant, &device, true);
    let connected = server_attribute(&tenant, &device, "lastConnectTime").as_i64().unwrap();
    tests::until("the chain hears of it", || {
        tenant.latest(&device, "lastConnectTime")["lastConnectTime"][0]["value"] == connected
    });
    drop(wire);
    tests::until("the disconnection is stored", || {
        server_attribute(&tenant, &device, "lastDisconnectTime").as_i64() >= Some(connected)
    });

    // Short enough to see the end of.
    let timeout = |rest: &Rest, device: &str| {
        rest.post(
            &format!("/api/plugins/telemetry/DEVICE/{device}/SERVER_SCOPE"),
            &json!({"inactivityTimeout": 1_500}),
        )
    };
    timeout(&tenant, &device);
    until_active(&tenant, &device, false);
    let alarm = server_attribute(&tenant, &device, "inactivityAlarmTime");
    tests::until("the chain hears of it", || {
        tenant.latest(&device, "lastInactivityAlarmTime")["lastInactivityAlarmTime"][0]["value"] == alarm
    });

    // One exchange is a sign of life.
    let telemetry = format!("{}/api/v1/other-token/telemetry", server.http);
    assert_eq!(exchange(&["-d", r#"{"t":1}"#, &telemetry]).0, 200);
    until_active(&tenant, &other, true);
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    assert_eq!(server_attribute(&tenant, &other, "active"), true, "it has time to come back");
    // Nobody speaks to it, nobody asks for it.
    timeout(&tenant, &other);
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    until_active(&tenant, &other, false);
    assert_eq!(
        exchange(&[
            "-d",
            r#"{"t":1}"#,
            &telemetry.replace(telemetry.split("/api").next().unwrap(), &server.http)
        ])
        .0,
        200
    );
    until_active(&tenant, &other, true);
}

/// A client that waits in the background; it says `ready` on a line of its own when it does.
fn waiting(program: &str, port: u16) -> std::thread::JoinHandle<String> {
    let (program, port) = (program.to_owned(), port.to_string());
    std::thread::spawn(move || python(&program, &[&port, TOKEN]))
}

fn poll(server: &Server) -> Child {
    let url = format!("{}/api/v1/{TOKEN}/attributes/updates?timeout=30000", server.http);
    let mut curl = Command::new("curl");
    curl.args(["--silent", &url]).stdout(Stdio::piped());
    curl.spawn().unwrap()
}

#[test]
fn removed_attributes_are_told_to_devices_and_chains() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    saving_chain(&tenant, &["Attributes Deleted", "Timeseries Deleted"]);
    let device = tenant.device("Demo device");
    let shared = format!("/api/plugins/telemetry/DEVICE/{device}/SHARED_SCOPE");
    let delete = |keys: &str| assert_eq!(tenant.delete(&format!("{shared}?keys={keys}")).0, 200);
    let told = json!({"deleted": ["limit"]});
    // One after the other: a device has one connection.
    for (program, port) in [(TB_CLIENT, server.mqtt_port), (AIOCOAP, server.coap_port)] {
        tenant.post(&shared, &json!({"limit": 7}));
        let client = waiting(program, port);
        tests::until("it is connected", || server.metric("session_connections") == 1.0);
        // It may not have subscribed yet.
        tests::until("it has heard of it", || {
            delete("limit");
            client.is_finished()
        });
        let said = client.join().unwrap();
        assert!(said.contains("done"), "{said}");
    }
    let polling = poll(&server);
    let text = tell_until_read(polling, || delete("limit"));
    assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), told);

    tests::until("the chain hears of it", || {
        tenant.latest(&device, "attributes")["attributes"][0]["value"] == json!(["limit"])
    });
    let series = format!("/api/plugins/telemetry/DEVICE/{device}/timeseries/delete?keys=gone&deleteAllDataForKeys=true");
    assert_eq!(tenant.delete(&series).0, 200);
    tests::until("the chain hears of it", || {
        tenant.latest(&device, "timeseries")["timeseries"][0]["value"] == json!(["gone"])
    });
}

/// What a program printed; until it has ended something is done again and again.
fn tell_until_read(mut program: Child, act: impl Fn()) -> String {
    tests::until("it has read", || {
        act();
        program.try_wait().unwrap().is_some()
    });
    String::from_utf8(program.wait_with_output().unwrap().stdout).unwrap()
}

const TB_CLIENT: &str = r#"
import sys, threading
from tb_device_mqtt import TBDeviceMqttClient
client = TBDeviceMqttClient("127.0.0.1", int(sys.argv[1]), sys.argv[2])
heard, news = threading.Event(), []
def told(update, *_):
    news.append(update)
    heard.set()
client.subscribe_to_all_attributes(told)
client.connect()
assert heard.wait(30)
assert news[0] == {"deleted": ["limit"]}, news
client.disconnect()
print("done")
"#;

const AIOCOAP: &str = r#"
import asyncio, json, sys
from aiocoap import Context, Message, GET
async def main():
    context = await Context.create_client_context()
    asked = context.request(Message(code=GET, uri=f"coap://127.0.0.1:{sys.argv[1]}/api/v1/{sys.argv[2]}/attributes", observe=0))
    await asyncio.wait_for(asked.response, 30)
    notice = await asyncio.wait_for(anext(aiter(asked.observation)), 30)
    assert json.loads(notice.payload) == {"deleted": ["limit"]}, notice.payload
    await context.shutdown()
    print("done")
asyncio.run(main())
"#;

/// A device that does not speak to the platform itself: somebody else's message says that it is there.
#[test]
fn a_chain_says_that_a_device_is_there() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let mut metadata = tenant.root_metadata();
    let nodes = metadata["nodes"].as_array_mut().unwrap();
    let index = |nodes: &[Json], name: &str| nodes.iter().position(|node| node["name"] == name).unwrap();
    let (switch, save) = (index(nodes, "Message Type Switch"), index(nodes, "Save Timeseries"));
    let state = nodes.len();
    nodes.push(json!({"type": "org.thingsboard.rule.engine.action.TbDeviceStateNode", "name": "gone", "configuration": {"event": "DISCONNECT_EVENT"}}));
    let connections = metadata["connections"].as_array_mut().unwrap();
    connections.retain(|wire| wire["fromIndex"] != switch || wire["type"] != "Post telemetry");
    connections.push(json!({"fromIndex": switch, "toIndex": state, "type": "Post telemetry"}));
    connections.push(json!({"fromIndex": state, "toIndex": save, "type": "Success"}));
    connections.push(json!({"fromIndex": switch, "toIndex": save, "type": "Disconnect Event"}));
    tenant.post("/api/ruleChain/metadata", &metadata);

    let (status, reason) = exchange(&[
        "-d",
        "{\"ts\": 1234567, \"values\": {\"t\": 1}}",
        &format!("{}/api/v1/{TOKEN}/telemetry", server.http),
    ]);
    assert_eq!(status, 200, "{reason}");
    assert_eq!(
        server_attribute(&tenant, &device, "lastDisconnectTime"),
        1_234_567,
        "durable before the answer"
    );
    assert_eq!(tenant.latest(&device, "t")["t"][0]["value"], 1);
    tests::until("the chain hears of it", || {
        tenant.latest(&device, "lastDisconnectTime")["lastDisconnectTime"][0]["value"] == 1_234_567
    });
}
