//! Kills a process in the middle of its work, and looks whether everything it was promised to be durable is there. The test starts
//! itself as that process. (What a killed process has handed to the operating system survives; what it has not is what this finds.)
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use model::{DeviceId, EntityId, EntityKind, TenantId, Value};
use storage::{EmbeddedConfig, EmbeddedStore, Journal as _, KeptIn, Mutation, SettingStore as _};
use uuid::Uuid;

const FOLDER: &str = "STORAGE_TEST_FOLDER";
const LANES: u64 = 4;
const KEYS: u64 = 5;
/// Lines of the child read before it is killed, in each round.
const ACKNOWLEDGED: [usize; 3] = [40, 400, 1500];

fn device(lane: u64) -> EntityId {
    let tenant = TenantId(Uuid::from_u128(1));
    DeviceId::new(tenant, Uuid::from_u128(u128::from(lane) + 1)).entity()
}

fn batch(lane: u64, number: u64) -> Vec<Mutation> {
    let values = |part: u64| {
        (0..KEYS).map(move |key| {
            (
                Arc::from(format!("key {}", (number + part) % 3 * KEYS + key)),
                Value::Long(number as i64),
            )
        })
    };
    (0..2)
        .map(|part| Mutation::Points {
            entity: device(lane),
            ts_ms: number as i64,
            values: values(part).collect(),
            ttl_s: 0,
            kept: KeptIn::Both,
        })
        .collect()
}

/// Works until it is killed. Tells of every batch that is durable: round, lane, number.
fn work(folder: &Path, round: u64) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let store = EmbeddedStore::open(EmbeddedConfig::new(folder)).expect("opens");
    let lanes = (0..LANES).map(|lane| {
        let (store, handle) = (store.clone(), runtime.handle().clone());
        std::thread::spawn(move || {
            for number in round * 1_000_000.. {
                handle.block_on(async { store.submit(batch(lane, number)).await.expect("takes it").await.expect("durable") });
                if number % 7 == 0 {
                    let name = format!("{lane}");
                    handle
                        .block_on(store.save_setting(&name, number.to_be_bytes().into()))
                        .expect("durable");
                    tell(&format!("setting {lane} {number}"));
                }
                tell(&format!("points {lane} {number}"));
            }
        })
    });
    let lanes: Vec<_> = lanes.collect();
    lanes.into_iter().for_each(|lane| lane.join().expect("never ends"));
    unreachable!("the lanes have no end")
}

/// Past the test harness, which would keep it back. One write: lines of threads must not mix.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush())
        .expect("the parent listens");
}

/// Runs a child until it has told enough, kills it, and answers all it has told.
fn run_and_kill(folder: &Path, round: usize) -> Vec<(String, u64, u64)> {
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "what_was_acknowledged_survives_a_kill", "--nocapture"])
        .env(FOLDER, format!("{round} {}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut told = Vec::new();
    while told.len() < ACKNOWLEDGED[round] {
        told.extend(parse(&lines.next().expect("the child works on").expect("text")));
    }
    child.kill().expect("SIGKILL");
    // What it told before it died counts as well, but for a line cut in the middle.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    child.wait().expect("dead");
    told.extend(rest.iter().filter_map(|line| parse(line)));
    told
}

fn parse(line: &str) -> Option<(String, u64, u64)> {
    let mut words = line.split(' ');
    let (what, lane, number) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    ["points", "setting"].contains(&what).then(|| (what.to_owned(), lane, number))
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Ok(order) = std::env::var(FOLDER) {
        let (round, folder) = order.split_once(' ').expect("round and folder");
        work(Path::new(folder), round.parse().expect("a number"));
    }
    let dir = tempfile::tempdir().expect("temp dir");
    let mut told = Vec::new();
    for round in 0..ACKNOWLEDGED.len() {
        told.extend(run_and_kill(dir.path(), round));
        let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("opens after the kill");
        check(&store, &told);
    }
    assert!(told.len() >= ACKNOWLEDGED.iter().sum());
}

fn check(store: &EmbeddedStore, told: &[(String, u64, u64)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    for (what, lane, number) in told {
        if what == "setting" {
            let stored = runtime
                .block_on(store.setting(&lane.to_string()))
                .expect("reads")
                .expect("was acknowledged");
            let stored = u64::from_be_bytes(stored.try_into().expect("8 bytes"));
            assert!(stored >= *number, "lane {lane} says {stored}, but {number} was acknowledged");
            continue;
        }
        for mutation in batch(*lane, *number) {
            let Mutation::Points { entity, ts_ms, values, .. } = mutation else {
                unreachable!("batches have points only")
            };
            assert_eq!(entity.kind, EntityKind::Device);
            for (key, value) in values {
                assert_eq!(
                    stored(&runtime, store, entity, &key, ts_ms),
                    Some(value),
                    "lane {lane}, batch {number}, {key}"
                );
            }
        }
    }
}

fn stored(runtime: &tokio::runtime::Runtime, store: &EmbeddedStore, entity: EntityId, key: &str, ts_ms: i64) -> Option<Value> {
    use storage::TimeSeriesStore as _;
    let query = storage::SeriesQuery {
        from_ms: ts_ms,
        to_ms: ts_ms + 1,
        limit: 2,
        descending: false,
    };
    let readings = runtime.block_on(store.series(entity, key, &query)).expect("reads");
    assert!(readings.len() <= 1);
    readings.into_iter().next().map(|reading| reading.value)
}
