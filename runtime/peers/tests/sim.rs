//! Peer sessions in a simulated world: the real sessions, routers, paths, rings, receipts, holds and backlogs of several servers, each in a
//! process of its own that may crash, stand still or have a clock of another speed; between them a network whose connections are
//! slow, break, and break for one side before the other. Devices publish numbered messages through any server, change servers, and wait for
//! acknowledgements; members come and go, and devices with them; settings are changed on any server.
//!
//! What is a model: agreement (one who sees everything, and gives leases in time; `membership/tests/sim` has the rest), the store, and the
//! actors of devices. What must never be seen stands in [`store`] and [`world`].
//!
//! A seed makes a run. `SIM_SEED=17 cargo test -p peers --test sim` repeats one, `SIM_SEEDS=5000` runs so many.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "sim/actors.rs"]
mod actors;
#[path = "sim/agreement.rs"]
mod agreement;
#[path = "sim/chance.rs"]
mod chance;
#[path = "sim/clients.rs"]
mod clients;
#[path = "sim/network.rs"]
mod network;
#[path = "sim/server.rs"]
mod server;
#[path = "sim/settings.rs"]
mod settings;
#[path = "sim/store.rs"]
mod store;
#[path = "sim/world.rs"]
mod world;

use world::{Told, World};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seed: u64) -> Told {
    match std::panic::catch_unwind(|| World::new(seed).run()) {
        Ok(told) => told,
        Err(panic) => {
            eprintln!("the run with SIM_SEED={seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_any_world() {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (worlds, begun) = (seeds.end - seeds.start, std::time::Instant::now());
    let mut sum = Told::default();
    for seed in seeds {
        sum.add(&run(seed));
    }
    println!("{worlds} worlds in {:.1} s: {sum}", begun.elapsed().as_secs_f64());
    // One world alone need not have all kinds of trouble.
    if worlds >= 100 {
        assert!(sum.saw_all(), "something never happened: {sum}");
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..5 {
        let (one, other) = (run(seed), run(seed));
        assert!(!one.trace.is_empty());
        for (device, trace) in &one.trace {
            assert_eq!(Some(trace), other.trace.get(device), "the run of seed {seed}");
        }
    }
}
