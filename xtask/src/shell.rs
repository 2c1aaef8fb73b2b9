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
