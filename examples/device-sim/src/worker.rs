//! One thread of devices: a runtime of its own, its devices as tasks in it, and one set of counters for all of them.
//!
//! Everything a message needs lives on one thread, so sending and receiving take no lock. Knows no REST and no report.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

use crate::connection::Connection;
use crate::device::{self, Device};
use crate::error::SimError;
use crate::ledger::Ledger;
use crate::pacer::{self, Phase};
use crate::run::Shared;
use crate::stats::Stats;

/// Connections a worker opens at the same time.
const CONNECTING_MAX: usize = 64;

/// What a worker needs besides the run.
#[derive(Debug)]
pub struct Setup {
    /// This worker's number, from 0.
    pub worker: usize,
    /// Number of workers; device `i` belongs to worker `i mod workers`.
    pub workers: usize,
    /// Gets one `()` when all devices are connected.
    pub ready: mpsc::Sender<()>,
    /// Says when to begin and when to stop.
    pub phase: watch::Receiver<Phase>,
    /// Ticks when messages are due.
    pub ticks: Arc<Notify>,
}

/// What a worker brings home.
#[derive(Debug)]
pub struct Outcome {
    /// Counters and distributions of its devices.
    pub stats: Stats,
    /// The ledgers by device index, if they were kept.
    pub ledgers: BTreeMap<usize, Ledger>,
}

/// Runs a worker's devices from connecting to the end. Blocks its thread.
///
/// # Errors
/// A device that cannot connect or is refused, a log that cannot be written, or [`SimError::Internal`].
pub fn work(shared: &Arc<Shared>, setup: Setup) -> Result<Outcome, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| SimError::Internal(error.to_string()))?;
    runtime.block_on(LocalSet::new().run_until(live(shared.clone(), setup)))
}

async fn live(shared: Arc<Shared>, setup: Setup) -> Result<Outcome, SimError> {
    let mut phase = setup.phase.clone();
    let connections = tokio::select! {
        connections = connect_all(&shared, &setup) => connections?,
        _ = phase.changed() => return Err(aborted()),
    };
    // Nobody listens any more only when the run is aborted, which the next line notices.
    let _ = setup.ready.send(()).await;
    let begun = phase.wait_for(|phase| *phase != Phase::Connecting).await.map(|phase| *phase);
    let Ok(Phase::Running(start)) = begun else { return Err(aborted()) };
    let stats = Rc::new(RefCell::new(
        Stats::new(shared.plan.measured_from())?.keeping(shared.keep_latencies),
    ));
    let mut ledgers = BTreeMap::new();
    let wakes: Rc<Vec<Notify>> = Rc::new(connections.iter().map(|_| Notify::new()).collect());
    let mut tasks = start_devices(&shared, connections, &stats, &wakes, start);
    let mut waking = pin!(pacer::wake_devices(
        &shared.plan,
        start,
        &setup.ticks,
        &wakes,
        setup.worker,
        setup.workers
    ));
    let mut all_due = false;
    loop {
        let finished = tokio::select! {
            finished = tasks.join_next() => finished,
            () = &mut waking, if !all_due => {
                all_due = true;
                continue;
            }
            _ = phase.changed() => return Err(aborted()),
        };
        let Some(finished) = finished else { break };
        let (index, ledger) = finished.map_err(|error| SimError::Internal(error.to_string()))??;
        ledgers.extend(ledger.map(|ledger| (index, ledger)));
    }
    let empty = Stats::new(0)?;
    Ok(Outcome {
        stats: stats.replace(empty),
        ledgers,
    })
}

type Finished = Result<(usize, Option<Ledger>), SimError>;

fn start_devices(
    shared: &Arc<Shared>,
    connections: Vec<(usize, Connection)>,
    stats: &Rc<RefCell<Stats>>,
    wakes: &Rc<Vec<Notify>>,
    start: Instant,
) -> JoinSet<Finished> {
    let mut tasks = JoinSet::new();
    for (place, (index, connection)) in connections.into_iter().enumerate() {
        let (shared, stats, wakes) = (shared.clone(), stats.clone(), wakes.clone());
        tasks.spawn_local(async move {
            let ledger = Device::new(index, &shared, &stats, &wakes[place], start).run(connection).await?;
            Ok((index, ledger))
        });
    }
    tasks
}

/// The worker's connections by device index. The first failure ends it.
async fn connect_all(shared: &Shared, setup: &Setup) -> Result<Vec<(usize, Connection)>, SimError> {
    let indexes = (setup.worker..shared.plan.devices).step_by(setup.workers);
    let mut attempts = futures::stream::iter(indexes)
        .map(|index| async move { device::connect(shared, index, 0).await.map(|connection| (index, connection)) })
        .buffered(CONNECTING_MAX);
    let mut connections = Vec::new();
    while let Some(connection) = attempts.next().await {
        connections.push(connection?);
    }
    Ok(connections)
}

fn aborted() -> SimError {
    SimError::Internal("aborted because another part failed".into())
}
