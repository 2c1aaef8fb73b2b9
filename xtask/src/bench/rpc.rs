//! A request to a device over REST and its answer: REST → rule chain → device over MQTT → REST.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value as Json;

use super::load::report;
use super::server::Server;

/// How to measure.
#[derive(Args, Clone)]
pub struct Options {
    /// Requests, one after the other.
    #[arg(long, default_value_t = 2000)]
    requests: u32,
}

/// Measures.
///
/// # Errors
/// When something fails, or a request is not answered.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    // With the demo's own chain, as a user's server has it.
    let server = Server::start(root)?;
    let mut command = server.beside("ask");
    command.args(["--requests", &options.requests.to_string()]).args(server.account());
    let told = report(&command.output().context("the load generator cannot be started")?)?;
    let figure = |name: &str| told["latency_ms"][name].as_f64().context("no figures");
    println!(
        "# rpc: {} requests, one after the other, the server otherwise idle",
        options.requests
    );
    println!("| requests answered | p50 ms | p90 ms | p99 ms | p99.9 ms | max ms |\n|---|---|---|---|---|---|");
    println!(
        "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
        told["requests"].as_u64().map_or(Json::Null, Json::from),
        figure("p50")?,
        figure("p90")?,
        figure("p99")?,
        figure("p999")?,
        figure("max")?
    );
    Ok(())
}
