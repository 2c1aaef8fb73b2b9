//! Requests in both directions: REST → rule chain → device → REST, device → rule chain → device, and those that are kept until a device
//! comes, whatever happens to the server meanwhile.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tests::clients::python;
use tests::rest::{Rest, curl, exchange};
use tests::server::{Options, Server};
use tests::wire::{Wire, frame, publish, subscribe};

const TOKEN: &str = "A1_TEST_TOKEN";
const REQUESTS: &str = "v1/devices/me/rpc/request/+";

/// The root chain answers what devices ask with what they asked.
fn echo_chain(rest: &Rest) {
    let mut metadata = rest.root_metadata();
    let nodes = metadata["nodes"].as_array_mut().unwrap();
    let at = nodes.iter().position(|node| node["name"] == "Log RPC from Device").unwrap();
    nodes[at] = json!({
        "type": "org.thingsboard.rule.engine.rpc.TbSendRPCReplyNode", "name": "RPC Call Reply", "debugSettings": null,
        "singletonMode": false, "configurationVersion": 0,
        "configuration": {"serviceIdMetaDataAttribute": "serviceId", "sessionIdMetaDataAttribute": "sessionId", "requestIdMetaDataAttribute": "requestId"},
    });
    rest.post("/api/ruleChain/metadata", &metadata);
}

fn ask(rest: &Rest, path: &str, device: &str, body: &Json) -> (u16, String) {
    rest.try_post(&format!("/api/{path}/{device}"), body)
}

#[test]
fn the_thingsboard_client_is_asked_and_asks() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    echo_chain(&tenant);
    let device = tenant.device("Demo device");
    let port = server.mqtt_port.to_string();
    let client = std::thread::spawn(move || python(TB_CLIENT, &[&port, TOKEN]));
    // The request waits until the client has subscribed.
    for path in ["rpc/twoway", "plugins/rpc/twoway"] {
        let (status, body) = ask(&tenant, path, &device, &json!({"method": "double", "params": {"number": 21}}));
        assert_eq!((status, &*body), (200, r#"{"doubled":42}"#), "{path}");
    }
    for path in ["rpc/oneway", "plugins/rpc/oneway"] {
        assert_eq!(
            ask(&tenant, path, &device, &json!({"method": "stop", "params": path})),
            (200, String::new())
        );
    }
    let said = client.join().unwrap();
    assert!(said.contains(r#"asked double {"number": 21}"#) && said.contains("done"), "{said}");
}

const TB_CLIENT: &str = r#"
import json, sys, threading
from tb_device_mqtt import TBDeviceMqttClient
port, token = int(sys.argv[1]), sys.argv[2]
client = TBDeviceMqttClient("127.0.0.1", port, token)
stopped, answered, stops = threading.Event(), threading.Event(), []
def asked(number, request):
    print("asked", request["method"], json.dumps(request["params"]), flush=True)
    assert list(request) == ["method", "params"], request
    if request["method"] == "double":
        client.send_rpc_reply(number, {"doubled": 2 * request["params"]["number"]})
    else:
        stops.append(request["params"])
        if len(stops) == 2:
            stopped.set()
client.set_server_side_rpc_request_handler(asked)
client.connect()
assert stopped.wait(40)
def answer(number, response, error):
    assert response == {"method": "what time", "params": {"zone": "UTC"}}, response
    answered.set()
client.send_rpc_call("what time", {"zone": "UTC"}, answer)
assert answered.wait(20)
client.disconnect()
print("done")
"#;

#[test]
fn silence_and_absence_are_told_as_each_family_of_paths_does() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let body = json!({"method": "on", "params": {}, "timeout": 1});
    let begin = Instant::now();
    let absent = ["plugins/rpc/twoway", "rpc/twoway", "plugins/rpc/oneway", "rpc/oneway"].map(|path| {
        let (rest, device, body) = (server.tenant(), device.clone(), body.clone());
        std::thread::spawn(move || ask(&rest, path, &device, &body))
    });
    let absent = absent.map(|answer| answer.join().unwrap());
    assert_eq!(
        absent.map(|(status, body)| (status, body.len())),
        [(409, 0), (504, 0), (409, 0), (504, 0)]
    );
    assert!(begin.elapsed() >= Duration::from_secs(5), "a device has 5 s at least to come");

    let mut silent = Wire::connect(server.mqtt_port, TOKEN, 4);
    silent.send(&subscribe(1, REQUESTS));
    assert_eq!(silent.packet().unwrap()[0], 0x90);
    assert_eq!(ask(&tenant, "plugins/rpc/twoway", &device, &body).0, 408);
    assert_eq!(ask(&tenant, "rpc/twoway", &device, &body).0, 504);
    assert_eq!(ask(&tenant, "rpc/oneway", &device, &body), (200, String::new()));
}

#[test]
fn only_those_who_may_ask_a_device() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let body = json!({"method": "on", "params": {}});
    let nobody = uuid();
    assert_eq!(ask(&tenant, "rpc/oneway", &nobody, &body).0, 404);
    assert_eq!(tenant.try_get(&format!("/api/rpc/persistent/{nobody}")).0, 404);
    for refused in [
        json!({}),
        json!({"method": ""}),
        json!({"method": "on", "timeout": "soon"}),
        json!([1]),
    ] {
        assert_eq!(ask(&tenant, "rpc/oneway", &device, &refused).0, 400, "{refused}");
    }
    let large = json!({"method": "on", "params": "x".repeat(70_000)});
    assert_eq!(ask(&tenant, "rpc/oneway", &device, &large).0, 413);
    let (status, _) = exchange(&["--json", &body.to_string(), &format!("{}/api/rpc/oneway/{device}", server.http)]);
    assert_eq!(status, 401);
    let system = server.login("sysadmin@pacificsoft.org", "sysadmin");
    assert_eq!(ask(&system, "rpc/oneway", &device, &body).0, 403);
}

fn uuid() -> String {
    "00000000-0000-4000-8000-000000000001".to_owned()
}

#[test]
fn a_device_that_polls_over_http_gets_one_request_at_a_time() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    echo_chain(&tenant);
    let device = tenant.device("Demo device");
    let api = format!("{}/api/v1/{TOKEN}/rpc", server.http);
    let asking: Vec<_> = (0..3)
        .map(|number| {
            let (rest, device) = (server.tenant(), device.clone());
            std::thread::spawn(move || {
                ask(
                    &rest,
                    "rpc/twoway",
                    &device,
                    &json!({"method": "n", "params": number, "timeout": 20_000}),
                )
            })
        })
        .collect();
    for _ in 0..3 {
        let request: Json = serde_json::from_str(&curl(&[&format!("{api}?timeout=20000")])).unwrap();
        let reply = json!({"was": request["params"]}).to_string();
        let (status, _) = exchange(&["-d", &reply, &format!("{api}/{}", request["id"])]);
        assert_eq!(status, 200, "{request}");
    }
    for (number, asking) in asking.into_iter().enumerate() {
        assert_eq!(asking.join().unwrap(), (200, json!({"was": number}).to_string()));
    }
    assert_eq!(exchange(&[&format!("{api}?timeout=100")]).0, 408);
    let (status, answer) = exchange(&["-d", r#"{"method":"echo","params":[1,2]}"#, &api]);
    assert_eq!((status, &*answer), (200, r#"{"method":"echo","params":[1,2]}"#));
}

#[test]
fn aiocoap_is_asked_and_asks() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    echo_chain(&tenant);
    let device = tenant.device("Demo device");
    let port = server.coap_port.to_string();
    let client = std::thread::spawn(move || python(AIOCOAP, &[&port, TOKEN]));
    let (status, body) = ask(
        &tenant,
        "rpc/twoway",
        &device,
        &json!({"method": "double", "params": 21, "timeout": 20_000}),
    );
    assert_eq!((status, &*body), (200, r#"{"doubled":42}"#));
    let said = client.join().unwrap();
    assert!(said.contains("done"), "{said}");
}

const AIOCOAP: &str = r#"
import asyncio, json, sys
from aiocoap import Context, Message, GET, POST
port, token = sys.argv[1], sys.argv[2]
uri = f"coap://127.0.0.1:{port}/api/v1/{token}/rpc"
async def main():
    context = await Context.create_client_context()
    asked = context.request(Message(code=GET, uri=uri, observe=0))
    first = await asyncio.wait_for(asked.response, 30)
    assert first.code.dotted == "2.03", first
    notice = await asyncio.wait_for(anext(aiter(asked.observation)), 30)
    request = json.loads(notice.payload)
    reply = json.dumps({"doubled": 2 * request["params"]}).encode()
    taken = await asyncio.wait_for(context.request(Message(code=POST, uri=f"{uri}/{request['id']}", payload=reply)).response, 30)
    assert taken.code.dotted == "2.01", taken
    question = {"method": "echo", "params": {"a": 1}}
    answer = await asyncio.wait_for(context.request(Message(code=POST, uri=uri, payload=json.dumps(question).encode())).response, 30)
    assert answer.code.dotted == "2.05" and json.loads(answer.payload) == question, answer
    await context.shutdown()
    print("done")
asyncio.run(main())
"#;

/// Keeps a request; its id.
fn keep(rest: &Rest, device: &str, body: Json) -> String {
    let mut body = body;
    body["persistent"] = json!(true);
    let (status, text) = ask(rest, "rpc/twoway", device, &body);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str::<Json>(&text).unwrap()["rpcId"].as_str().unwrap().to_owned()
}

fn kept(rest: &Rest, id: &str) -> Json {
    rest.get(&format!("/api/rpc/persistent/{id}"))
}

fn until_status(rest: &Rest, id: &str, status: &str) {
    tests::until(status, || kept(rest, id)["status"] == status);
}

#[test]
fn what_is_kept_is_read_listed_and_removed() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let first = keep(
        &tenant,
        &device,
        json!({"method": "first", "params": {"pin": 1}, "additionalInfo": {"by": "test"}}),
    );
    let removed = keep(&tenant, &device, json!({"method": "removed", "params": null}));
    let third = keep(&tenant, &device, json!({"method": "third", "params": 3, "retries": 2}));
    let rpc = kept(&tenant, &first);
    assert_eq!(
        (&rpc["status"], &rpc["response"], &rpc["id"]["entityType"]),
        (&json!("QUEUED"), &Json::Null, &json!("RPC"))
    );
    assert_eq!(
        (&rpc["request"]["body"], &rpc["additionalInfo"]),
        (&json!({"method": "first", "params": {"pin": 1}}), &json!({"by": "test"}))
    );
    assert_eq!((&rpc["deviceId"]["id"], &rpc["request"]["oneway"]), (&json!(device), &json!(false)));
    let list = format!("/api/rpc/persistent/device/{device}?pageSize=10&page=0");
    assert_eq!(tenant.get(&list)["totalElements"], 3);
    assert_eq!(tenant.get(&format!("{list}&rpcStatus=SENT"))["totalElements"], 0);
    assert_eq!(tenant.try_get(&format!("{list}&rpcStatus=LOST")).0, 400);
    assert_eq!(tenant.delete(&format!("/api/rpc/persistent/{removed}")).0, 200);
    assert_eq!(tenant.delete(&format!("/api/rpc/persistent/{removed}")).0, 404);

    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 4);
    wire.send(&subscribe(1, REQUESTS));
    assert_eq!(wire.packet().unwrap()[0], 0x90);
    let (pkid, number, request) = request(&mut wire);
    assert_eq!(request, r#"{"method":"first","params":{"pin":1}}"#);
    until_status(&tenant, &first, "SENT");
    wire.send(&frame(0x40, &pkid.to_be_bytes()));
    until_status(&tenant, &first, "DELIVERED");
    wire.send(&publish(7, &format!("v1/devices/me/rpc/response/{number}"), br#"{"done":1}"#, 4));
    until_status(&tenant, &first, "SUCCESSFUL");
    assert_eq!(kept(&tenant, &first)["response"], json!({"done": 1}));
    // The third was sent, and the connection breaks before the device says that it has it: it is sent again.
    until_status(&tenant, &third, "SENT");
    drop(wire);
    until_status(&tenant, &third, "TIMEOUT");
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 4);
    wire.send(&subscribe(1, REQUESTS));
    wire.packet().unwrap();
    assert_eq!(self::request(&mut wire).2, r#"{"method":"third","params":3}"#);
}

/// The next request that a device is sent over MQTT: number of the packet, number of the request, payload.
fn request(wire: &mut Wire) -> (u16, String, String) {
    loop {
        let packet = wire.packet().expect("a packet");
        if packet[0] & 0xf0 != 0x30 {
            continue;
        }
        let skip = 1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let body = &packet[skip..];
        let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, rest) = body[2..].split_at(len);
        assert_eq!(packet[0] & 0x06, 0x02, "quality 1");
        let topic = String::from_utf8_lossy(topic).into_owned();
        let number = topic
            .strip_prefix("v1/devices/me/rpc/request/")
            .unwrap_or_else(|| panic!("{topic}"))
            .to_owned();
        let payload = String::from_utf8_lossy(&rest[2..]).into_owned();
        return (u16::from_be_bytes([rest[0], rest[1]]), number, payload);
    }
}

#[test]
fn a_thousand_devices_get_what_was_kept_for_them_after_a_crash() {
    const DEVICES: usize = 1_000;
    let server = Server::start(Options::demo());
    let devices = create(&server, DEVICES);
    let bodies = devices.iter().enumerate().map(|(number, device)| {
        let body = json!({"method": "wake", "params": number, "persistent": true, "expirationTime": i64::MAX});
        (format!("/api/rpc/twoway/{device}"), body)
    });
    let ids: Vec<String> = post_all(&server, bodies)
        .iter()
        .map(|answer| answer["rpcId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), DEVICES);

    // All that was answered survives.
    let server = server.kill_and_restart();
    for number in 0..DEVICES {
        let mut wire = Wire::connect(server.mqtt_port, &format!("kept-{number}"), 4);
        wire.send(&subscribe(1, REQUESTS));
        let (pkid, id, payload) = request(&mut wire);
        assert_eq!(payload, format!(r#"{{"method":"wake","params":{number}}}"#));
        wire.send(&frame(0x40, &pkid.to_be_bytes()));
        let reply = json!({"awake": number}).to_string();
        wire.send(&publish(2, &format!("v1/devices/me/rpc/response/{id}"), reply.as_bytes(), 4));
        while wire.packet().expect("PUBACK")[0] != 0x40 {}
    }
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    for number in (0..DEVICES).step_by(100) {
        let rpc = kept(&tenant, &ids[number]);
        assert_eq!(
            (&rpc["status"], &rpc["response"]),
            (&json!("SUCCESSFUL"), &json!({"awake": number}))
        );
    }
}

/// Creates devices with tokens `kept-0` …; their ids.
fn create(server: &Server, count: usize) -> Vec<String> {
    let bodies = (0..count).map(|number| {
        let device = json!({"name": format!("Kept {number}"), "type": "default"});
        (format!("/api/device?accessToken=kept-{number}"), device)
    });
    let created = post_all(server, bodies);
    created
        .iter()
        .map(|device| device["id"]["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Posts many, with one curl; the answers.
fn post_all(server: &Server, posts: impl Iterator<Item = (String, Json)>) -> Vec<Json> {
    let login = json!({"username": "tenant@pacificsoft.org", "password": "tenant"}).to_string();
    let token: Json = serde_json::from_str(&curl(&["--json", &login, &format!("{}/api/auth/login", server.http)])).unwrap();
    let token = token["token"].as_str().unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for (at, (path, body)) in posts.enumerate() {
        let next = if at == 0 { "" } else { "next\n" };
        let body = body.to_string().replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(
            file,
            "{next}url = \"{}{path}\"\njson = \"{body}\"\nheader = \"X-Authorization: Bearer {token}\"\nwrite-out = \"\\n\"\nsilent\nfail-with-body",
            server.http
        )
        .unwrap();
    }
    let output = Command::new("curl").arg("--config").arg(file.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}
