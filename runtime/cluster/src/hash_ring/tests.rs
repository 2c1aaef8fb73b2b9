//! What the ring promises: balance, little movement, the same placement everywhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::TenantId;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// Devices looked at in one case.
const DEVICES: u128 = 60_000;

fn device(number: u128) -> DeviceId {
    // Multiplied, so that ids look like ids.
    let id = Uuid::from_u128(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    DeviceId::new(TenantId(Uuid::from_u128(number % 7)), id)
}

fn even(peers: impl IntoIterator<Item = u64>, virtual_nodes: u32) -> HashRing {
    HashRing::new(Epoch(1), peers.into_iter().map(|id| (PeerId(id), WEIGHT)), virtual_nodes)
}

fn shares(ring: &HashRing, from: u128) -> HashMap<PeerId, u32> {
    let mut shares = HashMap::new();
    for number in from..from + DEVICES {
        *shares.entry(ring.owner(device(number)).unwrap()).or_default() += 1;
    }
    shares
}

/// How many devices have another owner.
fn moved(one: &HashRing, other: &HashRing, from: u128) -> f64 {
    let moved = (from..from + DEVICES).filter(|number| one.owner(device(*number)) != other.owner(device(*number)));
    moved.count() as f64 / DEVICES as f64
}

fn peers(most: usize) -> impl Strategy<Value = BTreeSet<u64>> {
    proptest::collection::btree_set(any::<u64>(), 2..=most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_largest_share_is_near_the_mean(peers in peers(12), virtual_nodes in 128u32..600, from: u64) {
        let shares = shares(&even(peers.iter().copied(), virtual_nodes), from.into());
        let mean = DEVICES as f64 / peers.len() as f64;
        let most = f64::from(*shares.values().max().unwrap());
        prop_assert_eq!(shares.len(), peers.len());
        prop_assert!(most / mean <= 1.15, "{} of {} peers with {} points", most / mean, peers.len(), virtual_nodes);
    }

    #[test]
    fn a_peer_that_comes_or_goes_moves_its_share_and_no_other(peers in peers(12), from: u64) {
        let all = even(peers.iter().copied(), VIRTUAL_NODES);
        let some = even(peers.iter().skip(1).copied(), VIRTUAL_NODES);
        let share = moved(&all, &some, from.into());
        prop_assert!(share <= 1.2 / peers.len() as f64, "{share} of {} peers", peers.len());
        let newcomer = PeerId(*peers.first().unwrap());
        for number in (u128::from(from)..).take(5_000) {
            let (before, after) = (some.owner(device(number)), all.owner(device(number)));
            prop_assert!(before == after || after == Some(newcomer), "it moved between peers that stayed");
        }
    }

    #[test]
    fn the_order_of_peers_does_not_matter(peers in peers(9), from: u64) {
        let one = even(peers.iter().copied(), VIRTUAL_NODES);
        let other = even(peers.iter().rev().copied(), VIRTUAL_NODES);
        prop_assert_eq!(moved(&one, &other, from.into()), 0.0);
    }
}

#[test]
fn weights_are_shares() {
    let weights = BTreeMap::from([(PeerId(1), 100), (PeerId(2), 200), (PeerId(3), 50), (PeerId(4), 0)]);
    let shares = shares(&HashRing::new(Epoch(1), weights.clone(), 256), 0);
    for (peer, weight) in weights {
        let share = f64::from(shares.get(&peer).copied().unwrap_or(0)) / DEVICES as f64;
        let due = f64::from(weight) / 350.0;
        assert!((share - due).abs() < 0.04, "{peer:?}: {share}, due {due}");
    }
    assert!(!shares.contains_key(&PeerId(4)));
}

#[test]
fn without_peers_nobody_owns_anything() {
    assert_eq!(even([], VIRTUAL_NODES).owner(device(1)), None);
    assert_eq!(even([9], VIRTUAL_NODES).owner(device(1)), Some(PeerId(9)));
}

/// Peers of different versions must agree: a change here moves devices in the middle of a rolling upgrade.
#[test]
fn placement_never_changes() {
    let ring = even(1..=5, VIRTUAL_NODES);
    let owners: Vec<u64> = (0..24).map(|number| ring.owner(device(number)).unwrap().0).collect();
    assert_eq!(owners, GOLDEN);
}

const GOLDEN: [u64; 24] = [1, 2, 4, 2, 1, 4, 3, 4, 5, 3, 3, 2, 4, 4, 1, 3, 1, 4, 5, 3, 4, 4, 5, 2];
