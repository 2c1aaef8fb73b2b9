//! Measurements. What they find goes into `BENCHMARKS.md`, with the command.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{build, guests, shell};

mod end_to_end;
mod forwarding;
mod idle;
mod latencies;
mod load;
mod peers;
mod plugins;
mod process;
mod rest;
mod rpc;
mod server;
mod transports;

/// What to measure.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// A node as a component beside the same logic native, in one process.
    Nodes,
    /// Group commit of the embedded store.
    Commit,
    /// Commits of the Cassandra back end, on one node beside it.
    Cassandra,
    /// Devices connected to another server of a cluster than the one that owns them.
    Forwarding(forwarding::Options),
    /// MQTT to stored and acknowledged, with the load generator beside the server.
    EndToEnd(end_to_end::Options),
    /// Components at work: what calls, instances and code cost; another version under load; a neighbour that misbehaves; memory at rest.
    Plugins(plugins::Options),
    /// The same chain behind MQTT, CoAP and HTTP, one after the other.
    Transports(transports::Options),
    /// REST → device → REST, with nothing else to do.
    Rpc(rpc::Options),
    /// Many connections that say nothing, and what strangers who knock do to those that do.
    Idle(idle::Options),
    /// The same load on Mosquitto (which only accepts) and on Node-RED behind it.
    Peers(peers::Options),
}

/// Measures.
///
/// # Errors
/// When something does not build, does not start, or counts do not agree.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    match &options.what {
        None => {
            nodes(root)?;
            commit(root)?;
            end_to_end::run(root, &end_to_end::Options::default())
        }
        Some(What::Nodes) => nodes(root),
        Some(What::Commit) => commit(root),
        Some(What::Cassandra) => cassandra(root),
        Some(What::Forwarding(options)) => forwarding::run(root, options),
        Some(What::EndToEnd(options)) => end_to_end::run(root, options),
        Some(What::Plugins(options)) => plugins::run(root, options),
        Some(What::Transports(options)) => transports::run(root, options),
        Some(What::Rpc(options)) => rpc::run(root, options),
        Some(What::Idle(options)) => idle::run(root, options),
        Some(What::Peers(options)) => peers::run(root, options),
    }
}

fn nodes(root: &Path) -> Result<()> {
    guests::build_rust(root)?;
    println!("# nodes: component beside native");
    example(root, "node_bench")
}

fn commit(root: &Path) -> Result<()> {
    println!("# commit: group commit of the embedded store");
    shell::run(shell::cargo(root).args(["run", "--release", "--package", "storage", "--example", "commit_bench"]))
}

fn cassandra(root: &Path) -> Result<()> {
    let mut bench = shell::cargo(root);
    bench.args([
        "run",
        "--release",
        "--package",
        "storage-cassandra",
        "--example",
        "commit_bench",
        "--",
    ]);
    let node = crate::cassandra::start(root)?;
    println!("# commits of the Cassandra back end, one node beside it, every write on disk");
    shell::run(bench.arg(node.address()))
}

/// Runs an example of `plugins`, built beside the server: cargo would build the component host once more for the package alone.
fn example(root: &Path, name: &str) -> Result<()> {
    let mut cargo = shell::cargo(root);
    cargo.args([
        "build",
        "--release",
        "--package",
        "pacificsoft",
        "--package",
        "plugins",
        "--example",
        name,
    ]);
    shell::run(&mut cargo)?;
    shell::run(&mut std::process::Command::new(
        build::target(root).join("release/examples").join(name),
    ))
}

/// Builds what end-to-end measurements need: server and load generator.
fn binaries(root: &Path) -> Result<(std::path::PathBuf, std::path::PathBuf)> {
    Ok((build::release(root)?, build::package(root, "device-sim", true)?))
}
