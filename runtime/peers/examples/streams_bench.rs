//! What the streams between servers cost that say nothing: each server has one to each other, with mutual TLS, all servers in this process.
//! `unshare -rn sh -c 'ip link set lo up; cargo run --release -p peers --example streams_bench'`.

#![allow(clippy::unwrap_used)]

#[allow(dead_code, missing_docs)]
#[path = "../tests/sessions/world.rs"]
mod world;

#[path = "../../cluster/examples/usage/usage.rs"]
mod usage;

use std::time::Duration;

use peers::PeersConfig;
use usage::Usage;
use world::World;

const SERVERS: [u64; 4] = [2, 10, 20, 30];
const SECONDS: u64 = 15;

/// Connections of this network, each of which has two ends here.
fn ends() -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    table.lines().filter(|line| line.split_whitespace().nth(3) == Some("01")).count()
}

#[tokio::main]
async fn main() {
    let Some(servers) = usage::servers(&SERVERS) else { return };
    if servers == SERVERS[0] {
        println!(
            "| servers | streams | resident kB a stream, both ends | bytes a second | µs of processor time a second |\n|---|---|---|---|---|"
        );
    }
    let mut world = World::apart(servers, PeersConfig::default()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let without = Usage::now();
    let everybody: Vec<u64> = (1..=servers).collect();
    let epoch = world.agree(&everybody);
    world.settle(epoch);
    let streams = (servers * (servers - 1) / 2) as usize;
    world::until("everybody is connected", || ends() >= 2 * streams).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ends(), 2 * streams, "one stream for each pair");
    let with = Usage::now();
    let rate = Usage::during(SECONDS).await;
    let each = |sum: f64| sum / streams as f64;
    println!(
        "| {servers} | {streams} | {:.0} | {:.0} | {:.0} |",
        each(with.resident - without.resident) / 1024.0,
        each(rate.bytes),
        each(rate.cpu * 1e6)
    );
}
