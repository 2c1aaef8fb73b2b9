//! The same load on others: Mosquitto, which only accepts, and Node-RED behind Mosquitto, with a pipeline as close to ours as it gets
//! (parse JSON → switch on the temperature → function), which keeps nothing. Alternating runs, medians.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::load::{self, Load, Shape};
use super::process::{Process, free_port, median};
use super::server::{Protocol, Server};
use crate::{build, shell, tools};

/// How to compare.
#[derive(Args, Clone)]
pub struct Options {
    /// Rounds; in each, everybody has a turn.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Devices, one connection each.
    #[arg(long, default_value_t = 50)]
    devices: u32,
}

/// Measures.
///
/// # Errors
/// When a peer cannot be installed or started, or counts do not agree.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    tools::debian(&[("mosquitto", "mosquitto")])?;
    let node_red = node_red(root)?;
    let folder = build::target(root).join("bench");
    std::fs::create_dir_all(&folder)?;
    let generator = super::binaries(root)?.1;
    let shape = Shape {
        devices: options.devices,
        seconds: options.seconds,
        window: 64,
        rate: 0,
    };
    let mut results: [Vec<Load>; 3] = Default::default();
    for round in 1..=options.rounds {
        eprintln!("peers: round {round} of {}", options.rounds);
        let server = Server::start(root)?;
        server.three_nodes()?;
        results[0].push(server.load(Protocol::Mqtt, &shape, "peer-", false)?);
        drop(server);
        let (mosquitto, port) = mosquitto(&folder)?;
        results[1].push(load::load(&generator, &shape, &broker(port), &[&mosquitto])?);
        drop(mosquitto);
        let (mosquitto, port) = self::mosquitto(&folder)?;
        let pipeline = start_node_red(&node_red, &folder, port)?;
        // As fast as Mosquitto accepts would measure Mosquitto: the pipeline must keep up, so it is given what it can take.
        let paced = sustained(&generator, port, &shape, &mosquitto, &pipeline)?;
        results[2].push(paced);
    }
    println!(
        "# peers: {} rounds, {} s each, {} devices; medians",
        options.rounds, options.seconds, options.devices
    );
    println!("| who | msg/s | msg per CPU-s of the servers | p50 ms | p99 ms |\n|---|---|---|---|---|");
    let names = [
        "Pacificsoft (adapter, 3 nodes, durable)",
        "Mosquitto (accepts, keeps nothing)",
        "Mosquitto + Node-RED (3 nodes, keeps nothing)",
    ];
    for (name, loads) in names.iter().zip(&results) {
        let of = |figure: fn(&Load) -> f64| median(loads.iter().map(figure).collect());
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.2} |",
            of(|l| l.rate),
            of(|l| l.per_cpu_s),
            of(|l| l.p50_ms),
            of(|l| l.p99_ms)
        );
    }
    let ratio = |loads: &[Load]| median(loads.iter().map(|load| load.per_cpu_s).collect());
    println!(
        "Pacificsoft / Node-RED, messages per CPU-second: {:.1}",
        ratio(&results[0]) / ratio(&results[2])
    );
    Ok(())
}

/// A Mosquitto that is not held back by its defaults.
fn mosquitto(folder: &Path) -> Result<(Process, u16)> {
    let port = free_port()?;
    let configuration = folder.join("mosquitto.conf");
    let text =
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 0\n");
    std::fs::write(&configuration, text)?;
    let program = if Path::new("/usr/sbin/mosquitto").exists() {
        "/usr/sbin/mosquitto"
    } else {
        "mosquitto"
    };
    let mut process = Process::start(
        "mosquitto",
        Command::new(program).arg("-c").arg(&configuration),
        &folder.join("mosquitto.log"),
    )?;
    process.wait_for_port(port)?;
    Ok((process, port))
}

/// Node-RED from npm.
fn node_red(root: &Path) -> Result<PathBuf> {
    let folder = build::target(root).join("tools/node-red");
    let program = folder.join("node_modules/node-red/red.js");
    if !program.exists() {
        eprintln!("peers: installing node-red from npm");
        std::fs::create_dir_all(&folder)?;
        shell::quietly(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(&folder)
                .arg("node-red@4"),
        )
        .context("missing: Node.js with npm")?;
    }
    Ok(program)
}

fn start_node_red(program: &Path, folder: &Path, mqtt: u16) -> Result<Process> {
    let home = folder.join("node-red");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home)?;
    let port = free_port()?;
    let settings = format!(
        "module.exports = {{ uiPort: {port}, uiHost: '127.0.0.1', flowFile: 'flows.json', logging: {{ console: {{ level: 'warn' }} }} }};\n"
    );
    std::fs::write(home.join("settings.js"), settings)?;
    // Ids must not equal any value of another node: Node-RED would take them for references.
    let flows = serde_json::json!([
        {"id": "tab", "type": "tab", "label": "bench"},
        {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": mqtt.to_string(), "clientid": "pipeline", "keepalive": "60", "cleansession": true},
        {"id": "n1", "type": "mqtt in", "z": "tab", "topic": "v1/devices/me/telemetry", "qos": "1", "datatype": "utf8", "broker": "broker", "wires": [["n2"]]},
        {"id": "n2", "type": "json", "z": "tab", "property": "payload", "action": "obj", "wires": [["n3"]]},
        {"id": "n3", "type": "switch", "z": "tab", "property": "payload.values.temperature", "propertyType": "msg",
            "rules": [{"t": "gt", "v": "-1000", "vt": "num"}], "checkall": "true", "outputs": 1, "wires": [["n4"]]},
        {"id": "n4", "type": "function", "z": "tab", "outputs": 1, "wires": [["n5"]],
            "func": "const n = (global.get('n') || 0) + 1; global.set('n', n); return (n % 100) ? null : {payload: String(n)};"},
        {"id": "n5", "type": "mqtt out", "z": "tab", "topic": "bench/count", "qos": "0", "retain": "true", "broker": "broker", "wires": []}
    ]);
    std::fs::write(home.join("flows.json"), flows.to_string())?;
    let mut command = Command::new("node");
    command.arg(program).arg("--userDir").arg(&home);
    let mut process = Process::start("node-red", &mut command, &folder.join("node-red.log"))?;
    process.wait_for_port(port)?;
    // It listens before it has subscribed.
    std::thread::sleep(std::time::Duration::from_secs(3));
    Ok(process)
}

/// The largest of some rates at which the pipeline has counted nearly everything when the generator is done.
fn sustained(generator: &Path, port: u16, shape: &Shape, mosquitto: &Process, pipeline: &Process) -> Result<Load> {
    let mut best = None;
    let mut before = 0;
    for rate in [4_000, 7_000, 10_000, 13_000] {
        let load = load::load(generator, &Shape { rate, ..*shape }, &broker(port), &[mosquitto, pipeline])?;
        // What is still on its way after a second is a backlog.
        std::thread::sleep(std::time::Duration::from_secs(1));
        let counted = count(port)?;
        let done = counted.saturating_sub(before);
        before = counted;
        if (done as f64) < 0.97 * load.sent as f64 {
            break;
        }
        best = Some(load);
    }
    match best {
        Some(load) => Ok(load),
        None => bail!("Node-RED does not even keep up with 4000 messages a second"),
    }
}

/// Where a broker is, for the generator.
fn broker(port: u16) -> [String; 2] {
    ["--mqtt".to_owned(), format!("127.0.0.1:{port}")]
}

/// What the pipeline has counted, in steps of 100.
fn count(port: u16) -> Result<u64> {
    let mut command = Command::new("mosquitto_sub");
    command.args([
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-t",
        "bench/count",
        "-C",
        "1",
        "-W",
        "5",
    ]);
    Ok(shell::quietly(&mut command)?.trim().parse()?)
}
