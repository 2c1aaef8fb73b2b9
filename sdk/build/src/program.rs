//! Running other programs, and telling whoever waits that they run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a program to its end, quietly; says what it said only when it fails.
///
/// # Errors
/// When it is not there, or fails.
pub fn quietly(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be started"))?;
    if !output.status.success() {
        bail!(
            "{name} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program is there.
pub fn is_there(program: impl AsRef<Path>) -> bool {
    Command::new(program.as_ref())
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Does something that takes its time: says what, again every five seconds while it lasts, and how long it took.
///
/// # Errors
/// Those of the work.
pub fn progress<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("{what} …");
    let started = Instant::now();
    let done = std::thread::scope(|scope| {
        let (finished, watched) = sync_channel::<()>(1);
        scope.spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = watched.recv_timeout(Duration::from_secs(5)) {
                eprintln!("{what} … {} s", started.elapsed().as_secs());
            }
        });
        let done = work();
        drop(finished);
        done
    })?;
    eprintln!("{what}: {:.1} s", started.elapsed().as_secs_f64());
    Ok(done)
}
