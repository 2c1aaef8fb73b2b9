//! The pure parts – state, plan, leases, ownership, rings – driven by a simulated world of its own: messages that are late, lost and
//! reordered, partitions, crashes, processes that are stopped and go on, clocks of different speeds. Agreement itself is a model: a leader
//! commits what a majority of those who vote can hear at that moment.
//!
//! A seed makes a run. `SIM_SEED=17 cargo test -p membership --test sim` repeats one, `SIM_SEEDS=5000` runs so many.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "sim/network.rs"]
mod network;
#[path = "sim/peer.rs"]
mod peer;
#[path = "sim/world.rs"]
mod world;

use world::World;

/// Seeds of an ordinary test run.
const SEEDS: u64 = 150;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn one_owner_in_every_world() {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let mut moves = 0;
    for seed in seeds {
        let told = std::panic::catch_unwind(|| World::new(seed).run());
        match told {
            Ok(epochs) => moves += epochs,
            Err(panic) => {
                eprintln!("the run with SIM_SEED={seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(moves > 0, "nothing ever happened");
}
