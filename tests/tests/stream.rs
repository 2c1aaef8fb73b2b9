//! Devices with a protocol of their own: a stream adapter on a TCP or UDP listener.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};
use tests::tracker::{Tracker, frame, login, position};

const LOGIN_ANSWER: u8 = 0x81;
const ACKNOWLEDGEMENT: u8 = 0x82;
const COMMAND: u8 = 0x84;
const SETTINGS: u8 = 0x86;

fn start(components: &str) -> Server {
    let components = tests::root().join("target/components").join(components);
    Server::start(Options::demo().with(&["--components", components.to_str().unwrap(), "--stream-ports", "1024-65535"]))
}

/// A port that nobody has now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Creates a listener; answers its id and port.
fn listener(rest: &Rest, name: &str, adapter: &str, transport: &str) -> (String, u16) {
    let port = free_port();
    let body = json!({"name": name, "adapter": adapter, "transport": transport, "port": port});
    let created = rest.post("/api/plugins/listeners", &body);
    assert_eq!(created["status"]["running"], true, "{created}");
    (created["id"]["id"].as_str().unwrap().to_owned(), port)
}

fn status(rest: &Rest, id: &str) -> Json {
    rest.get(&format!("/api/plugins/listeners/{id}"))["status"].clone()
}

/// Every position of a device, oldest first: the speed is the number of the frame.
fn numbers(rest: &Rest, device: &str) -> Vec<u64> {
    let path = format!(
        "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?keys=speed&startTs=0&endTs=2000000000000&limit=10000&orderBy=ASC&useStrictDataTypes=true"
    );
    let found = rest.get(&path);
    let speeds = found["speed"].as_array().cloned().unwrap_or_default();
    speeds
        .iter()
        .map(|point| (point["value"].as_f64().unwrap() * 10.0).round() as u64)
        .collect()
}

/// Reads so many acknowledgements of a unit; answers their numbers.
fn acknowledgements(tracker: &mut Tracker, unit: u8, count: usize) -> Vec<u16> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let (kind, number, body) = tracker.frame().expect("an acknowledgement");
        assert_eq!((kind, body[0], body[1]), (ACKNOWLEDGEMENT, unit, 0), "frame {number}: {body:?}");
        numbers.push(number);
    }
    numbers
}

#[test]
fn trackers_report_over_tcp_and_udp_in_pieces_and_with_noise() {
    let server = start("examples");
    let rest = server.tenant();
    let (tcp, tcp_port) = listener(&rest, "TCP trackers", "gps-tracker", "tcp");
    let (_, udp_port) = listener(&rest, "UDP trackers", "gps-tracker", "udp");
    let devices: Vec<(String, String)> = (0..12)
        .map(|index| {
            let token = format!("TRACKER_{index}");
            (rest.create_device(&format!("Tracker {index}"), &token), token)
        })
        .collect();
    let clients: Vec<_> = devices
        .iter()
        .enumerate()
        .map(|(index, (_, token))| {
            let token = token.clone();
            std::thread::spawn(move || {
                let unit = u8::try_from(index).unwrap();
                let datagrams = index % 3 == 0;
                let mut tracker = if datagrams {
                    Tracker::udp(udp_port)
                } else {
                    Tracker::tcp(tcp_port)
                };
                assert_eq!(tracker.login(unit, &token), 0);
                if datagrams {
                    // One at a time: nobody promises that datagrams arrive.
                    for number in 1..=100 {
                        tracker.send(&position(unit, number));
                        assert_eq!(acknowledgements(&mut tracker, unit, 1), [number]);
                    }
                    return;
                }
                let mut bytes = Vec::new();
                for number in 1..=100 {
                    bytes.extend(position(unit, number));
                    if number % 10 == 0 {
                        // A frame with a wrong checksum, and noise.
                        let mut broken = position(unit, 1000 + number);
                        broken[12] ^= 0x40;
                        bytes.extend(broken);
                        bytes.extend(b"PPTnoise");
                    }
                }
                for chunk in bytes.chunks(1 + index * 37) {
                    assert!(tracker.send(chunk));
                }
                assert_eq!(acknowledgements(&mut tracker, unit, 100), (1..=100).collect::<Vec<_>>(), "in order");
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    for (device, _) in &devices {
        assert_eq!(numbers(&rest, device), (1..=100).collect::<Vec<_>>());
    }
    assert_eq!(rest.latest(&devices[1].0, "latitude")["latitude"][0]["value"], 52.5);
    tests::until("the connections have ended", || status(&rest, &tcp)["peers"] == 0);
    assert_eq!(status(&rest, &tcp)["faults"], 0);
}

#[test]
fn commands_go_down_and_replies_come_up_for_several_devices_on_one_connection() {
    let server = start("examples");
    let rest = server.tenant();
    command_chain(&rest);
    let (_, port) = listener(&rest, "Trackers", "gps-tracker", "tcp");
    let devices: Vec<String> = (1..=3)
        .map(|unit| rest.create_device(&format!("Unit {unit}"), &format!("UNIT_{unit}")))
        .collect();
    let mut tracker = Tracker::tcp(port);
    for unit in 1..=3 {
        assert_eq!(tracker.login(unit, &format!("UNIT_{unit}")), 0);
        tracker.send(&position(unit, u16::from(unit)));
        acknowledgements(&mut tracker, unit, 1);
    }
    for unit in [2, 3, 1] {
        // A message of the device with a method becomes a request to the device.
        let body = json!({"method": "unlock", "params": {"door": unit}}).to_string();
        let url = format!("{}/api/v1/UNIT_{unit}/telemetry", server.http);
        let asking = std::thread::spawn(move || exchange(&["-d", &body, &url]).0);
        let (kind, number, command) = tracker.frame().expect("a command");
        let expected = [&[unit, 6][..], b"unlock", format!("{{\"door\":{unit}}}").as_bytes()].concat();
        assert_eq!((kind, command), (COMMAND, expected));
        tracker.send(&frame(
            0x04,
            number,
            &[&[unit, 0][..], format!("door {unit} is open").as_bytes()].concat(),
        ));
        assert_eq!(asking.join().unwrap(), 200);
        let device = &devices[usize::from(unit) - 1];
        let attributes = rest.attributes(device, "SERVER_SCOPE");
        let text = attributes.as_array().unwrap().iter().find(|one| one["key"] == "text");
        assert_eq!(text.unwrap()["value"], format!("door {unit} is open"), "{attributes}");
    }
    // Changed shared attributes of one unit.
    rest.post(
        &format!("/api/plugins/telemetry/DEVICE/{}/attributes/SHARED_SCOPE", devices[1]),
        &json!({"every": 5}),
    );
    assert_eq!(tracker.frame(), Some((SETTINGS, 0, b"\x02{\"every\":5}".to_vec())));
    // A unit that connects elsewhere leaves this connection; the others stay.
    let mut other = Tracker::tcp(port);
    assert_eq!(other.login(9, "UNIT_1"), 0);
    assert_eq!(tracker.frame(), Some((LOGIN_ANSWER, 0, vec![1, 2])));
    tracker.send(&position(1, 50));
    assert_eq!(tracker.frame(), Some((ACKNOWLEDGEMENT, 50, vec![1, 2])), "not logged in any more");
    tracker.send(&position(3, 51));
    acknowledgements(&mut tracker, 3, 1);
}

/// Root chain: telemetry is saved; what has the method `unlock` is a request to the device, and the reply becomes attributes.
fn command_chain(rest: &Rest) {
    let mut metadata = rest.root_metadata();
    let node = |name: &str, class: &str, configuration: Json| json!({"type": class, "name": name, "configuration": configuration, "debugSettings": null, "singletonMode": false, "configurationVersion": 0});
    let is_command = json!({"key": "method", "operator": "EQUAL", "value": "unlock", "source": "DATA"});
    let save = json!({"scope": "SERVER_SCOPE", "notifyDevice": false, "updateAttributesOnlyOnValueChange": false});
    metadata["nodes"] = json!([
        node("command?", "org.pacificsoft.filter.FieldFilter", is_command),
        node(
            "request",
            "org.thingsboard.rule.engine.rpc.TbSendRPCRequestNode",
            json!({"timeoutInSeconds": 20})
        ),
        node("reply", "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode", save),
        node(
            "save",
            "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode",
            json!({"defaultTTL": 0})
        ),
    ]);
    metadata["connections"] = json!([
        {"fromIndex": 0, "toIndex": 1, "type": "True"},
        {"fromIndex": 1, "toIndex": 2, "type": "Success"},
        {"fromIndex": 0, "toIndex": 3, "type": "False"},
    ]);
    metadata["firstNodeIndex"] = json!(0);
    metadata["ruleChainConnections"] = Json::Null;
    rest.post("/api/ruleChain/metadata", &metadata);
}

#[test]
fn nobody_gets_in_with_a_wrong_token_or_that_of_another_tenant() {
    let server = start("examples");
    let rest = server.tenant();
    let (_, port) = listener(&rest, "Trackers", "gps-tracker", "tcp");
    let stranger = other_tenant(&server);
    let foreign = stranger.create_device("Foreign", "FOREIGN_TOKEN");
    let mut tracker = Tracker::tcp(port);
    assert_eq!(tracker.login(1, "WRONG"), 3);
    assert_eq!(
        tracker.login(1, "FOREIGN_TOKEN"),
        3,
        "a device of another tenant does not exist here"
    );
    assert_eq!(tracker.login(1, ""), 3);
    tracker.send(&position(1, 5));
    assert_eq!(tracker.frame(), Some((ACKNOWLEDGEMENT, 5, vec![1, 2])));
    assert_eq!(tracker.login(1, "A1_TEST_TOKEN"), 0, "the peer may still log in");
    assert!(numbers(&stranger, &foreign).is_empty());
    // Guessing is ended.
    let mut guesser = Tracker::tcp(port);
    for _ in 0..8 {
        guesser.send(&login(1, "GUESS"));
        guesser.frame();
    }
    assert!(guesser.is_closed());
    // Another tenant sees no listener of this one, and does not get its port.
    assert_eq!(stranger.get("/api/plugins/listeners?pageSize=10&page=0")["totalElements"], 0);
    let taken = json!({"name": "Mine", "adapter": "gps-tracker", "transport": "udp", "port": port});
    let (status, body) = stranger.try_post("/api/plugins/listeners", &taken);
    assert_eq!(status, 409, "{body}");
    assert!(body.contains(&format!("Port {port} is in use")), "{body}");
}

fn other_tenant(server: &Server) -> Rest {
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let tenant = sysadmin.post("/api/tenant", &json!({"title": "Other"}));
    let user = json!({"email": "other@example.org", "authority": "TENANT_ADMIN", "tenantId": tenant["id"]});
    let user = sysadmin.post("/api/user?sendActivationMail=false", &user);
    let (_, link) = sysadmin.try_get(&format!("/api/user/{}/activationLink", user["id"]["id"].as_str().unwrap()));
    let token = link.trim_matches('"').rsplit("activateToken=").next().unwrap().to_owned();
    let activate = json!({"activateToken": token, "password": "other-other"});
    sysadmin.post("/api/noauth/activate?sendActivationMail=false", &activate);
    server.login("other@example.org", "other-other")
}

#[test]
fn what_is_acknowledged_survives_kill_nine_and_the_listener_returns() {
    let server = start("examples");
    let rest = server.tenant();
    let (_, port) = listener(&rest, "Trackers", "gps-tracker", "tcp");
    let device = rest.device("Demo device");
    let mut tracker = Tracker::tcp(port);
    assert_eq!(tracker.login(1, "A1_TEST_TOKEN"), 0);
    let bytes: Vec<u8> = (1..=20_000).flat_map(|number| position(1, number)).collect();
    let mut acknowledged = acknowledge_until(&mut tracker, bytes, 3_000);
    let server = server.kill_and_restart();
    // What was on its way when the server died.
    while let Some((ACKNOWLEDGEMENT, number, _)) = tracker.frame() {
        acknowledged.push(number);
    }
    let rest = server.tenant();
    let stored = numbers_of_all(&rest, &device);
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|number| !stored.contains(&u64::from(**number)))
        .collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), acknowledged.len());
    // The listener is there again, with its port.
    let mut tracker = Tracker::tcp(port);
    assert_eq!(tracker.login(1, "A1_TEST_TOKEN"), 0);
    tracker.send(&position(1, 20_001));
    acknowledgements(&mut tracker, 1, 1);
}

/// Sends everything from a thread, and reads acknowledgements until there are enough.
fn acknowledge_until(tracker: &mut Tracker, bytes: Vec<u8>, enough: usize) -> Vec<u16> {
    let mut sender = tracker.sender();
    std::thread::spawn(move || {
        // Ends with an error when the server is killed.
        let _ = sender.write_all(&bytes);
    });
    acknowledgements(tracker, 1, enough)
}

/// As [`numbers`], for more than a page.
fn numbers_of_all(rest: &Rest, device: &str) -> std::collections::HashSet<u64> {
    let mut all = std::collections::HashSet::new();
    for second in (1_700_000_000_u64..1_700_021_000).step_by(5_000) {
        let (from, to) = (second * 1000, (second + 5_000) * 1000);
        let path = format!(
            "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?keys=speed&startTs={from}&endTs={to}&limit=10000&useStrictDataTypes=true"
        );
        let found = rest.get(&path);
        let speeds = found["speed"].as_array().cloned().unwrap_or_default();
        all.extend(speeds.iter().map(|point| (point["value"].as_f64().unwrap() * 10.0).round() as u64));
    }
    all
}

/// A peer of the adapter that misbehaves when told to.
struct Evil(TcpStream, BufReader<TcpStream>);

impl Evil {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Evil(stream, reader)
    }

    fn say(&mut self, line: &str) {
        // The server may have closed.
        let _ = self.0.write_all(format!("{line}\n").as_bytes());
    }

    /// The next line; empty: closed.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        let _ = self.1.read_line(&mut line);
        line.trim_end().to_owned()
    }
}

#[test]
fn an_adapter_that_misbehaves_hurts_its_connection_only() {
    let server = start("test");
    let rest = server.tenant();
    let device = rest.device("Demo device");
    let (id, port) = listener(&rest, "Evil", "evil-stream", "tcp");
    let mut good = Evil::open(port);
    good.say("login A1_TEST_TOKEN");
    assert_eq!(good.hear(), "accepted 1");
    let used = || rest.get("/api/plugins/usage")["cpuMs"].as_u64().unwrap();
    let (mut number, used_before) = (0, used());
    for what in [
        "trap", "loop", "memory", "huge", "flood", "many", "timers", "foreign", "no-json", "refuse", "guess",
    ] {
        let mut evil = Evil::open(port);
        evil.say(what);
        let mut heard = evil.hear();
        while heard.starts_with("unknown") {
            heard = evil.hear();
        }
        assert_eq!(heard, "", "{what}: the connection is closed");
        number += 1;
        good.say(&format!("say {{\"n\": {number}}}"));
        assert_eq!(good.hear(), "durable 7", "after {what}");
    }
    assert_eq!(rest.latest(&device, "n")["n"][0]["value"], number);
    assert!(used() >= used_before + 20, "the loop alone used 20 ms of its tenant's time");
    let seen = status(&rest, &id);
    assert_eq!((&seen["faults"], &seen["running"]), (&json!(4), &json!(true)), "{seen}");
    assert!(seen["error"].as_str().unwrap().contains("bytes"), "{seen}");
    // Close is carried out after what stands before it, and nothing after it.
    let mut leaving = Evil::open(port);
    leaving.say("close");
    assert_eq!((leaving.hear(), leaving.hear()), ("bye".to_owned(), String::new()));
    good.say("timer");
    assert_eq!(good.hear(), "timer 3");
    // A number names one device.
    let mut twice = Evil::open(port);
    twice.say("twice A1_TEST_TOKEN");
    let mut answers = [twice.hear(), twice.hear()];
    answers.sort();
    assert_eq!(answers, ["accepted 5", "too-many 5"]);
    assert_eq!(good.hear(), "gone 1", "the device has one session");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_peer_speaks_for_no_more_devices_than_allowed() {
    let server = start("test");
    let (_, port) = listener(&server.tenant(), "Evil", "evil-stream", "udp");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Twenty logins at once, of one device: the sessions take over from each other.
    let padding = "x".repeat(1000);
    socket.send(format!("{padding}\nfleet A1_TEST_TOKEN\n").as_bytes()).unwrap();
    let mut answers = Vec::new();
    while answers.len() < 20 {
        let mut buffer = [0; 100];
        let len = socket.recv(&mut buffer).unwrap();
        let answer = String::from_utf8_lossy(&buffer[..len]).into_owned();
        answers.extend((!answer.starts_with("gone")).then_some(answer));
    }
    let refused = answers.iter().filter(|answer| answer.starts_with("too-many")).count();
    assert_eq!(refused, 4, "{answers:?}");
}

#[test]
fn a_listener_pauses_when_its_adapter_keeps_failing() {
    let server = start("test");
    let rest = server.tenant();
    let (id, port) = listener(&rest, "Evil", "evil-stream", "udp");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    tests::until("faults are counted, and datagrams dropped for a while", || {
        socket.send(b"trap\n").unwrap();
        status(&rest, &id)["faults"].as_u64().unwrap() > 9 && server.metric("stream_datagrams_dropped_total") > 0.0
    });
    // It goes on after its pause.
    tests::until("an honest datagram is answered", || {
        socket.send(b"timer\nlogin A1_TEST_TOKEN\n").unwrap();
        let mut buffer = [0; 100];
        socket.recv(&mut buffer).is_ok_and(|len| &buffer[..len] == b"accepted 1\n")
    });
}

#[test]
fn listeners_are_created_listed_switched_and_deleted() {
    let server = start("examples");
    let rest = server.tenant();
    let refused = |body: Json, status: u16, says: &str| {
        let (found, text) = rest.try_post("/api/plugins/listeners", &body);
        assert_eq!(found, status, "{text}");
        assert!(text.contains(says), "{text}");
    };
    let body = |adapter: &str, port: u16| json!({"name": "L", "adapter": adapter, "transport": "tcp", "port": port});
    refused(body("nothing", free_port()), 400, "There is no stream adapter");
    refused(body("compact-sensor", free_port()), 400, "There is no stream adapter");
    refused(body("gps-tracker", 80), 400, "the operator allows 1024 to 65535");
    refused(body("gps-tracker", server.mqtt_port), 409, "is in use");
    refused(
        json!({"name": "L", "adapter": "gps-tracker", "transport": "sctp", "port": 5000}),
        400,
        "sctp",
    );
    assert_eq!(
        rest.get("/api/plugins/listeners?pageSize=10&page=0")["totalElements"],
        0,
        "nothing is left of them"
    );
    let (id, port) = listener(&rest, "L", "gps-tracker", "tcp");
    refused(body("gps-tracker", free_port()), 400, "already exists");
    let mut tracker = Tracker::tcp(port);
    assert_eq!(tracker.login(1, "A1_TEST_TOKEN"), 0);
    assert_eq!(status(&rest, &id)["peers"], 1);
    let disabled = rest.post(&format!("/api/plugins/listeners/{id}/disable"), &json!({}));
    assert_eq!(
        (&disabled["enabled"], &disabled["status"]["running"]),
        (&json!(false), &json!(false))
    );
    assert!(tracker.is_closed());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let server = server.kill_and_restart();
    let rest = server.tenant();
    assert_eq!(status(&rest, &id)["running"], false, "it stays disabled");
    let enabled = rest.post(&format!("/api/plugins/listeners/{id}/enable"), &json!({}));
    assert_eq!(enabled["status"]["running"], true);
    assert_eq!(Tracker::tcp(port).login(1, "A1_TEST_TOKEN"), 0);
    assert_eq!(rest.delete(&format!("/api/plugins/listeners/{id}")).0, 200);
    assert_eq!(rest.try_get(&format!("/api/plugins/listeners/{id}")).0, 404);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let customer = server.login("customer@pacificsoft.org", "customer");
    assert_eq!(customer.try_get("/api/plugins/listeners?pageSize=10&page=0").0, 403);
}

#[test]
fn the_example_goes_as_its_readme_says() {
    let server = start("examples");
    let program = tests::root().join("examples/gps-tracker/tracker.py");
    for more in [&[][..], &["--udp"]] {
        let port = free_port().to_string();
        let output = std::process::Command::new("python3")
            .arg(&program)
            .args(["--demo", "--http", &server.http, "--port", &port, "--count", "3", "--every", "1"])
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("login: done") && said.contains("frame 2: done"), "{said}");
    }
    let rest = server.tenant();
    let tracker = rest.device("Tracker TRACKER_1");
    assert_eq!(rest.latest(&tracker, "ignition")["ignition"][0]["value"], true);
    assert_eq!(rest.latest(&tracker, "battery")["battery"][0]["value"], 87);
}
