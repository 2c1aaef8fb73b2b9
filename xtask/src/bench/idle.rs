//! Many MQTT connections that say nothing: what they cost in memory. Then strangers knock as fast as they can, and all the quiet ones come
//! back at once: what that does to devices that are connected and speak.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value as Json;

use super::load::{Load, Shape, report};
use super::process::Beside;
use super::server::{Protocol, Server};

/// How to measure.
#[derive(Args, Clone)]
pub struct Options {
    /// Connections that say nothing.
    #[arg(long, default_value_t = 10_000)]
    connections: u32,
    /// Seconds of each measurement beside them.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// Devices that speak, and how many messages a second they send together.
const SPEAKING: (u32, u64) = (100, 500);
/// Tokens of those that say nothing begin so.
const PREFIX: &str = "quiet-";
/// How long memory may take to settle.
const SETTLE: Duration = Duration::from_secs(10);

/// Measures.
///
/// # Errors
/// When something fails, or not all connect.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let server = Server::start(root)?;
    server.three_nodes()?;
    let speak = || server.load(Protocol::Mqtt, &speaking(options), "speaking-", false);
    // Whatever is made once is made now.
    speak()?;
    wait_for(&server, 0)?;
    server.create(options.connections, PREFIX)?;
    std::thread::sleep(SETTLE);
    let (before_mb, _) = server.process.memory_mb()?;

    let quiet = connected(&server, options)?;
    std::thread::sleep(SETTLE);
    let (with_mb, _) = server.process.memory_mb()?;
    let each = (with_mb - before_mb) * 1024.0 * 1024.0 / f64::from(options.connections);
    println!("# idle: {} MQTT connections that say nothing", options.connections);
    println!("server memory {before_mb:.1} MB without them, {with_mb:.1} MB with them: {each:.0} bytes each");

    println!("| beside | msg/s | p50 ms | p99 ms | max ms | sent | acknowledged | stored | server CPU s | msg per CPU-s |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    println!("| nothing | {} |", speak()?);
    let mut storm = server.beside("storm");
    // From an address of their own: whoever guesses is not listened to any more, wherever good devices are.
    storm.args(["--from", "127.0.0.2", "--seconds", &(options.seconds + 2).to_string()]);
    let storm = Beside::start(&mut storm)?;
    let load = speak()?;
    let told = report(&storm.output()?)?;
    println!("| strangers who knock | {load} |");
    drop(quiet);
    let returning = returning(&server, options, speak)?;
    println!("| all {} come back | {returning} |", options.connections);
    strangers(&told);
    Ok(())
}

fn speaking(options: &Options) -> Shape {
    Shape {
        devices: SPEAKING.0,
        seconds: options.seconds,
        window: 64,
        rate: SPEAKING.1,
    }
}

/// Connects the quiet ones. They end when this is dropped.
fn connected(server: &Server, options: &Options) -> Result<Beside> {
    let mut quiet = quiet(server, options)?;
    wait_for_with(server, f64::from(options.connections), || quiet.still_runs())?;
    Ok(quiet)
}

/// One message a second, over all of them, is as good as nothing.
fn quiet(server: &Server, options: &Options) -> Result<Beside> {
    let shape = Shape {
        devices: options.connections,
        seconds: 3600,
        window: 1,
        rate: 1,
    };
    Beside::start(server.generator(Protocol::Mqtt, &shape, PREFIX).args(["--keep-alive", "0"]))
}

/// Those that speak have begun when the quiet ones come back.
fn returning(server: &Server, options: &Options, speak: impl Fn() -> Result<Load>) -> Result<Load> {
    wait_for(server, 0)?;
    let mut quiet = quiet(server, options)?;
    let load = speak()?;
    wait_for_with(server, f64::from(options.connections), || quiet.still_runs())?;
    Ok(load)
}

fn strangers(told: &Json) {
    let count = |name: &str| told[name].as_u64().unwrap_or(0);
    println!(
        "strangers: {} attempts, {} accepted, {} told no, {} cut off, {} unreachable; p99 {:.1} ms",
        count("attempts"),
        count("accepted"),
        count("refused"),
        count("cut_off"),
        count("unreachable"),
        told["latency_ms"]["p99"].as_f64().unwrap_or(f64::NAN)
    );
}

fn wait_for(server: &Server, connections: u32) -> Result<()> {
    wait_for_with(server, f64::from(connections), || Ok(()))
}

/// Waits until so many devices are connected.
fn wait_for_with(server: &Server, connections: f64, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        let now = server.metric("session_connections").context("the server's figures")?;
        let reached = if connections > 0.0 { now >= connections } else { now <= 0.0 };
        if reached {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("{now} of {connections} are connected");
        }
        check()?;
        std::thread::sleep(Duration::from_millis(100));
    }
}
