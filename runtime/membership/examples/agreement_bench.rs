//! What agreement costs when nothing happens: heartbeats, questions and signs of life of servers in this process, with the timing of real ones.
//! `unshare -rn sh -c 'ip link set lo up; cargo run --release -p membership --example agreement_bench'`.

#![allow(clippy::unwrap_used)]

#[allow(dead_code, missing_docs)]
#[path = "../tests/servers/world.rs"]
mod world;

#[path = "../../cluster/examples/usage/usage.rs"]
mod usage;

use std::time::Duration;

use cluster::LeaseTiming;
use usage::Usage;
use world::World;

const SERVERS: [u64; 5] = [2, 5, 10, 15, 20];
const SECONDS: u64 = 15;

#[tokio::main]
async fn main() {
    let Some(servers) = usage::servers(&SERVERS) else { return };
    if servers == SERVERS[0] {
        println!("| servers | kB a second, all | ms of processor time a second, all | resident MB, all |\n|---|---|---|---|");
    }
    let mut world = World::new();
    world.timing = LeaseTiming::DEFAULT;
    let all = world.cluster(servers as usize).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rate = Usage::during(SECONDS).await;
    println!(
        "| {servers} | {:.0} | {:.0} | {:.0} |",
        rate.bytes / 1e3,
        rate.cpu * 1e3,
        Usage::now().resident / 1e6
    );
    drop(all);
}
