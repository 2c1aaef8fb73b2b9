//! The same three nodes behind MQTT, CoAP and HTTP: messages acknowledged after they are durable, as many as possible, then half as many.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;

use super::load::Shape;
use super::server::{Protocol, Server};

/// How to measure.
#[derive(Args, Clone)]
pub struct Options {
    /// Devices, one connection each.
    #[arg(long, default_value_t = 200)]
    devices: u32,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// Each protocol with the messages a device may have out: over CoAP and HTTP devices wait for each answer.
const PROTOCOLS: [(&str, Protocol, u32); 3] = [
    ("MQTT", Protocol::Mqtt, 64),
    ("CoAP", Protocol::Coap, 1),
    ("HTTP", Protocol::Http, 1),
];

/// Measures.
///
/// # Errors
/// When something fails, or what was sent, acknowledged and stored is not the same.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    println!("# transports: {} devices, {} s each", options.devices, options.seconds);
    println!(
        "| protocol, window | load | msg/s | p50 ms | p99 ms | max ms | sent | acknowledged | stored | server CPU s | msg per CPU-s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (name, protocol, window) in PROTOCOLS {
        // A server each: what one protocol has stored is no burden for the next.
        let server = Server::start(root)?;
        server.three_nodes()?;
        let shape = |rate: u64, seconds: u32| Shape {
            devices: options.devices,
            seconds,
            window,
            rate,
        };
        server.load(protocol, &shape(0, options.seconds.min(3)), "warm-", false)?;
        let most = server.load(protocol, &shape(0, options.seconds), "most-", true)?;
        let half = server.load(protocol, &shape((most.rate / 2.0) as u64, options.seconds), "half-", true)?;
        for (load, measured) in [("as much as possible", &most), ("half of that", &half)] {
            println!("| {name}, {window} | {load} | {measured} |");
            if measured.stored != Some(measured.acknowledged) {
                bail!("{} acknowledged, {:?} stored", measured.acknowledged, measured.stored);
            }
        }
    }
    Ok(())
}
