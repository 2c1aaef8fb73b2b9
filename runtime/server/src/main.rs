//! The binary `pacificsoft`: command line, configuration, and [`wire`], which builds everything bottom-up.

#![allow(missing_docs, reason = "a binary has no readers from outside")]

mod adapters;
mod bootstrap;
mod cli;
mod code;
mod config;
mod doors;
mod dtls;
mod listeners;
mod members;
mod outside;
mod peer;
mod ports;
mod rates;
mod shipped;
mod store;
mod wire;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command};
use config::Config;
use wire::Server;

/// Messages are made on one thread and dropped on another, many small parts at a time: the system's allocator is a good part of the
/// cost of a message then (see BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Native stack of worker threads: a guest may use 512 KiB of it.
const STACK_BYTES: usize = 4 << 20;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(options) => serve(*options),
        Command::Plugin(options) => tool::run(options),
        Command::Cluster(options) => members::run(options),
        // Before anything else is set up: this process does one thing and may die of it.
        Command::CompileComponent { memory_bytes, cpu_s } => return components::compile::run_child(memory_bytes, cpu_s),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a backtrace: what a person can act on is in the chain of causes.
            eprintln!("pacificsoft: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: cli::ServeOptions) -> Result<()> {
    let config = Config::load(options)?;
    // The store's own libraries tell of each of their files; what a person may have to act on is a warning there.
    let filter = tracing_subscriber::EnvFilter::try_new(format!("fjall=warn,lsm_tree=warn,scylla=error,openraft=warn,{}", config.log))
        .context("the log filter is not understood")?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    raise_open_files();
    transport::tls::install_provider();
    let metrics = PrometheusBuilder::new().install_recorder().context("metrics cannot be kept")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()?;
    // The server runs as a task of its own: the thread that waits for it is no worker, and asking actors from there is slow.
    runtime.block_on(async { actor::spawn("server", run(config, metrics)).await })?
}

async fn run(config: Config, metrics: metrics_exporter_prometheus::PrometheusHandle) -> Result<()> {
    let started = Instant::now();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let server = Server::build(&config, metrics).await?;
    let told = bootstrap::first_start(&server, &config).await?;
    let listening = server.listen(&config).await?;
    bootstrap::greet(&listening, &config, told, started.elapsed());
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => listening.reread.look(),
        }
    }
    tracing::info!("stopping");
    listening.stop().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Each connection needs a file descriptor: takes as many as the system allows.
fn raise_open_files() {
    match rlimit_raised() {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

fn rlimit_raised() -> std::io::Result<u64> {
    rlimit::increase_nofile_limit(1 << 20)
}
