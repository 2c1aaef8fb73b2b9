//! MQTT QoS 1 → adapter → type switch → field filter → save time series → stored → PUBACK, with the load generator beside the server.

use std::path::Path;

use anyhow::Result;
use clap::Args;

use super::load::{Load, Shape};
use super::server::{Protocol, Server};

/// How to measure.
#[derive(Args, Clone)]
pub struct Options {
    /// Devices, one connection each.
    #[arg(long, default_value_t = 200)]
    pub devices: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 20)]
    pub seconds: u32,
    /// Unacknowledged publishes a device may have, when the load is as large as possible.
    #[arg(long, default_value_t = 64)]
    pub window: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            devices: 200,
            seconds: 20,
            window: 64,
        }
    }
}

/// Measures: 1 000 messages a second, as much as possible, and half of that. The calm load comes first: a store still busy with
/// the millions of another load would be measured with it.
///
/// # Errors
/// When something fails.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let server = Server::start(root)?;
    server.three_nodes()?;
    let (idle_mb, _) = server.process.memory_mb()?;
    println!(
        "# end to end: {} devices, {} s each; server idle {idle_mb:.0} MB",
        options.devices, options.seconds
    );
    println!("| load | msg/s | p50 ms | p99 ms | max ms | sent | acknowledged | stored | server CPU s | msg per CPU-s |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let shape = |rate: u64, seconds: u32| Shape {
        devices: options.devices,
        seconds,
        window: options.window,
        rate,
    };
    let load = |shape: &Shape, prefix: &str, verify: bool| server.load(Protocol::Mqtt, shape, prefix, verify);
    load(&shape(1_000, options.seconds.min(5)), "calm-", false)?;
    show("1 000 msg/s", &load(&shape(1_000, options.seconds), "slow-", false)?);
    load(&shape(0, options.seconds.min(5)), "warm-", false)?;
    let most = load(&shape(0, options.seconds), "most-", true)?;
    show("as much as possible", &most);
    show(
        "half of that",
        &load(&shape((most.rate / 2.0) as u64, options.seconds), "half-", false)?,
    );
    let (now_mb, peak_mb) = server.process.memory_mb()?;
    println!("server memory {now_mb:.0} MB, at its peak {peak_mb:.0} MB");
    Ok(())
}

fn show(name: &str, load: &Load) {
    println!("| {name} | {load} |");
}
