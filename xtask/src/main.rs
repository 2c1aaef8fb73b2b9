//! Everything a developer runs: `cargo xtask --help`.

mod bench;
mod build;
mod cassandra;
mod check;
mod fuzz;
mod guests;
mod lints;
mod shell;
mod tools;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, runs, tests and measures Pacificsoft.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds everything and starts the server; what follows `--` goes to `pacificsoft serve`.
    Run {
        /// Builds without optimisation: sooner there, slower when it runs.
        #[arg(long)]
        dev: bool,
        /// Options of `pacificsoft serve`, such as `--demo`.
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// Runs all checks.
    Test {
        /// Only tests whose name contains this.
        filter: Option<String>,
    },
    /// Builds the release binary, with everything embedded: target/release/pacificsoft.
    Build,
    /// Builds rule nodes and adapters into components: target/components.
    Guests,
    /// Upgrades a cluster, server by server and under load, from an older version to the present one.
    ///
    /// Builds the server of a revision as a release, in a work tree of its own (target/older, kept for the next time), and runs the tests
    /// of the rolling upgrade from it. They need an Apache Cassandra, which is fetched and started. What shows most is the last release, or
    /// a commit of before something changed in what servers say to each other or in what is stored.
    Upgrade(upgrade::Options),
    /// Starts an Apache Cassandra to play with, with nothing stored; ends with Ctrl-C.
    Cassandra,
    /// Runs fuzzers with coverage; what they find interesting is kept: target/fuzz.
    Fuzz(fuzz::Options),
    /// Measures.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a backtrace: what a person can act on is in the chain of causes.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let root = root();
    match arguments.command {
        Command::Run { dev, options } => build::run(&root, dev, &options),
        Command::Test { filter } => check::all(&root, filter.as_deref()),
        Command::Build => build::release(&root).map(|binary| println!("{}", binary.display())),
        Command::Guests => guests::build_all(&root).map(drop),
        Command::Upgrade(options) => upgrade::run(&root, &options),
        Command::Cassandra => cassandra::run(&root),
        Command::Fuzz(options) => fuzz::run(&root, &options),
        Command::Bench(options) => bench::run(&root, &options),
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn commands_are_well_formed() {
        Arguments::command().debug_assert();
        let upgrade = |more: &[&str]| Arguments::try_parse_from([&["xtask", "upgrade"], more].concat()).is_ok();
        assert!(upgrade(&[]) && upgrade(&["v1.0.0"]) && upgrade(&["--binary", "old"]));
        assert!(!upgrade(&["v1.0.0", "--binary", "old"]), "one or the other");
    }
}
