//! Three servers over one Cassandra, as devices, users and operators see them: `cargo test -p tests --test cluster`, or `cargo xtask test cluster`.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "cluster/feed.rs"]
mod feed;
#[path = "cluster/load.rs"]
mod load;
#[path = "cluster/rates.rs"]
mod rates;
#[path = "cluster/rule_engine.rs"]
mod rule_engine;
#[path = "cluster/upgrade.rs"]
mod upgrade;

use std::process::Output;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use load::{Load, Owners};
use serde_json::{Value as Json, json};
use tests::certificates::Authority;
use tests::clients::{mosquitto_pub, python};
use tests::cluster::{Cassandra, Cluster, certificates, run};
use tests::network::Network;
use tests::rest::Rest;
use tests::wire::{Wire, subscribe_in};

/// One cluster at a time: three servers are enough for a machine.
static TURN: Mutex<()> = Mutex::new(());

/// A Cassandra and a turn; none: there is no Cassandra, which is said. On a build server there is no excuse.
fn turn() -> Option<(Arc<Cassandra>, MutexGuard<'static, ()>)> {
    match Cassandra::shared() {
        Ok(cassandra) => Some((cassandra, TURN.lock().unwrap_or_else(PoisonError::into_inner))),
        Err(missing) if std::env::var_os("CI").is_some() => panic!("{missing}"),
        Err(missing) => {
            eprintln!("NOT TESTED: no Cassandra: {missing}");
            None
        }
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Devices that answer requests with what they were asked, and print attributes they are told: `port token` for each.
const ANSWERING: &str = r#"
import json, sys, time
from tb_device_mqtt import TBDeviceMqttClient
clients = []
for one in sys.argv[1:]:
    port, token = one.split()
    client = TBDeviceMqttClient("127.0.0.1", int(port), token)
    def asked(number, request, client=client, token=token):
        if request["method"] == "end":
            ended.append(token)
        client.send_rpc_reply(number, {"device": token, "params": request["params"]})
    ended = []
    client.set_server_side_rpc_request_handler(asked)
    def told(content, *more, token=token):
        print("told", token, json.dumps(content), flush=True)
    client.connect()
    client.subscribe_to_all_attributes(told)
    clients.append(client)
deadline = time.time() + 55
while len(ended) == 0 and time.time() < deadline:
    time.sleep(0.05)
time.sleep(0.5)
for client in clients:
    client.disconnect()
print("ended")
"#;

/// The seed's case: asked at one server, connected to another, owned by any.
#[test]
fn a_cluster_serves_devices_wherever_they_are() {
    let Some((cassandra, _turn)) = turn() else { return };
    let cluster = Cluster::start(3, &cassandra);
    let tenants: Vec<Rest> = (0..3).map(|number| cluster.server(number).tenant()).collect();
    // Enough devices that every server owns some of those connected to every other.
    let devices: Vec<(String, String, usize)> = (0..12)
        .map(|number| {
            let token = format!("wherever-{number}");
            (tenants[number % 3].create_device(&token, &token), token, (number / 3) % 3)
        })
        .collect();
    let connected: Vec<String> = devices
        .iter()
        .map(|(_, token, at)| format!("{} {token}", cluster.server(*at).mqtt_port))
        .collect();
    let client = std::thread::spawn(move || {
        let arguments: Vec<&str> = connected.iter().map(String::as_str).collect();
        python(ANSWERING, &arguments)
    });
    for (id, token, _) in &devices {
        for (asked, tenant) in tenants.iter().enumerate() {
            let (status, body) = tenant.try_post(&format!("/api/rpc/twoway/{id}"), &json!({"method": "who", "params": asked}));
            let body: Json = serde_json::from_str(&body).unwrap_or_default();
            assert_eq!(
                (status, body),
                (200, json!({"device": token, "params": asked})),
                "{token} asked at {asked}"
            );
        }
    }
    for (number, (id, token, _)) in devices.iter().enumerate() {
        tenants[(number + 1) % 3].post(
            &format!("/api/plugins/telemetry/DEVICE/{id}/SHARED_SCOPE"),
            &json!({"target": number}),
        );
        // Said at a server to which the device is not connected, by another protocol; seen at a third.
        let server = cluster.server((number + 2) % 3);
        let posted = tests::rest::curl(&[
            "--fail",
            "-d",
            &format!("{{\"value\": {number}}}"),
            &format!("{}/api/v1/{token}/telemetry", server.http),
        ]);
        assert_eq!(posted, "");
        let latest = tenants[number % 3].latest(id, "value");
        assert_eq!(latest["value"][0]["value"], number, "{token}");
    }
    tenants[0].try_post(&format!("/api/rpc/twoway/{}", devices[0].0), &json!({"method": "end", "params": 0}));
    let said = client.join().unwrap();
    for (number, (_, token, _)) in devices.iter().enumerate() {
        let told = format!("told {token} {{\"target\": {number}}}");
        assert!(said.contains(&told), "{told} is missing in {said}");
    }
}

/// A device that comes to another server is taken over there, and cut off here.
#[test]
fn a_cluster_lets_a_device_be_connected_once() {
    let Some((cassandra, _turn)) = turn() else { return };
    let cluster = Cluster::start(3, &cassandra);
    let tenant = cluster.server(0).tenant();
    for number in 0..6 {
        let token = format!("moving-{number}");
        tenant.create_device(&token, &token);
        let mut before = Wire::connect(cluster.server(number % 3).mqtt_port, &token, 5);
        before.send(&subscribe_in(1, "v1/devices/me/rpc/request/+", 5));
        assert_eq!(before.packet().expect("SUBACK")[0], 0x90);
        let _after = Wire::connect(cluster.server((number + 1) % 3).mqtt_port, &token, 5);
        let told = before.packet().unwrap_or_else(|| panic!("{token}: a DISCONNECT"));
        assert_eq!((told[0], told[2]), (0xe0, 0x8e), "taken over: {told:?}");
    }
}

/// What is changed at one server, the others go by.
#[test]
fn a_cluster_goes_by_what_was_changed_anywhere() {
    let Some((cassandra, _turn)) = turn() else { return };
    let cluster = Cluster::start(3, &cassandra);
    let tenants: Vec<Rest> = (0..3).map(|number| cluster.server(number).tenant()).collect();
    let devices: Vec<String> = (0..9)
        .map(|number| tenants[0].create_device(&format!("changed-{number}"), &format!("changed-{number}")))
        .collect();
    let said_at = |number: usize, value: usize| {
        let address = format!("{}/api/v1/changed-{number}/telemetry", cluster.server(value % 3).http);
        tests::rest::curl(&["--fail", "-d", &format!("{{\"value\": {value}}}"), &address]);
    };
    // Chains are at work on all three.
    (0..9).for_each(|number| (0..3).for_each(|value| said_at(number, value)));

    let mut metadata = tenants[1].root_metadata();
    let node = |name: &str, class: &str, configuration: Json| json!({"type": class, "name": name, "debugSettings": null, "singletonMode": false, "configurationVersion": 0, "configuration": configuration});
    metadata["nodes"] = json!([
        node(
            "rename",
            "org.thingsboard.rule.engine.transform.TbRenameKeysNode",
            json!({"renameIn": "DATA", "renameKeysMapping": {"value": "renamed"}})
        ),
        node("save", "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode", json!({})),
    ]);
    metadata["connections"] = json!([{"fromIndex": 0, "toIndex": 1, "type": "Success"}]);
    metadata["firstNodeIndex"] = json!(0);
    tenants[1].post("/api/ruleChain/metadata", &metadata);
    for (number, id) in devices.iter().enumerate() {
        tests::until("the device's server has the new chain", || {
            said_at(number, 7);
            tenants[2].latest(id, "renamed")["renamed"][0]["value"] == 7
        });
    }

    // Connected at each, changed at another.
    for (number, id) in devices.iter().enumerate() {
        let mut wire = Wire::connect(cluster.server(number % 3).mqtt_port, &format!("changed-{number}"), 5);
        let tenant = &tenants[(number + 1) % 3];
        let mut credentials = tenant.get(&format!("/api/device/{id}/credentials"));
        credentials["credentialsId"] = json!(format!("other-{number}"));
        tenant.post("/api/device/credentials", &credentials);
        let told = wire.packet().unwrap_or_else(|| panic!("device {number}: a DISCONNECT"));
        assert_eq!((told[0], told[2]), (0xe0, 0x98), "{told:?}");
    }
}

/// Asks a few devices over and over, which are neither connected to a server that is to be killed nor owned by it; every answer comes.
fn keeps_asking(cluster: &Cluster, at: usize, seconds: u64, victim: usize, round: u32) -> std::thread::JoinHandle<(u32, Duration)> {
    let tenant = cluster.server(at).tenant();
    let (mut tokens, mut ids) = (Vec::new(), Vec::new());
    for number in 0.. {
        let token = format!("asked-{round}-{number}");
        let id = tenant.create_device(&token, &token);
        let known = tenant.get(&format!("/api/device/{id}"));
        if cluster.owner(known["tenantId"]["id"].as_str().unwrap(), &id) != victim {
            tokens.push(token);
            ids.push(id);
        }
        if ids.len() == 4 {
            break;
        }
    }
    let port = cluster.server(at).mqtt_port;
    let answering = std::thread::spawn(move || {
        let connected: Vec<String> = tokens.iter().map(|token| format!("{port} {token}")).collect();
        python(ANSWERING, &connected.iter().map(String::as_str).collect::<Vec<_>>())
    });
    std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(seconds);
        let (mut asked, mut longest) = (0, Duration::ZERO);
        while Instant::now() < until {
            for id in &ids {
                let began = Instant::now();
                let (status, body) = tenant.try_post(&format!("/api/rpc/twoway/{id}"), &json!({"method": "who", "params": asked}));
                assert_eq!(status, 200, "request {asked}: {body}");
                longest = longest.max(began.elapsed());
                asked += 1;
            }
        }
        tenant.try_post(&format!("/api/rpc/twoway/{}", ids[0]), &json!({"method": "end", "params": 0}));
        answering.join().unwrap();
        (asked, longest)
    })
}

/// `kill -9` of one server after the other, of whoever leads, too: nothing acknowledged is lost, devices go on elsewhere, and each comes back.
/// Only its share moves, both times. `CLUSTER_ROUNDS=10`: ten times.
#[test]
fn a_cluster_loses_nothing_with_a_killed_server() {
    let Some((cassandra, _turn)) = turn() else { return };
    let rounds: u32 = std::env::var("CLUSTER_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(2);
    let mut cluster = Cluster::start(3, &cassandra);
    let load = Load::start(&cluster, 25 * rounds + 5);
    let owners = Owners::of(&cluster.server(0).tenant());
    let at_first = owners.now(&cluster);
    for round in 0..rounds {
        let leader = cluster.leader();
        // The leader and one of the others in turn; the first server keeps the administrator's session of the generator.
        let victim = if round % 2 == 0 { leader } else { (leader + 1) % 3 };
        let witness = (victim + 1) % 3;
        let asking = keeps_asking(&cluster, witness, 8, victim, round);
        std::thread::sleep(Duration::from_secs(1));
        cluster.kill(victim);
        let killed = Instant::now();
        cluster.settled(2);
        eprintln!(
            "round {round}: server {victim} killed (leader {leader}), the others have taken over after {:?}",
            killed.elapsed()
        );
        for (first, now) in at_first.iter().zip(owners.now(&cluster)) {
            assert!(now != victim && (now == *first || *first == victim), "from {first} to {now}");
        }
        let before = load.acknowledged();
        tests::until("messages flow", || load.acknowledged() > before + 600);
        let (asked, longest) = asking.join().unwrap();
        eprintln!("round {round}: {asked} requests answered meanwhile, the longest took {longest:?}");
        cluster.restart(victim);
        cluster.settled(3);
        assert_eq!(owners.now(&cluster), at_first, "what it had is its own again, and nothing else");
    }
    load.end(&cluster, 0);
}

/// A number that the environment may set.
fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

/// A server that stood still for longer than its lease must not write what others have taken over. `CLUSTER_STILL=30`: for half a minute.
#[test]
fn a_cluster_fences_a_server_that_stood_still() {
    let Some((cassandra, _turn)) = turn() else { return };
    let seconds = number("CLUSTER_STILL", 10);
    let cluster = Cluster::start(3, &cassandra);
    let load = Load::start(&cluster, seconds + 20);
    let still = (cluster.leader() + 1) % 3;
    cluster.server(still).signal("STOP");
    let before = load.acknowledged();
    std::thread::sleep(Duration::from_secs(30));
    assert!(
        load.acknowledged() > before + 2_000,
        "the others go on: {before}, then {}",
        load.acknowledged()
    );
    cluster.server(still).signal("CONT");
    cluster.settled(3);
    load.end(&cluster, (still + 1) % 3);
    let log = cluster.server(still).log();
    assert!(log.contains("has lost touch with its cluster"), "{log}");
}

/// A network that parts one server from the others, and neither from devices and Cassandra: that one serves and writes nothing more, the
/// others go on.
#[test]
fn a_cluster_bears_a_network_that_parts_it() {
    let Some((_cassandra, _turn)) = turn() else { return };
    let network = match Network::new(3) {
        Ok(network) => network,
        Err(missing) => return eprintln!("NOT TESTED: no network of its own: {missing}"),
    };
    let cassandra = Cassandra::on(network.host()).unwrap();
    let cluster = Cluster::start_on(Some(network), 3, &cassandra);
    let load = Load::start(&cluster, 45);
    let alone = cluster.leader();
    let others = [(alone + 1) % 3, (alone + 2) % 3];
    let place = |number: usize| u8::try_from(number).unwrap();
    others.iter().for_each(|other| cluster.network().part(place(alone), place(*other)));
    let parted = Instant::now();
    tests::until("the others have taken over", || {
        let status = cluster.status(others[0]).unwrap_or_default();
        let up = |peers: &Vec<Json>| peers.iter().filter(|peer| peer["state"] == "up").count();
        status["peers"].as_array().map(up) == Some(2) && status["epoch"] == status["settled"]
    });
    eprintln!("the others have taken over after {:?}", parted.elapsed());
    let before = load.acknowledged();
    std::thread::sleep(Duration::from_secs(12));
    assert!(load.acknowledged() > before + 500, "the others go on");
    others.iter().for_each(|other| cluster.network().heal(place(alone), place(*other)));
    cluster.settled(3);
    load.end(&cluster, others[0]);
    let log = cluster.server(alone).log();
    assert!(log.contains("has lost touch with its cluster"), "{log}");
}

/// A peer without a certificate of the cluster gets nowhere, and neither does one that would serve beside it.
#[test]
fn a_cluster_lets_nobody_in_without_its_certificate() {
    let Some((cassandra, _turn)) = turn() else { return };
    let cluster = Cluster::start(1, &cassandra);
    let folder = tempfile::tempdir().unwrap();
    let foreign = Authority::new(folder.path());
    let address = cluster.peer_address(0);
    let asked = run(&["status", &address], &certificates(&foreign.peer("foreign"), &foreign.file()));
    assert!(!asked.status.success() && text(&asked).contains(&address), "{}", text(&asked));
    let joining = run(
        &[
            "join",
            &address,
            "--peer-address",
            "127.0.0.1:1",
            "--data-dir",
            folder.path().join("data").to_str().unwrap(),
        ],
        &[],
    );
    assert!(
        !joining.status.success() && text(&joining).contains("--cluster-certificate"),
        "{}",
        text(&joining)
    );

    let own = Authority::new(folder.path());
    let arguments = cluster.arguments(&own.peer("own"), "127.0.0.1:0");
    let serve = |arguments: &[String]| {
        let data = folder.path().join("other").display().to_string();
        let output = std::process::Command::new("timeout")
            .arg("30")
            .arg(tests::server::binary())
            .args([
                "serve",
                "--http",
                "127.0.0.1:0",
                "--mqtt",
                "127.0.0.1:0",
                "--coap",
                "127.0.0.1:0",
                "--data-dir",
                &data,
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        text(&output)
    };
    // It would found a cluster of its own over the same keyspace.
    let told = serve(&arguments);
    assert!(told.contains("the store belongs to the cluster"), "{told}");
    let told = serve(&arguments[..2]);
    assert!(told.contains("the store belongs to the cluster"), "{told}");
}

/// Operators see who serves, have one leave, and another lead.
#[test]
fn a_cluster_is_shown_and_changed_from_the_command_line() {
    let Some((cassandra, _turn)) = turn() else { return };
    let cluster = Cluster::start(3, &cassandra);
    let shown = text(&cluster.command(&["status", &cluster.peer_address(1)]));
    for part in [&cluster.peer_address(2), "leads", "up", "votes"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    let leader = cluster.leader();
    let next = (leader + 1) % 3;
    let number = |seat: usize| cluster.status(seat).unwrap()["peer"].to_string();
    let asked = cluster.command(&["transfer", &cluster.peer_address(leader), &number(next)]);
    assert!(asked.status.success(), "{}", text(&asked));
    tests::until("another one leads", || cluster.leader() == next);
    let leaving = (0..3).find(|seat| *seat != next && *seat != 0).unwrap();
    let asked = cluster.command(&["leave", &cluster.peer_address(0), &number(leaving)]);
    assert!(asked.status.success(), "{}", text(&asked));
    tests::until("it is gone", || {
        let status = cluster.status(0).unwrap();
        status["peers"].as_array().unwrap().len() == 2 && status["epoch"] == status["settled"]
    });
    // Whoever is still connected to it is served by those that are left.
    let published = mosquitto_pub(
        cluster.server(0).mqtt_port,
        "A1_TEST_TOKEN",
        "v1/devices/me/telemetry",
        "{\"a\": 1}",
        &[],
    );
    assert!(published.status.success(), "{published:?}");
}
