//! Packages of npm and PyPI in folders of our own. A folder remembers what was installed into it last, and is left alone while that is
//! still what is wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program::{is_there, progress, quietly};

/// Remembers what a folder has.
const STAMP: &str = "packages";

/// Installs packages for Node below a folder, by name and version. `what` says so to whoever waits.
///
/// # Errors
/// When Node or npm is missing, or the packages cannot be fetched.
pub fn npm(folder: &Path, packages: &[&str], what: &str) -> Result<()> {
    if !is_there("node") {
        bail!("Node is missing: install Node 20.19 or later");
    }
    if has(folder, packages) {
        return Ok(());
    }
    if !is_there("npm") {
        bail!("npm is missing: install it beside Node");
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    // Without one, npm takes the next folder above that has one.
    fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    progress(what, || {
        let mut npm = Command::new("npm");
        npm.current_dir(folder)
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .args(packages);
        quietly(&mut npm)
    })?;
    remember(folder, packages)
}

/// Installs packages for Python into an environment, by name and version; answers its interpreter. `what` says so to whoever waits.
///
/// # Errors
/// When Python is missing, or the packages cannot be fetched.
pub fn pypi(environment: &Path, packages: &[&str], what: &str) -> Result<PathBuf> {
    let python = environment.join("bin/python");
    if has(environment, packages) {
        return Ok(python);
    }
    if !is_there("python3") {
        bail!("python3 is missing: install Python 3.11 or later");
    }
    progress(what, || {
        quietly(Command::new("python3").args(["-m", "venv"]).arg(environment)).context("missing: python3-venv (Debian package)")?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(packages);
        quietly(&mut pip)
    })?;
    remember(environment, packages)?;
    Ok(python)
}

fn has(folder: &Path, packages: &[&str]) -> bool {
    fs::read_to_string(folder.join(STAMP)).is_ok_and(|installed| installed == packages.join("\n"))
}

fn remember(folder: &Path, packages: &[&str]) -> Result<()> {
    let stamp = folder.join(STAMP);
    fs::write(&stamp, packages.join("\n")).with_context(|| format!("{} cannot be written", stamp.display()))
}
