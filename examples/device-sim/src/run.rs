//! A run from beginning to end: connect all devices, begin at one instant, collect what the workers bring home.
//!
//! Knows no command line and no REST.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::acklog::AckLog;
use crate::connection::Target;
use crate::error::SimError;
use crate::pacer::{self, Phase};
use crate::payload::wall_clock_ms;
use crate::plan::Plan;
use crate::stats::Stats;
use crate::worker::{self, Outcome, Setup};

/// What all parts of a run share. Cannot be printed: it holds tokens.
pub struct Shared {
    /// What to send and when.
    pub plan: Plan,
    /// The user name of each device.
    pub tokens: Vec<String>,
    /// The servers, one at least. Device i begins with the i-th, and goes on to the next when it is lost.
    pub targets: Vec<Target>,
    /// Client identifiers are this and the device index.
    pub client_prefix: String,
    /// Where acknowledgements are written down, if anywhere.
    pub log: Option<AckLog>,
    /// Number and least time to go on with, for devices an earlier run has left in the log.
    pub resume: HashMap<usize, (u64, u64)>,
    /// Keep what was sent for a check afterwards.
    pub keep_ledgers: bool,
    /// Keep how long each message took.
    pub keep_latencies: bool,
}

/// The addresses behind `host:port`.
///
/// # Errors
/// [`SimError::Connect`] if the name is unknown or the text is not `host:port`.
pub async fn resolve(text: &str) -> Result<Target, SimError> {
    let unknown = |source| SimError::Connect {
        address: text.to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(text).await.map_err(unknown)?.collect();
    if addresses.is_empty() {
        return Err(unknown(std::io::Error::other("the name has no address")));
    }
    Ok(Target {
        text: text.to_owned(),
        addresses,
        from: None,
        trust: None,
    })
}

/// The same for several, with commas between them.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_all(text: &str) -> Result<Vec<Target>, SimError> {
    let mut targets = Vec::new();
    for one in text.split(',') {
        targets.push(resolve(one.trim()).await?);
    }
    Ok(targets)
}

/// Runs the plan on `workers` threads. Answers what came of it, and when it began, in milliseconds since 1970.
///
/// # Errors
/// What kept the run from beginning or made it worthless: a device that cannot connect or is refused, a log that cannot be written.
/// Connections lost during the run are counted, not errors.
pub async fn run(shared: Arc<Shared>, workers: usize) -> Result<(Outcome, u64), SimError> {
    let workers = workers.clamp(1, shared.plan.devices.max(1));
    let (phase, phases) = watch::channel(Phase::Connecting);
    let (ready, mut readies) = mpsc::channel(workers);
    let ticks: Vec<Arc<Notify>> = (0..workers).map(|_| Arc::new(Notify::new())).collect();
    let mut threads = JoinSet::new();
    for (worker, ticks) in ticks.iter().enumerate() {
        let setup = Setup {
            worker,
            workers,
            ready: ready.clone(),
            phase: phases.clone(),
            ticks: ticks.clone(),
        };
        let shared = shared.clone();
        threads.spawn_blocking(move || worker::work(&shared, setup).map(Some));
    }
    // `phase` is dropped on every way out, which stops the threads that are left.
    for _ in 0..workers {
        tokio::select! {
            Some(()) = readies.recv() => {}
            Some(finished) = threads.join_next() => {
                finished.map_err(|error| SimError::Internal(error.to_string()))??;
                return Err(SimError::Internal("a worker ended before the run began".into()));
            }
        }
    }
    let (start, started_ms) = (Instant::now(), wall_clock_ms());
    phase.send_replace(Phase::Running(start));
    threads.spawn_blocking({
        let shared = shared.clone();
        move || {
            pacer::tick(&shared.plan, start, &ticks, &phases);
            Ok(None)
        }
    });
    let mut total = Outcome {
        stats: Stats::new(shared.plan.measured_from())?.keeping(shared.keep_latencies),
        ledgers: BTreeMap::new(),
    };
    let mut phase = Some(phase);
    let mut working = workers;
    while let Some(finished) = threads.join_next().await {
        let Some(outcome) = finished.map_err(|error| SimError::Internal(error.to_string()))?? else {
            continue;
        };
        total.stats.merge(outcome.stats)?;
        total.ledgers.extend(outcome.ledgers);
        working -= 1;
        if working == 0 {
            // Devices can all be gone before the last message is due; then the clock stops too.
            phase.take();
        }
    }
    Ok((total, started_ms))
}
