//! Devices that speak CoAP: clients nobody here wrote, a way that loses datagrams, and datagrams nobody meant.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use coap::{Code, Kind, Message, option};
use serde_json::{Value as Json, json};
use tests::Numbers;
use tests::clients::{coap_client, python};
use tests::coap::{CoapWire, LossyWay, request};
use tests::rest::Rest;
use tests::server::{Options, Server};

const TOKEN: &str = "A1_TEST_TOKEN";

fn points(tenant: &Rest, device: &str, key: &str) -> Vec<i64> {
    let path = format!(
        "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?keys={key}&startTs=0&endTs=9999999999999&limit=1000&useStrictDataTypes=true"
    );
    let answer = tenant.get(&path);
    let points = answer[key].as_array().unwrap_or_else(|| panic!("{answer}"));
    let mut values: Vec<i64> = points.iter().map(|point| point["value"].as_i64().unwrap()).collect();
    values.sort_unstable();
    values
}

fn still_serves(server: &mut Server) {
    assert!(server.is_running());
    assert!(!server.log().contains("panicked"), "{}", server.log());
    // From an address against which no wrong credentials are held.
    let wire = CoapWire::open_at("127.0.0.2", server.coap_port);
    let told = wire.exchange(&request(Code::POST, 1, &format!("api/v1/{TOKEN}/telemetry"), b"{\"still\":1}"));
    assert_eq!(told.code, Code::CREATED);
}

#[test]
fn aiocoap_sends_and_asks() {
    let server = Server::start(Options::demo());
    let said = python(&[AIOCOAP, EXCHANGES].concat(), &[&server.coap_port.to_string(), TOKEN]);
    assert!(said.contains("done"), "{said}");
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let latest = tenant.latest(&device, "temperature,large,last,quiet");
    assert_eq!(latest["temperature"][0]["value"], 21, "{latest}");
    assert_eq!(latest["large"][0]["value"].as_str().map(str::len), Some(5_000));
    assert_eq!(
        (&latest["last"][0]["value"], &latest["quiet"][0]["value"]),
        (&json!(7), &json!(1)),
        "{latest}"
    );
}

const AIOCOAP: &str = r#"
import asyncio, json, sys
from aiocoap import Context, Message, GET, POST, PUT, NON, Unreliable
port, token = sys.argv[1], sys.argv[2]
def message(method, path, payload=b"", who=None, **more):
    if not isinstance(payload, bytes):
        payload = json.dumps(payload).encode()
    return Message(code=method, payload=payload, uri=f"coap://127.0.0.1:{port}/api/v1/{who or token}/{path}", **more)
async def ask(context, *arguments, **more):
    return await asyncio.wait_for(context.request(message(*arguments, **more)).response, 30)
def check(answer, code, payload=None):
    assert answer.code.dotted == code, (answer.code.dotted, code, answer.payload)
    if payload is not None:
        assert json.loads(answer.payload) == payload, answer.payload
"#;

const EXCHANGES: &str = r#"
async def main():
    context = await Context.create_client_context()
    check(await ask(context, GET, "attributes"), "4.04")
    check(await ask(context, POST, "telemetry", {"temperature": 21}), "2.01")
    check(await ask(context, POST, "telemetry", [{"ts": 1, "values": {"last": 5}}, {"last": 7}]), "2.01")
    check(await ask(context, POST, "telemetry", {"quiet": 1}, transport_tuning=Unreliable), "2.01")
    check(await ask(context, POST, "telemetry", b"{oops"), "4.00")
    check(await ask(context, POST, "telemetry", {}, who="WRONG"), "4.01")
    check(await ask(context, POST, "nothing", {}), "4.04")
    check(await ask(context, PUT, "telemetry", {}), "4.04")
    # In blocks, both ways.
    check(await ask(context, POST, "telemetry", {"large": "x" * 5000}), "2.01")
    check(await ask(context, POST, "attributes", {"firmware": "1.2.0", "story": "y" * 3000}), "2.01")
    check(await ask(context, GET, "attributes?clientKeys=firmware"), "2.05", {"client": {"firmware": "1.2.0"}})
    check(await ask(context, GET, "attributes"), "2.05", {"client": {"firmware": "1.2.0", "story": "y" * 3000}})
    check(await ask(context, GET, "attributes?clientKeys=unknown"), "4.04")
    # Requests of the device, and what is too large.
    limits = await ask(context, POST, "rpc", {"method": "getSessionLimits", "params": {}})
    check(limits, "2.05")
    assert "maxPayloadSize" in json.loads(limits.payload), limits.payload
    check(await ask(context, POST, "telemetry", {"large": "x" * 70000}), "4.13")
    check(await ask(context, POST, "telemetry", {"after": 1}), "2.01")
    await context.shutdown()
    print("done")
asyncio.run(main())
"#;

/// Root chain: telemetry becomes a request to the device, and shared attributes it is told of; its answer is saved.
fn asking_chain(rest: &Rest) {
    let mut metadata = rest.root_metadata();
    let node = |name: &str, class: &str, configuration: Json| {
        json!({"type": format!("org.thingsboard.rule.engine.{class}"), "name": name, "configuration": configuration, "debugSettings": null,
               "singletonMode": false, "configurationVersion": 0})
    };
    let shared = json!({"scope": "SHARED_SCOPE", "notifyDevice": true, "updateAttributesOnlyOnValueChange": false});
    metadata["nodes"] = json!([
        node("switch", "filter.TbMsgTypeSwitchNode", json!({"version": 0})),
        node("ask", "rpc.TbSendRPCRequestNode", json!({"timeoutInSeconds": 5})),
        node("tell", "telemetry.TbMsgAttributesNode", shared),
        node(
            "save",
            "telemetry.TbMsgTimeseriesNode",
            json!({"defaultTTL": 0, "useServerTs": false})
        ),
    ]);
    metadata["connections"] = json!([
        {"fromIndex": 0, "toIndex": 1, "type": "Post telemetry"},
        {"fromIndex": 0, "toIndex": 2, "type": "Post telemetry"},
        {"fromIndex": 1, "toIndex": 3, "type": "Success"},
    ]);
    metadata["firstNodeIndex"] = json!(0);
    metadata["ruleChainConnections"] = Json::Null;
    rest.post("/api/ruleChain/metadata", &metadata);
}

#[test]
fn aiocoap_observes_requests_and_shared_attributes() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    asking_chain(&tenant);
    let said = python(&[AIOCOAP, OBSERVING].concat(), &[&server.coap_port.to_string(), TOKEN]);
    assert!(said.contains("done"), "{said}");
    assert_eq!(tenant.latest(&tenant.device("Demo device"), "answer")["answer"][0]["value"], 42);
}

#[test]
fn who_observes_no_more_leaves_no_session() {
    let server = Server::start(Options::demo());
    let wire = CoapWire::open(server.coap_port);
    let observe = |id: u16, token: u16, value: Vec<u8>| {
        let mut message = request(Code::GET, token, &format!("api/v1/{TOKEN}/rpc"), b"").with(option::OBSERVE, value);
        message.id = id;
        message
    };
    assert_eq!(wire.exchange(&observe(1, 9, vec![])).code, Code::VALID);
    tests::until("the device has a session", || server.metric("session_connections") == 1.0);
    assert_eq!(server.metric("coap_observations"), 1.0);
    assert_eq!(wire.exchange(&observe(2, 9, vec![1])).code, Code::DELETED);
    tests::until("no session is left", || server.metric("session_connections") == 0.0);
    tests::until("no observation is left", || server.metric("coap_observations") == 0.0);
}

const OBSERVING: &str = r#"
async def observe(context, path):
    asked = context.request(message(GET, path, observe=0))
    first = await asyncio.wait_for(asked.response, 30)
    return asked, first, aiter(asked.observation)
async def told(notices):
    return await asyncio.wait_for(anext(notices), 30)
async def main():
    context, other = await Context.create_client_context(), await Context.create_client_context()
    attributes, first, news = await observe(context, "attributes")
    check(first, "2.05", {})
    rpc, first, requests = await observe(context, "rpc")
    check(first, "2.03")
    for number in range(3):
        wanted = {"method": "go", "params": {"number": number, "text": "z" * 1500 * (number // 2)}}
        posting = asyncio.ensure_future(ask(other, POST, "telemetry", wanted))
        notice = await told(requests)
        request = json.loads(notice.payload)
        assert list(request) == ["id", "method", "params"] and request["params"] == wanted["params"], request
        check(await told(news), "2.05", wanted)
        check(await ask(context, POST, f"rpc/{request['id']}", {"answer": 40 + number}), "2.01")
        check(await posting, "2.01")
    # A second observation of the same place ends the first.
    again, first, more = await observe(context, "attributes")
    check(first, "2.05", wanted)
    try:
        raise AssertionError(await told(news))
    except StopAsyncIteration:
        pass
    # No observation, no request.
    check(await ask(context, GET, "telemetry", observe=0), "4.05")
    check(await ask(context, GET, "attributes", who="WRONG", observe=0), "4.01")
    await context.shutdown()
    await other.shutdown()
    print("done")
asyncio.run(main())
"#;

#[test]
fn libcoap_sends_asks_and_observes() {
    let server = Server::start(Options::demo());
    let base = format!("coap://127.0.0.1:{}/api/v1", server.coap_port);
    let run = |arguments: &[&str]| coap_client("coap-client-notls", arguments);
    let telemetry = format!("{base}/{TOKEN}/telemetry");
    assert_eq!(run(&["-m", "post", "-e", r#"{"temperature":22}"#, &telemetry]), "");
    assert!(run(&["-m", "post", "-e", "{}", &format!("{base}/WRONG/telemetry")]).contains("4.01"));
    assert!(run(&["-m", "post", "-e", "oops", &telemetry]).contains("4.00"));
    let file = server.folder().join("large");
    std::fs::write(&file, json!({"story": "s".repeat(3_000)}).to_string()).unwrap();
    let attributes = format!("{base}/{TOKEN}/attributes");
    assert_eq!(run(&["-m", "post", "-b", "256", "-f", file.to_str().unwrap(), &attributes]), "");
    let told = run(&["-m", "get", &attributes]);
    assert_eq!(
        serde_json::from_str::<Json>(told.trim()).unwrap()["client"]["story"]
            .as_str()
            .unwrap()
            .len(),
        3_000,
        "{told}"
    );
    assert_eq!(
        run(&["-m", "get", "-s", "1", &attributes]).trim(),
        "{}",
        "no shared attributes to begin with"
    );
    let tenant = server.tenant();
    assert_eq!(
        tenant.latest(&tenant.device("Demo device"), "temperature")["temperature"][0]["value"],
        22
    );
}

#[test]
fn over_a_way_that_loses_doubles_and_reorders_nothing_is_lost_and_nothing_stored_twice() {
    let mut server = Server::start(Options::demo());
    let way = LossyWay::to(server.coap_port, 0x5eed);
    let said = python(&[AIOCOAP, LOSSY].concat(), &[&way.port.to_string(), TOKEN]);
    assert!(said.contains("done"), "{said}");
    assert!(way.dropped() > 10, "{}", way.dropped());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    assert_eq!(points(&tenant, &device, "sure"), (0..40).collect::<Vec<_>>());
    let mut maybe = points(&tenant, &device, "maybe");
    let all = maybe.len();
    maybe.dedup();
    assert!(maybe.len() == all && all > 20, "each once at most: {maybe:?}");
    still_serves(&mut server);
}

const LOSSY: &str = r#"
from aiocoap import Reliable
class Quick(Reliable):
    ACK_TIMEOUT = 0.2
    MAX_RETRANSMIT = 8
async def main():
    context = await Context.create_client_context()
    for number in range(40):
        check(await ask(context, POST, "telemetry", {"sure": number}, transport_tuning=Quick()), "2.01")
    answers = [asyncio.ensure_future(ask(context, POST, "telemetry", {"ts": 1 + number, "values": {"maybe": number}}, transport_tuning=Unreliable)) for number in range(60)]
    await asyncio.wait(answers, timeout=3)
    for answer in answers:
        answer.cancel()
    await context.shutdown()
    print("done")
asyncio.run(main())
"#;

#[test]
fn thousands_of_mutated_datagrams_harm_nobody() {
    let mut server = Server::start(Options::demo());
    let mut numbers = Numbers(0x5eed);
    let path = |rest: &str| format!("api/v1/{TOKEN}/{rest}");
    let observe = request(Code::GET, 3, &path("attributes"), b"").with(option::OBSERVE, vec![]);
    let honest = [
        request(Code::POST, 1, &path("telemetry"), br#"{"fuzz":1}"#),
        request(Code::GET, 2, &path("attributes"), b"").with(option::URI_QUERY, b"clientKeys=a".to_vec()),
        observe.clone(),
        observe.with(option::BLOCK2, vec![0x12]),
        request(Code::POST, 5, &path("attributes"), &[b'x'; 64]).with(option::BLOCK1, vec![0x0a]),
        request(Code::POST, 6, &path("attributes"), &[b'x'; 64]).with(option::BLOCK1, vec![0x1a]),
        request(Code::POST, 7, &path("rpc/1"), b"{}"),
        Message::empty(Kind::Acknowledgement, 8),
        Message::empty(Kind::Reset, 9),
        Message::empty(Kind::Confirmable, 10),
    ];
    let wires: Vec<CoapWire> = (0..20).map(|_| CoapWire::open(server.coap_port)).collect();
    let before_mb = server.memory_mb();
    for round in 0..20_000 {
        let mut datagram = honest[numbers.below(honest.len())].write();
        datagram[2..4].copy_from_slice(&u16::try_from(numbers.below(2_000)).unwrap().to_be_bytes());
        for _ in 0..numbers.below(4) {
            let at = numbers.below(datagram.len());
            datagram[at] = u8::try_from(numbers.below(256)).unwrap();
        }
        datagram.truncate(datagram.len() - numbers.below(datagram.len()).min(numbers.below(3)));
        let wire = &wires[round % wires.len()];
        wire.send(&datagram);
        while let Some(told) = wire.waiting() {
            assert!(Message::read(&told).is_ok(), "{told:?}");
        }
    }
    still_serves(&mut server);
    assert!(
        server.memory_mb() < before_mb + 100.0,
        "{} MB were {before_mb} MB",
        server.memory_mb()
    );
}

#[test]
fn who_has_not_shown_that_it_receives_is_sent_three_times_as_much_at_most() {
    let mut server = Server::start(Options::demo());
    let path = format!("api/v1/{TOKEN}/attributes");
    let large = json!({"story": "s".repeat(900)}).to_string();
    let told = CoapWire::open(server.coap_port).exchange(&request(Code::POST, 1, &path, large.as_bytes()));
    assert_eq!(told.code, Code::CREATED);
    let victim = CoapWire::open(server.coap_port);
    let asked = request(Code::GET, 7, &path, b"").write();
    victim.send(&asked);
    let mut told = 0;
    // Long enough for what would be sent again.
    while let Some(datagram) = victim.datagram(Duration::from_secs(4)) {
        told += datagram.len();
    }
    assert!(told > 0 && told <= 3 * asked.len(), "{told} bytes for {}", asked.len());
    still_serves(&mut server);
}

#[test]
fn a_server_that_stops_answers_what_it_took() {
    let mut server = Server::start(Options::demo());
    let wire = CoapWire::open(server.coap_port);
    let observe = request(Code::GET, 1, &format!("api/v1/{TOKEN}/rpc"), b"").with(option::OBSERVE, vec![]);
    let told = wire.exchange(&observe);
    assert_eq!((told.code, told.option(option::OBSERVE).is_some()), (Code::VALID, true));
    assert!(server.terminate(), "{}", server.log());
    let last = Message::read(&wire.datagram(Duration::from_secs(1)).unwrap()).unwrap();
    assert_eq!(
        (last.code, last.token, last.option(option::OBSERVE)),
        (Code::SERVICE_UNAVAILABLE, told.token, None)
    );
}

#[test]
fn wrong_tokens_over_coap_are_held_against_their_address_there_and_nowhere_else() {
    let server = Server::start(Options::demo());
    let wire = CoapWire::open(server.coap_port);
    let code = |id: u16, token: &str| {
        wire.exchange(&request(Code::POST, id, &format!("api/v1/{token}/telemetry"), b"{\"t\":1}"))
            .code
    };
    let refused: u16 = (0..=100)
        .take_while(|id| code(*id, "guess") == Code::UNAUTHORIZED)
        .count()
        .try_into()
        .unwrap();
    assert_eq!(refused, 100);
    assert_eq!(code(200, TOKEN), Code::TOO_MANY_REQUESTS, "for a while, even with the right one");
    assert_eq!(
        CoapWire::open_at("127.0.0.2", server.coap_port)
            .exchange(&request(Code::POST, 1, &format!("api/v1/{TOKEN}/telemetry"), b"{}"))
            .code,
        Code::CREATED
    );
    // Anybody can write this address on a datagram: what needs a connection is served.
    let used = tests::rest::curl(&[
        "-d",
        "{}",
        "-w",
        "%{http_code}",
        &format!("{}/api/v1/{TOKEN}/telemetry", server.http),
    ]);
    assert_eq!(used, "200");
}
