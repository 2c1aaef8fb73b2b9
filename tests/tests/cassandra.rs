//! A server on a real Cassandra, which `cargo xtask test` starts: what was acknowledged is there, whatever becomes of either of them.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use cassandra_node::{Installed, Node, NodeOptions};
use serde_json::{Value as Json, json};
use tests::clients::mosquitto_pub;
use tests::generator::{acknowledged, generator, log_of, verify};
use tests::scene::{Scene, lenient};
use tests::server::{Options, Server};

/// One test stops the node: the other must not run meanwhile.
static NODE: Mutex<()> = Mutex::new(());

/// Devices, messages per second, seconds.
const LOAD: [&str; 3] = ["50", "300", "32"];

/// A Cassandra's address, and a keyspace of one's own there; none: there is no Cassandra, which is said.
fn place(keyspace: &str) -> Option<(String, String)> {
    let Ok(address) = std::env::var("PACIFICSOFT_TEST_CASSANDRA") else {
        eprintln!("NOT TESTED: no Cassandra serves; `cargo xtask test` starts one");
        return None;
    };
    Some((address, format!("{keyspace}_{}", std::process::id())))
}

/// A server in a keyspace of its own.
fn options(keyspace: &str) -> Option<Options> {
    let (address, keyspace) = place(keyspace)?;
    Some(Options::demo().with(&["--storage", &format!("cassandra://{address}/{keyspace}")]))
}

/// A node's process, which stands still until this is dropped.
struct StoodStill(String);

impl StoodStill {
    fn stop(process: String) -> Self {
        let node = StoodStill(process);
        node.signal("-STOP");
        node
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0]).status().unwrap().success());
    }
}

impl Drop for StoodStill {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[test]
fn cassandra_keeps_what_a_killed_server_acknowledged() {
    let _node = NODE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(options) = options("killed") else { return };
    let server = Server::start(options);
    let published = mosquitto_pub(
        server.mqtt_port,
        "A1_TEST_TOKEN",
        "v1/devices/me/telemetry",
        r#"{"temperature": 30}"#,
        &[],
    );
    assert!(published.status.success(), "{published:?}");
    let tenant = server.tenant();
    let device = tenant.get("/api/tenant/devices?deviceName=Demo%20device");
    let device = device["id"]["id"].as_str().unwrap().to_owned();
    let latest = format!("/api/plugins/telemetry/DEVICE/{device}/values/timeseries?keys=temperature");
    assert_eq!(tenant.get(&latest)["temperature"][0]["value"], "30", "acknowledged is stored");
    let alarms = format!("/api/alarm/DEVICE/{device}?pageSize=10&page=0");
    let raised = tenant.get(&alarms);
    assert_eq!(
        (&raised["totalElements"], &raised["data"][0]["status"]),
        (&1.into(), &"ACTIVE_UNACK".into())
    );

    let log = log_of(&server, "cassandra-killed");
    let mut load = generator(&server, &log, LOAD, &["--provision"]);
    tests::until("messages flow", || acknowledged(&log) > 2000);
    let server = server.kill_and_restart();
    // Its connections are gone and there is nobody at the old port.
    let _ = load.kill();
    let _ = load.wait();
    verify(&server, &log);
    let tenant = server.tenant();
    assert_eq!(tenant.get(&latest)["temperature"][0]["value"], "30");
    let published = mosquitto_pub(
        server.mqtt_port,
        "A1_TEST_TOKEN",
        "v1/devices/me/telemetry",
        r#"{"temperature": 19}"#,
        &[],
    );
    assert!(published.status.success(), "{published:?}");
    let cleared = tenant.get(&alarms);
    assert_eq!(
        (&cleared["totalElements"], &cleared["data"][0]["status"]),
        (&1.into(), &"CLEARED_UNACK".into()),
        "the chain goes on with what it stored before"
    );
    let _ = std::fs::remove_file(&log);
}

#[test]
fn cassandra_has_tables_of_the_operators_own_that_a_chain_writes() {
    const NODE_CLASS: &str = "org.thingsboard.rule.engine.action.TbSaveToCustomCassandraTableNode";
    let _node = NODE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some((address, keyspace)) = place("own") else { return };
    let (server, _folder) = lenient(&["--storage", &format!("cassandra://{address}/{keyspace}")]);
    let cassandra = Cql::connect(&address);
    let columns = "tenant_id uuid, entity_id uuid, temperature double, PRIMARY KEY ((tenant_id, entity_id))";
    cassandra.ask(&format!("CREATE TABLE {keyspace}.cs_tb_readings ({columns})"));
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let fields = json!({"$entityId": "entity_id", "temperature": "temperature"});
    let configuration = json!({"tableName": "readings", "fieldsMapping": fields, "defaultTtl": 0});
    tests::until("the server knows of the table", || {
        scene.ask(NODE_CLASS, &configuration).0 == "Success"
    });
    let rows = cassandra.ask(&format!("SELECT JSON * FROM {keyspace}.cs_tb_readings"));
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let row: Json = serde_json::from_str(row).unwrap();
    let own = tenant.get("/api/auth/user")["tenantId"]["id"].clone();
    assert_eq!(row, json!({"tenant_id": own, "entity_id": scene.device, "temperature": 21.0}));

    let wrong = json!({"tableName": "readings", "fieldsMapping": {"path": "colour", "$entityId": "entity_id"}});
    let (relation, metadata, _) = scene.ask(NODE_CLASS, &wrong);
    assert_eq!(relation, "Failure");
    assert!(metadata["error"].as_str().unwrap().contains("no column colour"), "{metadata}");
}

/// A Cassandra, asked by itself.
struct Cql(tokio::runtime::Runtime, scylla::client::session::Session);

impl Cql {
    fn connect(address: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let builder = scylla::client::session_builder::SessionBuilder::new().known_node(address);
        let session = runtime.block_on(builder.build()).unwrap();
        Cql(runtime, session)
    }

    /// What is answered: texts, if anything.
    fn ask(&self, question: &str) -> Vec<String> {
        let answer = self.0.block_on(self.1.query_unpaged(question, ())).unwrap();
        let Ok(rows) = answer.into_rows_result() else { return Vec::new() };
        rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0).collect()
    }
}

#[test]
fn cassandra_standing_still_costs_acknowledgements_but_no_message() {
    let _node = NODE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(options) = options("still") else { return };
    let server = Server::start(options);
    let log = log_of(&server, "cassandra-still");
    let load = generator(&server, &log, LOAD, &["--provision", "--reconnect"]);
    tests::until("messages flow", || acknowledged(&log) > 2000);

    let stopped = StoodStill::stop(std::env::var("PACIFICSOFT_TEST_CASSANDRA_PID").unwrap());
    let mut before = acknowledged(&log);
    tests::until("what was on its way has arrived", || {
        std::thread::sleep(Duration::from_secs(1));
        before == std::mem::replace(&mut before, acknowledged(&log))
    });
    // Longer than a write is tried again: batches are given up, their devices are cut off and come back.
    let until = Instant::now() + Duration::from_secs(15);
    tests::until("a write was given up", || {
        Instant::now() > until && server.metric("storage_failures_total") > 0.0
    });
    assert_eq!(acknowledged(&log), before, "nothing is acknowledged that is not stored");
    drop(stopped);

    tests::until("messages flow again", || acknowledged(&log) > before + 2000);
    let done = load.wait_with_output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    eprintln!("{told}");
    verify(&server, &log);
    assert!(server.log().contains("the database answers again"), "{}", server.log());
    let _ = std::fs::remove_file(&log);
}

/// Three nodes, each on a loopback address of its own; none: something is missing, which is said.
fn three_nodes() -> Option<Vec<Node>> {
    std::env::var("PACIFICSOFT_TEST_CASSANDRA").ok()?;
    let installed = Installed::in_folder(&tests::target().join("tools/cassandra")).unwrap();
    let first = NodeOptions {
        native_port: std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
        heap_mb: 384,
        ..NodeOptions::alone().unwrap()
    };
    let nodes = (1..=3).map(|number| {
        let options = NodeOptions {
            address: [127, 0, 0, number].into(),
            ..first.clone()
        };
        joined(&installed, &options)
    });
    Some(nodes.collect())
}

/// A node that ends while it joins the others is started again, as its operator would: they still hear of each other.
fn joined(installed: &Installed, options: &NodeOptions) -> Node {
    for _ in 0..3 {
        match Node::start(installed, options) {
            Ok(node) => return node,
            Err(error) => eprintln!("a node does not join: {error:#}"),
        }
        std::thread::sleep(Duration::from_secs(10));
    }
    Node::start(installed, options).unwrap()
}

#[test]
fn cassandra_of_three_nodes_bears_the_loss_of_one() {
    let _node = NODE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(mut nodes) = three_nodes() else {
        eprintln!("NOT TESTED: no Cassandra serves; `cargo xtask test` starts one");
        return;
    };
    let addresses: Vec<String> = nodes.iter().map(Node::address).collect();
    let url = format!("cassandra://{}/three?replication=3", addresses.join(","));
    let server = Server::start(Options::demo().with(&["--storage", &url]));
    let log = log_of(&server, "cassandra-three");
    let load = generator(
        &server,
        &log,
        ["50", "300", "60"],
        &["--provision", "--reconnect", "--drain-seconds", "40"],
    );
    tests::until("messages flow", || acknowledged(&log) > 1000);

    nodes[2].kill().unwrap();
    let before = acknowledged(&log);
    tests::until("messages flow with two of three", || acknowledged(&log) > before + 1000);

    let stopped: Vec<StoodStill> = nodes[..2].iter().map(|node| StoodStill::stop(node.pid().to_string())).collect();
    let mut before = acknowledged(&log);
    tests::until("what was on its way has arrived", || {
        std::thread::sleep(Duration::from_secs(1));
        before == std::mem::replace(&mut before, acknowledged(&log))
    });
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(acknowledged(&log), before, "without a quorum nothing is acknowledged");
    drop(stopped);
    tests::until("messages flow again", || acknowledged(&log) > before + 1000);
    let done = load.wait_with_output().unwrap();
    eprintln!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    verify(&server, &log);
    let _ = std::fs::remove_file(&log);
}
