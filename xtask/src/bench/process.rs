//! A process under measurement: started, watched through `/proc`, stopped.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A server. Killed when dropped.
pub struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    /// Starts it; what it says goes to a file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        Ok(Process { child, name })
    }

    /// Waits until something listens on a port of this machine.
    ///
    /// # Errors
    /// When the process ends before, or takes more than a minute.
    pub fn wait_for_port(&mut self, port: u16) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended: {status}", self.name);
            }
            if Instant::now() > until {
                bail!("{} does not listen on {port}", self.name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Processor time used so far, in seconds.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_s(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        // `utime` and `stime` are fields 14 and 15 (proc(5)); 100 ticks a second on Linux.
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Memory in use and at its peak, in MB.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn memory_mb(&self) -> Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace()
                .next()
                .and_then(|number| number.parse::<f64>().ok())
                .unwrap_or(0.0)
                / 1024.0
        };
        Ok((field("VmRSS:"), field("VmHWM:")))
    }
}

/// A program beside the one under measurement. Killed when dropped.
pub struct Beside(Option<Child>);

impl Beside {
    /// Starts it; what it prints is kept.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child
            .map(|child| Beside(Some(child)))
            .context("the load generator cannot be started")
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// As the system says.
    pub fn output(mut self) -> Result<Output> {
        let child = self.0.take().context("it has ended")?;
        Ok(child.wait_with_output()?)
    }

    /// Fails when it has ended before its time.
    ///
    /// # Errors
    /// Then.
    pub fn still_runs(&mut self) -> Result<()> {
        match self.0.as_mut().map(Child::try_wait).transpose()?.flatten() {
            None => Ok(()),
            Some(status) => bail!("the load generator ended: {status}"),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of this machine that is free now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The middle of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
