//! How fast the embedded store takes readings: points and commits per second, and how long a commit takes, by the size of the batches.
//!
//! `cargo run --release -p storage --example commit_bench [seconds per size] [folder]`
//!
//! The folder decides what is measured: use the disk that will serve.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use model::{DeviceId, EntityId, TenantId, Value};
use storage::{EmbeddedConfig, EmbeddedStore, Journal as _, KeptIn, Mutation, StorageError};

const SUBMITTERS: usize = 8;
const DEVICES: usize = 1000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let folder = arguments.next();
    println!(
        "{:>6} {:>10} {:>10} {:>10} {:>10} {:>12}",
        "batch", "points/s", "batches/s", "p50 ms", "p99 ms", "latest µs"
    );
    for size in [1, 16, 256] {
        let dir = match &folder {
            Some(parent) => tempfile::tempdir_in(parent)?,
            None => tempfile::tempdir()?,
        };
        measure(dir.path(), size, Duration::from_secs(seconds))?;
    }
    Ok(())
}

fn measure(dir: &Path, size: usize, time: Duration) -> Result<(), Failure> {
    let store = EmbeddedStore::open(EmbeddedConfig::new(dir))?;
    let tenant = TenantId::generate();
    let devices: Arc<[EntityId]> = (0..DEVICES).map(|_| DeviceId::generate(tenant).entity()).collect();
    let started = Instant::now();
    let threads = (0..SUBMITTERS).map(|at| {
        let (store, devices) = (store.clone(), Arc::clone(&devices));
        std::thread::spawn(move || submit(&store, &devices, at, size, started + time))
    });
    let threads: Vec<_> = threads.collect();
    let mut all = Histogram::<u64>::new(3)?;
    for thread in threads {
        all.add(thread.join().map_err(|_| "a submitter panicked")??)?;
    }
    let (elapsed, batches) = (started.elapsed().as_secs_f64(), all.len() as f64);
    let ms = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
    let latest = latest_us(&store, &devices)?;
    println!(
        "{size:>6} {:>10.0} {:>10.0} {:>10.2} {:>10.2} {latest:>12.1}",
        batches * size as f64 / elapsed,
        batches / elapsed,
        ms(0.5),
        ms(0.99)
    );
    Ok(())
}

/// Submits one batch after the other, each when the one before is durable. Microseconds of each.
fn submit(store: &EmbeddedStore, devices: &[EntityId], lane: usize, size: usize, end: Instant) -> Result<Histogram<u64>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut took = Histogram::<u64>::new(3)?;
    let key: Arc<str> = "temperature".into();
    let mut number = 0;
    while Instant::now() < end {
        let points = (0..size).map(|_| {
            number += 1;
            let entity = devices[(number * SUBMITTERS + lane) % devices.len()];
            Mutation::Points {
                entity,
                ts_ms: number as i64,
                values: vec![(Arc::clone(&key), Value::Double(number as f64 / 7.0))],
                ttl_s: 0,
                kept: KeptIn::Both,
            }
        });
        let batch = points.collect();
        let begun = Instant::now();
        runtime.block_on(async { store.submit(batch).await?.await })?;
        took.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    Ok(took)
}

/// Microseconds of one look at the newest reading.
fn latest_us(store: &EmbeddedStore, devices: &[EntityId]) -> Result<f64, StorageError> {
    let started = Instant::now();
    for entity in devices {
        store.latest_now(*entity, "temperature")?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / devices.len() as f64)
}
