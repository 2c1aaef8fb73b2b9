//! MQTT QoS 1 → adapter → type switch → field filter → save time series → stored → PUBACK, with the load generator beside the server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value as Json, json};

use super::process::{Process, free_port};
use super::rest::{Rest, TENANT, node};

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

/// The class of the node that saves time series.
pub const SAVE: &str = "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode";

/// A Pacificsoft under measurement.
pub struct Server {
    pub process: Process,
    pub mqtt: u16,
    /// Where it is asked.
    pub url: String,
    folder: Folder,
    generator: PathBuf,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What one load did.
pub struct Load {
    pub rate: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub sent: u64,
    pub acknowledged: u64,
    pub stored: Option<u64>,
    pub cpu_s: f64,
    pub per_cpu_s: f64,
}

impl Server {
    /// Starts one with demo data in a new folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(root: &Path) -> Result<Self> {
        let server = Server::start_with(root, &[])?;
        three_nodes(&server.login(TENANT)?)?;
        Ok(server)
    }

    /// Starts one with demo data, further options and the demo's own chain.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_with(root: &Path, options: &[&str]) -> Result<Self> {
        let (binary, generator) = super::binaries(root)?;
        let folder = Folder(std::env::temp_dir().join(format!("pacificsoft-bench-{}", std::process::id())));
        let _ = std::fs::remove_dir_all(&folder.0);
        std::fs::create_dir_all(&folder.0)?;
        let (mqtt, http) = (free_port()?, free_port()?);
        let mut command = Command::new(binary);
        command.args([
            "serve",
            "--demo",
            "--log",
            "warn",
            "--mqtt",
            &format!("127.0.0.1:{mqtt}"),
            "--http",
            &format!("127.0.0.1:{http}"),
            "--coap",
            "127.0.0.1:0",
        ]);
        command.args(options).arg("--data-dir").arg(folder.0.join("data"));
        let mut process = Process::start("pacificsoft", &mut command, &folder.0.join("log"))?;
        process.wait_for_port(mqtt)?;
        Ok(Server {
            process,
            mqtt,
            url: format!("http://127.0.0.1:{http}"),
            folder,
            generator,
        })
    }

    /// Logs in: name and password.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn login(&self, user: (&str, &str)) -> Result<Rest> {
        Rest::login(&self.url, user)
    }

    /// A folder that lasts as long as the server.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Puts a load on it; `rate` 0: as much as the windows allow.
    ///
    /// # Errors
    /// When the generator fails, or counts do not agree.
    pub fn load(&self, options: &Options, rate: u64, prefix: &str, verify: bool) -> Result<Load> {
        self.load_of(TENANT, options, rate, prefix, &["--verify"][..usize::from(verify)])
    }

    /// The same by devices of a tenant, whose administrator's name and password are given; with further options of the generator.
    ///
    /// # Errors
    /// As [`Server::load`].
    pub fn load_of(&self, user: (&str, &str), options: &Options, rate: u64, prefix: &str, more: &[&str]) -> Result<Load> {
        // Devices of their own for each load: numbers and times of one do not meet those of another.
        let own = [
            "--provision",
            "--token-prefix",
            prefix,
            "--http",
            &self.url,
            "--username",
            user.0,
            "--password",
            user.1,
        ];
        let more: Vec<String> = own.iter().chain(more).map(|option| (*option).to_owned()).collect();
        load(&self.generator, self.mqtt, options, rate, &more, &[&self.process])
    }
}

/// The chain that is measured: type switch → field filter → save time series. The demo's own raises alarms, too.
///
/// # Errors
/// When the server refuses it.
pub fn three_nodes(rest: &Rest) -> Result<()> {
    let nodes = json!([
        node("switch", "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode", &json!({})),
        node(
            "filter",
            "org.pacificsoft.filter.FieldFilter",
            &json!({ "key": "temperature", "operator": "GREATER", "value": -1000 })
        ),
        node("save", SAVE, &json!({})),
    ]);
    let connections = json!([
        { "fromIndex": 0, "toIndex": 1, "type": "Post telemetry" },
        { "fromIndex": 1, "toIndex": 2, "type": "True" },
    ]);
    if !rest.root_chain(&nodes, &connections)? {
        bail!("the chain is refused");
    }
    Ok(())
}

/// Puts a load on a broker and counts the processor time of some processes meanwhile.
///
/// # Errors
/// When the generator fails, or counts do not agree.
pub fn load(generator: &Path, mqtt: u16, options: &Options, rate: u64, more: &[String], servers: &[&Process]) -> Result<Load> {
    let cpu = || servers.iter().map(|server| server.cpu_s()).sum::<Result<f64>>();
    let before = cpu()?;
    let mut command = Command::new(generator);
    command.args(["--json", "--mqtt", &format!("127.0.0.1:{mqtt}")]);
    for (name, value) in [
        ("--devices", u64::from(options.devices)),
        ("--seconds", u64::from(options.seconds)),
        ("--window", u64::from(options.window)),
        ("--rate", rate),
    ] {
        command.args([name, &value.to_string()]);
    }
    let output = command.args(more).output().context("the load generator cannot be started")?;
    let cpu_s = cpu()? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Json = serde_json::from_str(text.lines().last().unwrap_or_default())
        .with_context(|| format!("the load generator failed: {}", String::from_utf8_lossy(&output.stderr)))?;
    let number = |path: &str| report.pointer(path).and_then(Json::as_f64).unwrap_or(f64::NAN);
    let count = |path: &str| report.pointer(path).and_then(Json::as_u64);
    let (sent, acknowledged) = (count("/sent").unwrap_or(0), count("/acknowledged").unwrap_or(0));
    if !output.status.success() || sent != acknowledged {
        bail!("counts do not agree: {report}");
    }
    Ok(Load {
        rate: number("/rate"),
        p50_ms: number("/latency_ms/p50"),
        p99_ms: number("/latency_ms/p99"),
        max_ms: number("/latency_ms/max"),
        sent,
        acknowledged,
        stored: count("/verify/stored"),
        cpu_s,
        per_cpu_s: acknowledged as f64 / cpu_s,
    })
}

/// Measures: 1 000 messages a second, as much as possible, and half of that. The calm load comes first: a store still busy with
/// the millions of another load would be measured with it.
///
/// # Errors
/// When something fails.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let server = Server::start(root)?;
    let (idle_mb, _) = server.process.memory_mb()?;
    println!(
        "# end to end: {} devices, {} s each; server idle {idle_mb:.0} MB",
        options.devices, options.seconds
    );
    println!("| load | msg/s | p50 ms | p99 ms | max ms | sent | acknowledged | stored | server CPU s | msg per CPU-s |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let small = Options {
        seconds: options.seconds.min(5),
        ..options.clone()
    };
    server.load(&small, 1_000, "calm-", false)?;
    show("1 000 msg/s", &server.load(options, 1_000, "slow-", false)?);
    server.load(&small, 0, "warm-", false)?;
    let most = server.load(options, 0, "most-", true)?;
    show("as much as possible", &most);
    show("half of that", &server.load(options, (most.rate / 2.0) as u64, "half-", false)?);
    let (now_mb, peak_mb) = server.process.memory_mb()?;
    println!("server memory {now_mb:.0} MB, at its peak {peak_mb:.0} MB");
    Ok(())
}

fn show(name: &str, load: &Load) {
    let stored = load.stored.map_or_else(|| "–".to_owned(), |stored| stored.to_string());
    println!(
        "| {name} | {:.0} | {:.2} | {:.2} | {:.1} | {} | {} | {stored} | {:.2} | {:.0} |",
        load.rate, load.p50_ms, load.p99_ms, load.max_ms, load.sent, load.acknowledged, load.cpu_s, load.per_cpu_s
    );
}
