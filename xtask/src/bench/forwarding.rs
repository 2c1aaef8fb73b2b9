//! What it costs that a device is connected to another server than the one that owns it: the same load on two servers of a cluster, one of
//! which owns nearly all devices.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::load::{Load, Shape, load};
use super::process::{free_port, median};
use super::rest::TENANT;
use super::server::{Protocol, Server};
use crate::shell;

/// How much.
#[derive(Args)]
pub struct Options {
    /// Devices, one connection each.
    #[arg(long, default_value_t = 100)]
    devices: u32,
    /// Seconds of each load.
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Loads on each of the two servers; medians are shown.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Points on the ring, for each that the other server has: what is left to chance is less than a thousandth of the devices.
const WEIGHT: &str = "1000";

/// Measures.
///
/// # Errors
/// When something does not start, or counts do not agree.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let cassandra = crate::cassandra::start(root)?;
    let folder = std::env::temp_dir().join(format!("pacificsoft-bench-cluster-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = between(root, options, &cassandra.address(), &folder);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn between(root: &Path, options: &Options, cassandra: &str, folder: &Path) -> Result<()> {
    certificates(folder)?;
    let peers = [free_port()?, free_port()?].map(|port| format!("127.0.0.1:{port}"));
    let file = |name: &str| folder.join(name).display().to_string();
    let storage = format!("cassandra://{cassandra}/bench_forwarding");
    let (key, certificate, authority) = (file("peer.key"), file("peer.pem"), file("authority.pem"));
    let secrets = file("secrets.key");
    let common = [
        ["--storage", &storage],
        ["--cluster-key", &key],
        ["--cluster-certificate", &certificate],
        ["--cluster-authority", &authority],
        ["--secrets-key", &secrets],
    ]
    .concat();
    let start = |own: &[&str]| Server::start_with(root, &[&common[..], own].concat());
    let owner = start(&["--peer", &peers[0], "--peer-weight", WEIGHT])?;
    let other = start(&["--peer", &peers[1], "--peer-weight", "1", "--join", &peers[0]])?;
    settled(root, folder, &peers[0])?;
    owner.three_nodes()?;
    let shape = Shape {
        devices: options.devices,
        seconds: options.seconds,
        window: 64,
        rate: 0,
    };
    let put = |server: &Server, name: &str, round: u32| -> Result<Load> {
        let mut more = server.devices(TENANT, Protocol::Mqtt, &format!("{name}-{round}-"));
        more.extend(["--provision", "--verify"].map(str::to_owned));
        let done = load(server.generator_path(), &shape, &more, &[&owner.process, &other.process])?;
        if done.stored != Some(done.sent) {
            bail!("messages were lost: {done}");
        }
        Ok(done)
    };
    put(&owner, "warm", 0)?;
    let (mut local, mut forwarded) = (Vec::new(), Vec::new());
    println!(
        "# forwarding: {} devices, window 64, two servers and a Cassandra on this machine",
        options.devices
    );
    println!(
        "| the devices are connected to | msg/s | p50 ms | p99 ms | max ms | sent | acknowledged | stored | CPU s of both servers | msg per CPU-s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for round in 0..options.rounds.max(1) {
        for (server, name, loads) in [(&owner, "their owner", &mut local), (&other, "the other server", &mut forwarded)] {
            let done = put(server, &name.replace(' ', "-"), round)?;
            println!("| {name} | {done} |");
            loads.push(done);
        }
    }
    let of = |loads: &[Load], figure: fn(&Load) -> f64| median(loads.iter().map(figure).collect());
    let ratio = |figure: fn(&Load) -> f64| of(&forwarded, figure) / of(&local, figure);
    let written = |server: &Server| server.metric("storage_mutations_total");
    let (own, others) = (written(&owner)?, written(&other)?);
    println!(
        "of what was written, {:.1} % was written by the owner",
        100.0 * own / (own + others)
    );
    println!(
        "forwarded / local, medians: {:.2} of the rate (bar 0.60), {:.2} of the messages per CPU-second",
        ratio(|load| load.rate),
        ratio(|load| load.per_cpu_s)
    );
    Ok(())
}

/// An authority of a cluster and a certificate of it, as the README makes them.
fn certificates(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("names"), "subjectAltName=DNS:pacificsoft-cluster\n")?;
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        shell::quietly(command.current_dir(folder).args(arguments)).map(drop)
    };
    let authority = [
        "-days",
        "30",
        "-subj",
        "/CN=bench",
        "-keyout",
        "authority.key",
        "-out",
        "authority.pem",
    ];
    openssl(&[&["req", "-x509"][..], &key, &authority].concat())?;
    openssl(
        &[
            &["req"][..],
            &key,
            &["-subj", "/CN=peer", "-keyout", "peer.key", "-out", "peer.csr"],
        ]
        .concat(),
    )?;
    let signed = [
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-CAcreateserial",
        "-extfile",
        "names",
    ];
    openssl(&[&["x509", "-req", "-days", "30", "-in", "peer.csr", "-out", "peer.pem"][..], &signed].concat())
}

/// Waits until both servers have their share.
fn settled(root: &Path, folder: &Path, peer: &str) -> Result<()> {
    let file = |name: &str| folder.join(name);
    for _ in 0..300 {
        let mut command = Command::new(super::binaries(root)?.0);
        command
            .args(["cluster", "status", peer, "--json", "--cluster-key"])
            .arg(file("peer.key"));
        command.arg("--cluster-certificate").arg(file("peer.pem"));
        command.arg("--cluster-authority").arg(file("authority.pem"));
        let told = shell::quietly(&mut command).context("the cluster does not say how it stands")?;
        let status: serde_json::Value = serde_json::from_str(&told)?;
        let up = status["peers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|peer| peer["state"] == "up")
            .count();
        if up == 2 && status["epoch"] == status["settled"] {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    bail!("the two servers did not agree within a minute")
}
