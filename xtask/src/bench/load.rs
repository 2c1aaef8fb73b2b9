//! One load: the generator's processor time is not counted, that of the servers is.

use std::fmt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use super::process::Process;

/// How much is sent.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Devices, one connection each.
    pub devices: u32,
    /// How long.
    pub seconds: u32,
    /// Unacknowledged messages a device may have.
    pub window: u32,
    /// Messages a second over all devices; 0: as much as the windows allow.
    pub rate: u64,
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

/// The generator, told a shape.
pub fn generator(program: &Path, shape: &Shape, more: &[String]) -> Command {
    let mut command = Command::new(program);
    command.arg("--json");
    for (name, value) in [
        ("--devices", u64::from(shape.devices)),
        ("--seconds", u64::from(shape.seconds)),
        ("--window", u64::from(shape.window)),
        ("--rate", shape.rate),
    ] {
        command.args([name, &value.to_string()]);
    }
    command.args(more);
    command
}

/// What a generator reported.
///
/// # Errors
/// When it did not.
pub fn report(output: &Output) -> Result<Json> {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .with_context(|| format!("the load generator failed: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Puts a load on something and counts the processor time of some processes meanwhile.
///
/// # Errors
/// When the generator fails, or counts do not agree.
pub fn load(program: &Path, shape: &Shape, more: &[String], servers: &[&Process]) -> Result<Load> {
    let cpu = || servers.iter().map(|server| server.cpu_s()).sum::<Result<f64>>();
    let before = cpu()?;
    let output = generator(program, shape, more)
        .output()
        .context("the load generator cannot be started")?;
    let cpu_s = cpu()? - before;
    let load = Load::of(&report(&output)?, cpu_s);
    if !output.status.success() || load.sent != load.acknowledged {
        bail!("counts do not agree: {}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(load)
}

impl Load {
    /// From a generator's report.
    pub fn of(report: &Json, cpu_s: f64) -> Self {
        let number = |path: &str| report.pointer(path).and_then(Json::as_f64).unwrap_or(f64::NAN);
        let count = |path: &str| report.pointer(path).and_then(Json::as_u64);
        let acknowledged = count("/acknowledged").unwrap_or(0);
        Load {
            rate: number("/rate"),
            p50_ms: number("/latency_ms/p50"),
            p99_ms: number("/latency_ms/p99"),
            max_ms: number("/latency_ms/max"),
            sent: count("/sent").unwrap_or(0),
            acknowledged,
            stored: count("/verify/stored"),
            cpu_s,
            per_cpu_s: acknowledged as f64 / cpu_s,
        }
    }
}

impl fmt::Display for Load {
    /// Columns of a table: msg/s, p50, p99, max, sent, acknowledged, stored, CPU s, msg per CPU-s.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored = self.stored.map_or_else(|| "not read".to_owned(), |stored| stored.to_string());
        write!(
            out,
            "{:.0} | {:.2} | {:.2} | {:.1} | {} | {} | {stored} | {:.2} | {:.0}",
            self.rate, self.p50_ms, self.p99_ms, self.max_ms, self.sent, self.acknowledged, self.cpu_s, self.per_cpu_s
        )
    }
}
