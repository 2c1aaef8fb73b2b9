//! A rolling upgrade from a server of an older tree: builds that one as it was built then, in a work tree of its own, and runs the tests of an
//! upgrade from it to the present.
//!
//! Work trees stay in `target/older`, with what was built in them: the next run from the same commit builds nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{build, cassandra, check, guests, shell, tools};

/// The variable by which the tests are told of an older server.
const OLDER: &str = "CLUSTER_OLD_BINARY";
/// The tests of an upgrade, in the target `cluster`.
const TESTS: &str = "upgrade::";

/// What to upgrade from.
#[derive(Args)]
pub struct Options {
    /// The commit or tag to upgrade from; without one, the last tag before the present commit.
    revision: Option<String>,
    /// A server that is built already, instead of a revision.
    #[arg(long, value_name = "PATH", conflicts_with = "revision")]
    binary: Option<PathBuf>,
}

/// Builds both, and runs the tests.
///
/// # Errors
/// When there is no such revision, something does not build, Cassandra does not start, or an upgrade does not go well.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let started = Instant::now();
    let older = match &options.binary {
        Some(path) => built(path)?,
        None => older(root, &revision(root, options.revision.as_deref())?)?,
    };
    let version = shell::quietly(Command::new(&older).arg("--version")).context("the older server does not say its version")?;
    eprintln!("xtask: the older server is {}, {}", older.display(), version.trim());
    eprintln!("xtask: the present server, and what tests need");
    guests::build_rust(root)?;
    tools::for_tests(root)?;
    build::for_tests(root)?;
    let node = cassandra::start(root)?;
    eprintln!("xtask: servers are upgraded one by one, under load; this takes some minutes");
    let mut tests = shell::cargo(root);
    tests
        .args(["test", "--workspace", "--test", "cluster", TESTS, "--", "--nocapture"])
        .envs(cassandra::environment(&node))
        .env(OLDER, &older);
    let (passed, failed) = check::counted(&mut tests, || Ok(()))?;
    println!("\n{passed} passed, {failed} failed in {} s", started.elapsed().as_secs());
    if failed > 0 || passed == 0 {
        bail!("the upgrade from {} did not go well", older.display());
    }
    Ok(())
}

/// A server that somebody built.
fn built(path: &Path) -> Result<PathBuf> {
    let found = path.canonicalize().with_context(|| format!("there is no {}", path.display()))?;
    if !found.is_file() {
        bail!("{} is no file", path.display());
    }
    Ok(found)
}

/// The commit of a revision, in full; of none, that of the last tag before the present commit.
fn revision(root: &Path, named: Option<&str>) -> Result<String> {
    let named = match named {
        Some(named) => named.to_owned(),
        None => git(root, &["describe", "--tags", "--abbrev=0", "HEAD^"])
            .ok()
            .context("there is no tag before the present commit: name a revision, as in `cargo xtask upgrade HEAD~20`")?,
    };
    let commit = format!("{named}^{{commit}}");
    git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])
        .ok()
        .with_context(|| format!("{named} is no commit and no tag of this tree"))
}

/// Builds the server of a commit, unless it is there; answers the binary.
fn older(root: &Path, commit: &str) -> Result<PathBuf> {
    let short = git(root, &["rev-parse", "--short", commit])?;
    let folder = build::target(root).join("older").join(&short);
    if folder.join("Cargo.toml").is_file() {
        eprintln!("xtask: {} is there from before", folder.display());
    } else {
        eprintln!("xtask: a work tree of {short} in {}", folder.display());
        let place = folder.display().to_string();
        // By force: it may be known from before, and its folder was removed by hand.
        git(root, &["worktree", "add", "--force", "--detach", &place, commit])?;
    }
    let there = git(&folder, &["rev-parse", "HEAD"])?;
    if there != commit {
        bail!("{} is at another commit, {there}: remove it and try again", folder.display());
    }
    eprintln!("xtask: building the server of {short} as a release; the first time takes many minutes");
    let mut cargo = shell::cargo(&folder);
    // What it builds is its own, wherever this tree builds.
    cargo.args(["xtask", "build"]).env_remove("CARGO_TARGET_DIR");
    shell::run(&mut cargo).with_context(|| format!("the server of {short} does not build, in {}", folder.display()))?;
    built(&folder.join("target/release/pacificsoft"))
}

/// What git says.
fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let said = shell::quietly(Command::new("git").current_dir(folder).args(arguments))?;
    Ok(said.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
    }

    #[test]
    fn a_revision_is_a_commit_and_nothing_else() {
        let root = root();
        let head = git(&root, &["rev-parse", "HEAD"]).unwrap();
        assert_eq!(revision(&root, Some("HEAD")).unwrap(), head);
        assert_eq!(revision(&root, Some(&head[..12])).unwrap(), head);
        for nonsense in ["no-such-tag", "--all", "HEAD:Cargo.toml"] {
            let told = revision(&root, Some(nonsense)).unwrap_err().to_string();
            assert_eq!(told, format!("{nonsense} is no commit and no tag of this tree"));
        }
    }

    #[test]
    fn a_binary_is_a_file() {
        let root = root();
        let manifest = built(&root.join("xtask/Cargo.toml")).unwrap();
        assert!(manifest.is_absolute());
        for (nothing, word) in [("no-such-file", "there is no"), ("xtask", "is no file")] {
            let told = built(&root.join(nothing)).unwrap_err().to_string();
            assert!(told.contains(word), "{told}");
        }
    }
}
