//! Building and starting the server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{guests, shell};

/// Builds the release binary.
///
/// # Errors
/// When something does not build.
pub fn release(root: &Path) -> Result<PathBuf> {
    server(root, true)
}

/// Builds the server; answers the binary.
///
/// # Errors
/// When something does not build.
pub fn server(root: &Path, release: bool) -> Result<PathBuf> {
    guests::build_rust(root)?;
    package(root, "pacificsoft", release)
}

/// Builds the binary of a package.
///
/// # Errors
/// When it does not build.
pub fn package(root: &Path, name: &str, release: bool) -> Result<PathBuf> {
    let mut cargo = shell::cargo(root);
    cargo.args(["build", "--package", name]).args(release.then_some("--release"));
    shell::run(&mut cargo)?;
    Ok(target(root).join(if release { "release" } else { "debug" }).join(name))
}

/// Builds all that tests need: every binary, and the tests. With the features of the whole workspace: else every dependency would be built twice.
///
/// # Errors
/// When one does not build.
pub fn for_tests(root: &Path) -> Result<()> {
    shell::run(shell::cargo(root).args(["build", "--workspace", "--bins", "--tests"]))
}

/// The folder cargo builds into.
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Builds and starts the server in the foreground.
///
/// # Errors
/// When it does not build or does not start.
pub fn run(root: &Path, dev: bool, options: &[String]) -> Result<()> {
    eprintln!("xtask: building the server; the first time takes ten to fifteen minutes on two processors");
    let binary = server(root, !dev)?;
    let mut serve = Command::new(binary);
    serve.arg("serve").args(options);
    replace(serve)
}

/// Becomes another program, so that signals reach it.
#[cfg(unix)]
fn replace(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}
