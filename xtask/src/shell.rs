//! Running other programs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
pub use guest_build::program::{is_there, quietly};

/// Cargo, the one that runs this. Where a build is made once and thrown away (`CI` is set), it keeps nothing for the next
/// build: that is gigabytes, and time.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    if std::env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Cargo, for work that is to take only the time that nobody else wants, where the system knows how.
pub fn cargo_aside(root: &Path) -> Command {
    let cargo = cargo(root);
    if !is_there("nice") || !is_there("chrt") {
        return cargo;
    }
    let mut aside = Command::new("nice");
    aside
        .args(["-n", "19", "chrt", "--idle", "0"])
        .arg(cargo.get_program())
        .current_dir(root);
    for (name, value) in cargo.get_envs() {
        if let Some(value) = value {
            aside.env(name, value);
        }
    }
    aside
}

/// Runs a program to its end, showing what it says.
///
/// # Errors
/// When it is not there, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{name} cannot be started"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}
