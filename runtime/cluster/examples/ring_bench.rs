//! What the ring costs with the number of servers: making it, asking it, and how many devices move. `cargo run -p cluster --example ring_bench`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use cluster::hash_ring::VIRTUAL_NODES;
use cluster::members::WEIGHT;
use cluster::{Epoch, HashRing, Members, Ownership, PeerId, PeerRecord, PeerState, Standing};
use model::{DeviceId, TenantId};
use uuid::Uuid;

/// Devices looked at.
const DEVICES: u128 = 400_000;
/// Devices of a large cluster.
const ALL: f64 = 10_000_000.0;
/// Rings that a server remembers.
const RINGS: u64 = 8;
const ROUNDS: usize = 7;

fn device(number: u128) -> DeviceId {
    let id = Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    DeviceId::new(TenantId(Uuid::from_u128(number % 7)), id)
}

fn members(epoch: u64, servers: u64) -> Members {
    let record = PeerRecord {
        address: "10.0.0.1:7000".to_owned(),
        version: "0.1.0".to_owned(),
        state: PeerState::Up,
        weight: WEIGHT,
        since: Epoch(1),
    };
    Members {
        epoch: Epoch(epoch),
        peers: (1..=servers).map(|id| (PeerId(id), record.clone())).collect(),
    }
}

fn ring(servers: u64, points: u32) -> HashRing {
    HashRing::new(Epoch(1), (1..=servers).map(|id| (PeerId(id), WEIGHT)), points)
}

/// The fastest of a few rounds, in seconds.
fn best(mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        round();
        begun.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn owners(ring: &HashRing) -> Vec<Option<PeerId>> {
    (0..DEVICES).map(|number| ring.owner(device(number))).collect()
}

fn main() {
    println!("# the ring: best of {ROUNDS}; {DEVICES} devices; shares and moves of {ALL} devices follow from theirs");
    println!("| servers | points each | made in ms | owner ns | largest share / mean | one leaves: moves | 1/n | of 10 M devices |");
    println!("|---|---|---|---|---|---|---|---|");
    for points in [VIRTUAL_NODES, 256, 512] {
        for servers in [3, 10, 30, 100] {
            row(servers, points);
        }
    }
    println!();
    println!("# a server's own view: {RINGS} lists remembered, {VIRTUAL_NODES} points each");
    println!(
        "| servers | a new list taken in ms | standing ns, devices elsewhere | standing ns, devices here | look at 10 M / n devices, ms |"
    );
    println!("|---|---|---|---|---|");
    for servers in [3, 10, 30, 100] {
        view(servers);
    }
}

fn row(servers: u64, points: u32) {
    let made_s = best(|| drop(black_box(ring(servers, points))));
    let all = ring(servers, points);
    let asked_s = best(|| {
        for number in 0..DEVICES / 8 {
            black_box(all.owner(black_box(device(number))));
        }
    });
    let (before, after) = (owners(&all), owners(&ring(servers - 1, points)));
    let mut shares = BTreeMap::<_, u32>::new();
    before.iter().for_each(|owner| *shares.entry(*owner).or_default() += 1);
    let mean = DEVICES as f64 / servers as f64;
    let most = f64::from(shares.values().copied().max().unwrap_or_default()) / mean;
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count() as f64 / DEVICES as f64;
    println!(
        "| {servers} | {points} | {:.2} | {:.0} | {most:.3} | {:.2} % | {:.2} % | {:.0} |",
        made_s * 1e3,
        asked_s * 1e9 / (DEVICES / 8) as f64,
        moved * 100.0,
        100.0 / servers as f64,
        moved * ALL
    );
}

fn view(servers: u64) {
    let mut ownership = Ownership::new(PeerId(1));
    ownership.lease().renew(0, u64::MAX);
    for epoch in 1..=RINGS {
        ownership.members(&members(epoch, servers));
    }
    ownership.settle(Epoch(RINGS));
    let taken_s = best(|| {
        let mut fresh = ownership.clone();
        let list = members(RINGS + 1, servers);
        let begun = Instant::now();
        fresh.members(&list);
        black_box((fresh, begun));
    });
    let devices: Vec<DeviceId> = (0..DEVICES).map(device).collect();
    let (here, there): (Vec<_>, Vec<_>) = devices
        .into_iter()
        .partition(|device| matches!(ownership.standing(*device, 1), Standing::Here(_)));
    let ns = |devices: &[DeviceId]| {
        let asked = &devices[..devices.len().min(4_000)];
        let all_s = best(|| {
            for device in asked {
                black_box(ownership.standing(*device, 1));
            }
        });
        all_s * 1e9 / asked.len() as f64
    };
    let (elsewhere, own) = (ns(&there), ns(&here));
    println!(
        "| {servers} | {:.2} | {elsewhere:.0} | {own:.0} | {:.1} |",
        taken_s * 1e3,
        own * ALL / servers as f64 / 1e6
    );
}
