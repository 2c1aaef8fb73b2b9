//! Live values over WebSocket: who may see what, and that it is seen as it is saved. With a client that nobody here wrote.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::clients::{mosquitto_pub, python};
use tests::live::{Watcher, command, values};
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};

const TOKEN: &str = "A1_TEST_TOKEN";

/// The demo device says something over MQTT; acknowledged when it is durable.
fn says(server: &Server, values: &Json) {
    let output = mosquitto_pub(server.mqtt_port, TOKEN, "v1/devices/me/telemetry", &values.to_string(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A device says something over HTTP.
fn posts(server: &Server, token: &str, what: &str, values: &Json) {
    let url = format!("{}/api/v1/{token}/{what}", server.http);
    let (status, body) = exchange(&["-d", &values.to_string(), &url]);
    assert_eq!(status, 200, "{body}");
}

fn refused(frame: &Json, number: i64, code: u64) -> String {
    assert_eq!(
        (
            frame["subscriptionId"].as_i64(),
            frame["cmdId"].as_i64(),
            frame["errorCode"].as_u64()
        ),
        (Some(number), Some(number), Some(code)),
        "{frame}"
    );
    frame["errorMsg"].as_str().unwrap().to_owned()
}

/// A user of a customer, and the customer's id.
fn customer(tenant: &Rest, name: &str) -> (Rest, String) {
    let customer = tenant.post("/api/customer", &json!({ "title": name }))["id"].clone();
    let user = json!({"email": format!("{name}@example.org"), "authority": "CUSTOMER_USER", "customerId": customer});
    (tenant.invite(&user), customer["id"].as_str().unwrap().to_owned())
}

#[test]
fn what_a_device_says_is_seen_as_soon_as_it_is_saved() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    says(&server, &json!({"temperature": 20, "humidity": 40.0}));
    // One session in each form.
    let mut first = Watcher::try_open(&server, "/api/ws").unwrap();
    let series = command(
        1,
        &device,
        &json!({"type": "TIMESERIES", "scope": "LATEST_TELEMETRY", "keys": "temperature"}),
    );
    let stored = first.asked(&json!({"authCmd": {"cmdId": 0, "token": tenant.token()}, "cmds": [series]}));
    assert_eq!(
        (stored["subscriptionId"].as_i64(), stored["errorCode"].as_i64(), &stored["errorMsg"]),
        (Some(1), Some(0), &Json::Null)
    );
    assert_eq!(stored["data"].as_object().unwrap().len(), 1, "{stored}");
    let value = &stored["data"]["temperature"][0];
    assert_eq!(
        (&value[1], &value[0]),
        (&json!("20"), &stored["latestValues"]["temperature"]),
        "{stored}"
    );
    let mut second = Watcher::open(&server, tenant.token());
    let stored = second.asked(&json!({"tsSubCmds": [command(7, &device, &json!({"scope": "LATEST_TELEMETRY"}))]}));
    assert_eq!(
        (values(&stored, "temperature"), values(&stored, "humidity")),
        (vec!["20".to_owned()], vec!["40.0".to_owned()])
    );

    says(&server, &json!({"temperature": 21, "other": true}));
    let seen = first.hear();
    assert_eq!(
        (seen["subscriptionId"].as_i64(), values(&seen, "temperature")),
        (Some(1), vec!["21".to_owned()])
    );
    assert_eq!(seen["data"]["other"], Json::Null, "it asked for one key");
    let seen = second.hear();
    assert_eq!(
        (values(&seen, "temperature"), values(&seen, "other")),
        (vec!["21".to_owned()], vec!["true".to_owned()])
    );

    // Many, in order, none left out.
    for number in 0..20 {
        posts(&server, TOKEN, "telemetry", &json!({ "temperature": number }));
    }
    let seen = first.until(1, "temperature", "19");
    let seen: Vec<String> = seen.iter().flat_map(|frame| values(frame, "temperature")).collect();
    assert_eq!(seen, (0..20).map(|number: i32| number.to_string()).collect::<Vec<_>>());
    second.until(7, "temperature", "19");

    // Without the first subscription, and with another one that shows when there would have been something to hear.
    first.ask(&json!({"cmds": [{"cmdId": 1, "type": "TIMESERIES", "unsubscribe": true}]}));
    first.ask(&json!({"tsSubCmds": [command(2, &device, &json!({"keys": "humidity"}))]}));
    assert_eq!(first.hear()["subscriptionId"], 2);
    says(&server, &json!({"temperature": 22, "humidity": 1}));
    let seen = first.until(2, "humidity", "1");
    assert_eq!(seen.len(), 1, "{seen:?}");
    second.until(7, "humidity", "1");
}

#[test]
fn the_past_comes_first() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    for (ts, value) in [(1_000, 1), (2_000, 2), (3_000, 3), (9_000, 9)] {
        posts(&server, TOKEN, "telemetry", &json!({"ts": ts, "values": {"level": value}}));
    }
    let mut watcher = Watcher::open(&server, tenant.token());
    let window = json!({"keys": "level", "startTs": 2_000, "timeWindow": 5_000});
    let stored = watcher.asked(&json!({"tsSubCmds": [command(1, &device, &window)]}));
    assert_eq!(values(&stored, "level"), ["3", "2"], "{stored}");
    assert_eq!(stored["latestValues"]["level"], 3_000);
    // What is saved of the time before does not concern it; what comes late within it does.
    posts(&server, TOKEN, "telemetry", &json!({"ts": 1_500, "values": {"level": 0}}));
    posts(&server, TOKEN, "telemetry", &json!({"ts": 2_500, "values": {"level": 5}}));
    let seen = watcher.hear();
    assert_eq!(seen["data"]["level"], json!([[2_500, "5"]]), "{seen}");

    let whole = json!({"type": "TIMESERIES_HISTORY", "keys": "level", "startTs": 0, "endTs": 9_001, "limit": 2});
    let past = watcher.asked(&json!({"cmds": [command(2, &device, &whole)]}));
    assert_eq!(values(&past, "level"), ["9", "3"], "{past}");
    let summed = json!({"keys": "level", "startTs": 0, "endTs": 10_000, "interval": 10_000, "agg": "MAX"});
    let past = watcher.asked(&json!({"historyCmds": [command(3, &device, &summed)]}));
    assert_eq!(past["data"]["level"], json!([[5_000, "9"]]));

    // Removed readings are gone here, too.
    let (status, body) = tenant.delete(&format!(
        "/api/plugins/telemetry/DEVICE/{device}/timeseries/delete?keys=level&deleteAllDataForKeys=true"
    ));
    assert_eq!(status, 200, "{body}");
    let seen = watcher.hear();
    assert_eq!(
        (seen["subscriptionId"].as_i64(), &seen["data"]["level"]),
        (Some(1), &json!([[0, ""]]))
    );
}

#[test]
fn attributes_are_seen_when_they_change_and_when_they_are_gone() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    posts(&server, TOKEN, "attributes", &json!({"firmware": "1.2"}));
    let mut watcher = Watcher::open(&server, tenant.token());
    let client = command(
        1,
        &device,
        &json!({"type": "ATTRIBUTES", "scope": "CLIENT_SCOPE", "keys": "firmware,model"}),
    );
    let stored = watcher.asked(&json!({"cmds": [client]}));
    assert_eq!(values(&stored, "firmware"), ["1.2"]);
    let shared = watcher.asked(&json!({"attrSubCmds": [command(2, &device, &json!({"scope": "SHARED_SCOPE"}))]}));
    assert_eq!(shared["data"], json!({}));
    let all = watcher.asked(&json!({"attrSubCmds": [command(3, &device, &json!({"keys": "firmware,target"}))]}));
    assert_eq!(values(&all, "firmware"), ["1.2"]);
    // By the device, by a user; two hear of each.
    posts(&server, TOKEN, "attributes", &json!({"model": "x", "firmware": 2}));
    let mut heard = [watcher.hear(), watcher.hear()];
    heard.sort_by_key(|frame| frame["subscriptionId"].as_i64());
    assert_eq!(
        (values(&heard[0], "firmware"), values(&heard[0], "model")),
        (vec!["2".to_owned()], vec!["x".to_owned()])
    );
    assert_eq!(
        (heard[1]["subscriptionId"].as_i64(), values(&heard[1], "firmware")),
        (Some(3), vec!["2".to_owned()])
    );
    let path = format!("/api/plugins/telemetry/DEVICE/{device}/SHARED_SCOPE");
    tenant.post(&path, &json!({"target": {"degrees": 5}}));
    let mut heard = [watcher.hear(), watcher.hear()];
    heard.sort_by_key(|frame| frame["subscriptionId"].as_i64());
    for (frame, number) in heard.iter().zip([2, 3]) {
        assert_eq!(
            (frame["subscriptionId"].as_i64(), values(frame, "target")),
            (Some(number), vec![r#"{"degrees":5}"#.to_owned()])
        );
    }
    assert_eq!(tenant.delete(&format!("{path}?keys=target")).0, 200);
    let heard = watcher.hear();
    assert_eq!(heard["data"], json!({"target": [[0, ""]]}));
}

#[test]
fn who_is_nobody_sees_nothing() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let subscribe = json!([command(1, &device, &json!({"type": "TIMESERIES"}))]);
    // The one that says nothing is closed while the others are looked at.
    let mut silent = Watcher::try_open(&server, "/api/ws").unwrap();
    let short = tenant.token().get(..200).unwrap();
    let refresh = tests::rest::curl(&[
        "--json",
        r#"{"username": "tenant@pacificsoft.org", "password": "tenant"}"#,
        &format!("{}/api/auth/login", server.http),
    ]);
    let refresh: Json = serde_json::from_str(&refresh).unwrap();
    for wrong in ["", "x", short, TOKEN, refresh["refreshToken"].as_str().unwrap()] {
        let mut watcher = Watcher::try_open(&server, "/api/ws").unwrap();
        watcher.ask(&json!({"authCmd": {"cmdId": 0, "token": wrong}, "cmds": subscribe}));
        assert_eq!(watcher.closed().0, 1007, "{wrong}");
        assert_eq!(
            Watcher::try_open(&server, &format!("/api/ws/plugins/telemetry?token={wrong}")).err(),
            Some(401),
            "{wrong}"
        );
    }
    for message in [&json!({"cmds": subscribe}).to_string(), "[]", "no JSON"] {
        let mut watcher = Watcher::try_open(&server, "/api/ws").unwrap();
        watcher.say(message);
        assert_eq!(watcher.closed().0, 1008, "{message}");
    }
    let mut keyed = Watcher::try_open(&server, "/api/ws").unwrap();
    keyed.ask(&json!({"authCmd": {"cmdId": 0, "apiKey": "tb_x"}}));
    assert_eq!(keyed.closed().0, 1007);
    assert_eq!(silent.closed().0, 1008);
    assert!(server.metric("live_refusals_total") >= 9.0);
    // Without an upgrade it is a request that makes no sense.
    let (status, body) = exchange(&[&format!("{}/api/ws", server.http)]);
    assert_eq!(status, 400, "{body}");
}

#[test]
fn what_is_not_ones_own_is_like_what_is_not_there() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let secret = tenant.create_device("Secret", "SECRET");
    let (user, customer) = customer(&tenant, "alice");
    let admin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let other = admin.post("/api/tenant", &json!({"title": "Other"}));
    let stranger = admin.invite(&json!({"email": "other@example.org", "authority": "TENANT_ADMIN", "tenantId": other["id"]}));
    let nowhere = "00000000-0000-0000-0000-000000000001";
    let own = stranger.create_device("Own", "OWN");
    let all = |number: i64, device: &str| {
        json!({
            "tsSubCmds": [command(number, device, &json!({}))],
            "attrSubCmds": [command(number + 1, device, &json!({}))],
            "historyCmds": [command(number + 2, device, &json!({"keys": "a", "startTs": 0, "endTs": 1}))],
        })
    };
    let mut watcher = Watcher::open(&server, stranger.token());
    for (number, device) in [(10, device.as_str()), (20, nowhere)] {
        watcher.ask(&all(number, device));
        let mut words: Vec<_> = (0..3).map(|_| watcher.hear()).collect();
        words.sort_by_key(|frame| frame["cmdId"].as_i64());
        for (frame, number) in words.iter().zip(number..) {
            assert_eq!(refused(frame, number, 3), format!("DEVICE with id [{device}] is not found"));
        }
    }
    assert_eq!(watcher.asked(&json!({"tsSubCmds": [command(1, &own, &json!({}))]}))["errorCode"], 0);
    says(&server, &json!({"temperature": 1}));
    posts(&server, "OWN", "telemetry", &json!({"a": 1}));
    assert_eq!(watcher.until(1, "a", "1").len(), 1, "of the other tenant nothing was heard");

    // The administrator of the system sees no tenant's data.
    let mut watcher = Watcher::open(&server, admin.token());
    let told = watcher.asked(&json!({"tsSubCmds": [command(1, &device, &json!({}))]}));
    refused(&told, 1, 3);

    // A customer's user sees the customer's, as long as it is that.
    let assign = format!("/api/customer/{customer}/device/{device}");
    tenant.post(&assign, &json!({}));
    let mut watcher = Watcher::open(&server, user.token());
    assert_eq!(
        watcher.asked(&json!({"tsSubCmds": [command(1, &device, &json!({}))]}))["errorCode"],
        0
    );
    refused(&watcher.asked(&json!({"tsSubCmds": [command(2, &secret, &json!({}))]})), 2, 3);
    says(&server, &json!({"temperature": 2}));
    watcher.until(1, "temperature", "2");
    assert_eq!(tenant.delete(&format!("/api/customer/device/{device}")).0, 200);
    refused(&watcher.hear(), 1, 3);
    tenant.post(&format!("/api/customer/{customer}/device/{secret}"), &json!({}));
    assert_eq!(
        watcher.asked(&json!({"tsSubCmds": [command(3, &secret, &json!({}))]}))["errorCode"],
        0
    );
    says(&server, &json!({"temperature": 3}));
    posts(&server, "SECRET", "telemetry", &json!({"b": 1}));
    assert_eq!(
        watcher.until(3, "b", "1").len(),
        1,
        "of the device that was taken back nothing was heard"
    );
    // A device that is deleted is not there any more.
    assert_eq!(tenant.delete(&format!("/api/device/{secret}")).0, 200);
    refused(&watcher.hear(), 3, 3);
}

#[test]
fn a_session_ends_when_its_login_does() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let (user, _) = customer(&tenant, "bob");
    let mut watcher = Watcher::open(&server, tenant.token());
    let mut other = Watcher::open(&server, user.token());
    assert_eq!(
        watcher.asked(&json!({"tsSubCmds": [command(1, &device, &json!({}))]}))["errorCode"],
        0
    );
    assert_eq!(tenant.try_post("/api/auth/logout", &json!({})).0, 200);
    assert_eq!(watcher.closed(), (1008, "The token has ended".to_owned()));
    // Nobody else's.
    refused(&other.asked(&json!({"tsSubCmds": [command(1, &device, &json!({}))]})), 1, 3);
    // Who goes says good-bye.
    let mut server = server;
    assert!(server.terminate());
    assert_eq!(other.closed().0, 1001);
}

#[test]
fn who_does_not_fetch_is_closed_and_holds_up_nobody() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let (mut slow, mut quick) = (Watcher::open(&server, tenant.token()), Watcher::open(&server, tenant.token()));
    for watcher in [&mut slow, &mut quick] {
        assert_eq!(
            watcher.asked(&json!({"tsSubCmds": [command(1, &device, &json!({"keys": "large,n"}))]}))["errorCode"],
            0
        );
    }
    slow.say("wait");
    // Far more than the network's buffers and the outbox take together; each is acknowledged.
    let port = server.http.rsplit(':').next().unwrap();
    let said = python(FLOOD, &[port, TOKEN, "600", "60000"]);
    assert_eq!(said.trim(), "600");
    tests::until("it was closed", || server.metric("feed_outboxes_full_total") >= 1.0);
    says(&server, &json!({"n": "done"}));
    quick.until(1, "n", "done");
    // It hears why, if it comes back in time; else its connection is gone.
    slow.say("fetch");
    loop {
        let frame = slow.hear();
        if frame["closed"] == 1008 || frame["lost"] != Json::Null {
            break;
        }
    }
    assert!(server.metric("live_refusals_total") >= 1.0);
    tests::until("it is gone", || server.metric("live_sessions") as u32 == 1);
}

#[test]
fn what_is_not_understood_is_said_and_what_is_too_much_refused() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let mut watcher = Watcher::open(&server, tenant.token());
    let told = watcher.asked(&json!({"cmds": [{"cmdId": 5, "type": "ENTITY_DATA", "query": {}}]}));
    assert!(refused(&told, 5, 2).contains("supported are ATTRIBUTES, TIMESERIES"), "{told}");
    for (asked, words) in [
        (json!({"entityType": "SPACESHIP"}), "SPACESHIP"),
        (json!({"entityId": "x"}), "entityId"),
        (json!({"keys": "k".repeat(256)}), "256 bytes"),
        (json!({"keys": "k,".repeat(1_001)}), "1001 keys"),
        (json!({"keys": "a", "startTs": 1, "timeWindow": 5_000, "agg": "MEDIAN"}), "MEDIAN"),
        (
            json!({"keys": "a", "startTs": 0, "timeWindow": 5_000, "agg": "MAX", "interval": 1}),
            "intervals",
        ),
        (json!({"startTs": "soon"}), "not understood"),
    ] {
        let told = watcher.asked(&json!({"tsSubCmds": [command(6, &device, &asked)]}));
        let said = refused(&told, 6, 2);
        assert!(said.contains(words), "{said}");
    }
    let told = watcher.asked(&json!({"attrSubCmds": [command(7, &device, &json!({"scope": "ANY"}))]}));
    assert!(refused(&told, 7, 2).contains("ANY"));
    watcher.say("no JSON");
    refused(&watcher.hear(), 0, 2);
    // So many subscriptions and no more; one that is asked for again takes the place of the one before.
    for number in (0..500).chain([0]) {
        let told = watcher.asked(&json!({"tsSubCmds": [command(number, &device, &json!({"keys": "a"}))]}));
        assert_eq!(told["errorCode"], 0, "{number}: {told}");
    }
    let told = watcher.asked(&json!({"tsSubCmds": [command(500, &device, &json!({"keys": "a"}))]}));
    refused(&told, 500, 2);
    watcher.ask(&json!({"tsSubCmds": [{"cmdId": 3, "unsubscribe": true}]}));
    let told = watcher.asked(&json!({"tsSubCmds": [command(500, &device, &json!({"keys": "a"}))]}));
    assert_eq!(told["errorCode"], 0, "{told}");
    watcher.say(&"x".repeat(70_000));
    assert_eq!(watcher.closed().0, 1009);
    // So many sessions of one user.
    let port = server.http.rsplit(':').next().unwrap();
    let said = python(CROWD, &[port, tenant.token()]);
    assert_eq!(said.trim(), "100 429");
    assert!(server.metric("live_refusals_total") >= 10.0);
}

/// Posts so many large values, and prints how many were taken: port, token, how many, bytes.
const FLOOD: &str = r#"
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
taken = 0
for number in range(int(sys.argv[3])):
    body = json.dumps({"large": str(number) + "x" * int(sys.argv[4])})
    connection.request("POST", "/api/v1/" + sys.argv[2] + "/telemetry", body)
    answer = connection.getresponse()
    answer.read()
    taken += answer.status == 200
print(taken)
"#;

/// Opens sessions until one is refused; prints how many were open, and the status of the refusal.
const CROWD: &str = r#"
import sys, websocket
url = "ws://127.0.0.1:" + sys.argv[1] + "/api/ws/plugins/telemetry?token=" + sys.argv[2]
opened = []
try:
    while True:
        opened.append(websocket.create_connection(url))
except websocket.WebSocketBadStatusException as refused:
    print(len(opened), refused.status_code)
"#;

#[test]
fn a_customer_sees_of_a_device_what_a_view_of_it_shows() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    says(&server, &json!({"temperature": 20, "secret": 1}));
    let (user, customer) = customer(&tenant, "viewer");
    let view = json!({"name": "V", "type": "part", "entityId": {"entityType": "DEVICE", "id": device},
        "keys": {"timeseries": ["temperature"], "attributes": {"cs": [], "ss": [], "sh": []}}});
    let mut view = tenant.post("/api/entityView", &view);
    let id = view["id"]["id"].as_str().unwrap().to_owned();
    let of_view = |number: i64, more: &Json| {
        let mut command = command(number, &id, more);
        command["entityType"] = json!("ENTITY_VIEW");
        command
    };
    let mut watcher = Watcher::open(&server, user.token());
    let all = of_view(1, &json!({"scope": "LATEST_TELEMETRY"}));
    let frame = watcher.asked(&json!({ "tsSubCmds": [all] }));
    refused(&frame, 1, 3);
    view["customerId"] = tenant.post(&format!("/api/customer/{customer}/entityView/{id}"), &Json::Null)["customerId"].clone();
    let frame = watcher.asked(&json!({ "tsSubCmds": [all] }));
    assert_eq!(
        (values(&frame, "temperature"), values(&frame, "secret")),
        (vec!["20".to_owned()], vec![]),
        "{frame}"
    );
    let device_itself = command(2, &device, &json!({"scope": "LATEST_TELEMETRY"}));
    let frame = watcher.asked(&json!({ "tsSubCmds": [device_itself] }));
    refused(&frame, 2, 3);
    says(&server, &json!({"secret": 2}));
    says(&server, &json!({"temperature": 21, "secret": 3}));
    let frame = watcher.hear();
    assert_eq!(
        (values(&frame, "temperature"), values(&frame, "secret")),
        (vec!["21".to_owned()], vec![]),
        "{frame}"
    );
    let past = of_view(
        3,
        &json!({"keys": "temperature,secret", "startTs": 0, "endTs": 9_999_999_999_999_i64, "limit": 10}),
    );
    let frame = watcher.asked(&json!({ "historyCmds": [past] }));
    assert_eq!(
        (values(&frame, "temperature").len(), values(&frame, "secret").len()),
        (2, 0),
        "{frame}"
    );

    // Another part of time: whoever watches is told to ask again, and sees nothing until then.
    let mut view = tenant.get(&format!("/api/entityView/{id}"));
    view["endTimeMs"] = json!(1_000);
    tenant.post("/api/entityView", &view);
    let told = refused(&watcher.hear(), 1, 2);
    assert!(told.contains("changed"), "{told}");
    says(&server, &json!({"temperature": 22}));
    let frame = watcher.asked(&json!({ "tsSubCmds": [all] }));
    assert_eq!(values(&frame, "temperature"), Vec::<String>::new(), "{frame}");
    says(&server, &json!({"temperature": 23}));
    // The user is no viewer any more.
    assert_eq!(tenant.delete(&format!("/api/customer/entityView/{id}")).0, 200);
    refused(&watcher.hear(), 1, 3);
}
