//! All checks: format, tests, lints. The last line says how many tests passed.
//!
//! What can wait for the network or for tests goes on beside what needs the processors: tools are fetched while the server is built, and lints
//! are looked for while tests run.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use cassandra_node::Node;

use crate::lints::Lints;
use crate::{build, cassandra, guests, shell, tools};

/// Runs everything.
///
/// # Errors
/// At the first step that fails; tests and lints are all run before they fail.
pub fn all(root: &Path, filter: Option<&str>) -> Result<()> {
    let started = Instant::now();
    let step = |name: &str| eprintln!("xtask: {name} (after {} s)", started.elapsed().as_secs());
    step("format");
    shell::run(shell::cargo(root).args(["fmt", "--all", "--check"])).context("`cargo fmt --all` was not run")?;
    step("components");
    guests::build_all(root)?;
    if shell::is_there("cargo-deny") {
        step("licences and advisories");
        shell::run(shell::cargo(root).args(["deny", "--log-level", "error", "check"]))?;
    } else {
        eprintln!("xtask: cargo-deny is not installed: licences and advisories are not checked");
    }
    let cassandra = std::thread::scope(|scope| {
        let fetched = scope.spawn(|| {
            step("tools");
            tools::for_tests(root)?;
            step("cassandra");
            cassandra(root, filter)
        });
        step("server, load generator and tests");
        let built = build::for_tests(root);
        let fetched = fetched.join().map_err(|_| anyhow!("the tools could not be fetched"))?;
        built.and(fetched)
    })?;
    step("tests, and lints beside them");
    let mut lints = None;
    let (passed, failed) = tests(root, filter, cassandra.as_ref().ok(), || {
        lints = Some(Lints::start(root)?);
        Ok(())
    })?;
    step("the rest of the lints");
    let linted = lints.map_or_else(|| Lints::start(root), Ok)?.finished();
    if let Err(missing) = &cassandra {
        println!("\nNOT TESTED: the Cassandra back end: {missing}");
    }
    if let Err(error) = &linted {
        println!("\n{error:#}");
    }
    println!("\n{passed} passed, {failed} failed in {} s", started.elapsed().as_secs());
    if failed > 0 {
        bail!("{failed} tests failed");
    }
    if passed == 0 {
        bail!("no test ran");
    }
    linted.map_err(|_| anyhow!("clippy is not content"))
}

/// Starts the one Cassandra of all tests that need one; else why there is none. With a filter only if that asks for it, as it takes its time.
/// On a build server there is no excuse.
fn cassandra(root: &Path, filter: Option<&str>) -> Result<Result<Node, String>> {
    if filter.is_some_and(|filter| !["cassandra", "cluster"].iter().any(|name| filter.contains(name))) {
        return Ok(Err("the filter does not ask for it".to_owned()));
    }
    match cassandra::start(root) {
        Ok(node) => Ok(Ok(node)),
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(error) => Ok(Err(format!("{error:#}"))),
    }
}

/// Runs the workspace's tests and counts them. `began` is called when they do: from then on cargo has no need of its folder.
fn tests(root: &Path, filter: Option<&str>, node: Option<&Node>, began: impl FnOnce() -> Result<()>) -> Result<(u32, u32)> {
    // What servers compiled for tests that ran before: these begin as on a fresh machine.
    let _ = std::fs::remove_dir_all(build::target(root).join("code"));
    let mut cargo = shell::cargo(root);
    cargo
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(filter)
        .envs(node.map(cassandra::environment).into_iter().flatten());
    counted(&mut cargo, began)
}

/// Runs tests, shows what they say, and counts which passed and which failed. `began` is called when the first one says something.
///
/// # Errors
/// When they cannot be run: when they do not build, or end otherwise than by failing. Those of `began`.
pub fn counted(cargo: &mut Command, began: impl FnOnce() -> Result<()>) -> Result<(u32, u32)> {
    cargo.stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cargo cannot be started")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let (mut passed, mut failed) = (0, 0);
    let mut shown = std::io::stdout();
    let mut began = Some(began);
    for line in BufReader::new(output).lines() {
        let line = line?;
        began.take().map_or(Ok(()), |began| began())?;
        writeln!(shown, "{line}")?;
        if let Some(counts) = line.strip_prefix("test result: ") {
            passed += count(counts, "passed");
            failed += count(counts, "failed");
        }
    }
    let status = child.wait()?;
    if !status.success() && failed == 0 {
        bail!("the tests could not be run ({status})");
    }
    Ok((passed, failed))
}

/// The number before a word, in `ok. 12 passed; 0 failed; …`.
fn count(text: &str, word: &str) -> u32 {
    let words: Vec<&str> = text.split([' ', ';', '.']).filter(|part| !part.is_empty()).collect();
    words
        .windows(2)
        .find(|pair| pair[1] == word)
        .and_then(|pair| pair[0].parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_are_read_from_the_summary_of_a_test_run() {
        let text = "FAILED. 14 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.14s";
        assert_eq!((count(text, "passed"), count(text, "failed")), (14, 2));
    }
}
