//! How fast a Cassandra takes readings through this back end: points and commits per second, and how long a commit takes, by the size
//! of the batches. `cargo xtask bench cassandra` starts a node for it; else name one.
//!
//! `cargo run --release -p storage-cassandra --example commit_bench host:port [seconds per size]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use model::{DeviceId, EntityId, TenantId, Value};
use storage::{Journal as _, KeptIn, Mutation, TimeSeriesStore as _};
use storage_cassandra::{CassandraConfig, CassandraStore};

const DEVICES: usize = 1000;
/// Values of a message.
const KEYS: [&str; 3] = ["temperature", "humidity", "battery"];

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("the address of a node is missing")?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let store = CassandraStore::open(CassandraConfig::new(vec![address], "bench")).await?;
    println!(
        "{:>9} {:>6} {:>10} {:>10} {:>10} {:>10} {:>12}",
        "in flight", "batch", "messages/s", "points/s", "p50 ms", "p99 ms", "latest µs"
    );
    for (submitters, size) in [(1, 1), (64, 1), (16, 16), (8, 256)] {
        measure(&store, submitters, size, Duration::from_secs(seconds)).await?;
    }
    store.close().await?;
    Ok(())
}

async fn measure(store: &CassandraStore, submitters: usize, size: usize, time: Duration) -> Result<(), Failure> {
    let tenant = TenantId::generate();
    let devices: Arc<[EntityId]> = (0..DEVICES).map(|_| DeviceId::generate(tenant).entity()).collect();
    // The first messages of a device also write which series it has: not what is measured.
    let first = (0..DEVICES).map(|at| message(devices[at], 0)).collect();
    store.submit(first).await?.await?;
    let started = Instant::now();
    let tasks = (0..submitters).map(|at| submit(store.clone(), Arc::clone(&devices), (at, submitters), size, started + time));
    let mut all = Histogram::<u64>::new(3)?;
    for took in futures::future::try_join_all(tasks).await? {
        all.add(took)?;
    }
    let (elapsed, batches) = (started.elapsed().as_secs_f64(), all.len() as f64);
    let ms = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
    let latest = latest_us(store, &devices).await?;
    let messages = batches * size as f64 / elapsed;
    println!(
        "{submitters:>9} {size:>6} {messages:>10.0} {:>10.0} {:>10.2} {:>10.2} {latest:>12.0}",
        messages * KEYS.len() as f64,
        ms(0.5),
        ms(0.99)
    );
    Ok(())
}

/// Submits one batch after the other, each when the one before is durable. Microseconds of each.
async fn submit(
    store: CassandraStore,
    devices: Arc<[EntityId]>,
    (lane, lanes): (usize, usize),
    size: usize,
    end: Instant,
) -> Result<Histogram<u64>, Failure> {
    let mut took = Histogram::<u64>::new(3)?;
    let mut number = 0;
    while Instant::now() < end {
        let batch = (0..size).map(|_| {
            number += 1;
            message(devices[(number * lanes + lane) % devices.len()], number)
        });
        let batch = batch.collect();
        let begun = Instant::now();
        store.submit(batch).await?.await?;
        took.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    Ok(took)
}

fn message(entity: EntityId, number: usize) -> Mutation {
    Mutation::Points {
        entity,
        ts_ms: number as i64,
        values: KEYS.map(|key| (key.into(), Value::Double(number as f64 / 7.0))).into(),
        ttl_s: 0,
        kept: KeptIn::Both,
    }
}

/// Microseconds of one look at the newest reading.
async fn latest_us(store: &CassandraStore, devices: &[EntityId]) -> Result<f64, Failure> {
    let keys = [KEYS[0].into()];
    let started = Instant::now();
    for entity in devices {
        store.latest(*entity, Some(&keys)).await?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / devices.len() as f64)
}
