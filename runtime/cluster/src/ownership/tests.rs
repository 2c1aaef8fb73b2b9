//! Tables of moves: who may serve a device while member lists change.

use std::collections::BTreeMap;

use model::TenantId;
use uuid::Uuid;

use super::*;
use crate::members::{PeerRecord, PeerState, WEIGHT};

const ME: PeerId = PeerId(1);

fn members(epoch: u64, up: &[u64]) -> Members {
    let record = |id: &u64| {
        let record = PeerRecord {
            address: String::new(),
            version: String::new(),
            state: PeerState::Up,
            weight: WEIGHT,
            since: Epoch(epoch),
        };
        (PeerId(*id), record)
    };
    Members {
        epoch: Epoch(epoch),
        peers: up.iter().map(record).collect::<BTreeMap<_, _>>(),
    }
}

/// A device that peer 1 owns among 1 and 2, or that peer 2 does.
fn device(owner: u64) -> DeviceId {
    let ring = HashRing::of(&members(1, &[1, 2]));
    let mut devices = (1..).map(|number| DeviceId::new(TenantId::SYSTEM, Uuid::from_u128(number)));
    devices.find(|device| ring.owner(*device) == Some(PeerId(owner))).unwrap()
}

fn with_lease() -> Ownership {
    let mut ownership = Ownership::new(ME);
    ownership.lease().renew(0, 1_000);
    ownership
}

fn here(epoch: u64, since: u64) -> Standing {
    Standing::Here(owner(1, epoch, since))
}

fn owner(peer: u64, epoch: u64, since: u64) -> Owner {
    Owner {
        peer: PeerId(peer),
        epoch: Epoch(epoch),
        since: Epoch(since),
    }
}

const HANDOVER: Standing = Standing::Soon(Pending::Handover);

#[test]
fn nothing_is_owned_before_anything_is_known() {
    let mut ownership = with_lease();
    assert_eq!(ownership.standing(device(1), 0), Standing::Soon(Pending::NoPeers));
    ownership.members(&members(1, &[]));
    assert_eq!(ownership.standing(device(1), 0), Standing::Soon(Pending::NoPeers));
}

#[test]
fn a_device_that_stays_goes_on_and_one_that_comes_waits() {
    let mut ownership = with_lease();
    assert!(ownership.members(&members(1, &[1, 2])));
    assert_eq!(
        ownership.standing(device(1), 0),
        HANDOVER,
        "who starts does not know who served it before"
    );
    assert!(ownership.settle(Epoch(1)));
    assert_eq!(ownership.standing(device(1), 0), here(1, 1));
    assert_eq!(ownership.standing(device(2), 0), Standing::There(owner(2, 1, 1)));

    assert!(ownership.members(&members(2, &[1])), "peer 2 is gone");
    assert_eq!(ownership.standing(device(1), 0), here(2, 1), "it stays");
    assert_eq!(ownership.standing(device(2), 0), HANDOVER);
    ownership.settle(Epoch(2));
    assert_eq!(ownership.standing(device(2), 0), here(2, 2));

    assert!(!ownership.members(&members(2, &[1, 2])), "an epoch has one list");
    assert!(!ownership.members(&members(1, &[1, 2])), "and lists do not go back");
    assert!(!ownership.settle(Epoch(1)));
}

#[test]
fn a_device_that_was_away_in_between_waits() {
    let mut ownership = with_lease();
    ownership.members(&members(1, &[1]));
    ownership.settle(Epoch(1));
    ownership.members(&members(2, &[2]));
    ownership.members(&members(3, &[1]));
    for mine in [device(1), device(2)] {
        assert_eq!(ownership.standing(mine, 0), HANDOVER);
    }
    ownership.settle(Epoch(2));
    assert_eq!(
        ownership.standing(device(1), 0),
        HANDOVER,
        "peer 2 owned it at 2, and may not have let go"
    );
    ownership.settle(Epoch(3));
    assert_eq!(ownership.standing(device(1), 0), here(3, 3));
}

#[test]
fn who_missed_an_epoch_waits_with_everything() {
    let mut ownership = with_lease();
    ownership.members(&members(1, &[1, 2]));
    ownership.settle(Epoch(1));
    ownership.members(&members(3, &[1, 2]));
    assert_eq!(ownership.standing(device(1), 0), HANDOVER, "2 may have given it to somebody");
    assert_eq!(ownership.standing_of(device(1), Epoch(2), 0), Err(Epoch(3)));
    ownership.settle(Epoch(3));
    assert_eq!(ownership.standing(device(1), 0), here(3, 3));
}

#[test]
fn without_a_lease_nothing_is_owned() {
    let mut ownership = with_lease();
    ownership.members(&members(1, &[1, 2]));
    ownership.settle(Epoch(1));
    assert_eq!(ownership.standing(device(1), 999), here(1, 1));
    assert_eq!(ownership.standing(device(1), 1_000), Standing::Soon(Pending::NoLease));
    assert!(
        matches!(ownership.standing(device(2), 1_000), Standing::There(_)),
        "others may be reached all the same"
    );
    ownership.lease().renew(1_500, 1_000);
    assert_eq!(ownership.standing(device(1), 1_600), here(1, 1));
}

#[test]
fn deliveries_of_an_older_ring_are_sent_again() {
    let mut ownership = with_lease();
    ownership.members(&members(4, &[1, 2]));
    ownership.settle(Epoch(4));
    ownership.members(&members(5, &[1]));
    ownership.settle(Epoch(5));
    let standing = |device, sent| ownership.standing_of(device, Epoch(sent), 0);
    assert_eq!(standing(device(1), 4), Ok(here(5, 4)), "it was here at 4 already");
    assert_eq!(standing(device(2), 4), Err(Epoch(5)), "it came with 5");
    assert_eq!(standing(device(2), 5), Ok(here(5, 5)));
    assert_eq!(standing(device(2), 6), Ok(Standing::Soon(Pending::NewerEpoch)));
    assert_eq!(standing(device(1), 3), Err(Epoch(5)), "what was at 3 is not remembered");
}

#[test]
fn a_refusal_lasts_until_the_device_is_sent_by_the_new_ring() {
    let mut ownership = with_lease();
    ownership.members(&members(1, &[1]));
    ownership.members(&members(2, &[2]));
    ownership.settle(Epoch(2));
    assert_eq!(ownership.standing_of(device(1), Epoch(1), 0), Err(Epoch(2)), "the first is refused");
    ownership.members(&members(3, &[1]));
    ownership.settle(Epoch(3));
    assert_eq!(
        ownership.standing_of(device(1), Epoch(1), 0),
        Err(Epoch(3)),
        "so the second must not pass it"
    );
    assert_eq!(ownership.standing_of(device(1), Epoch(3), 0), Ok(here(3, 3)));
}

#[test]
fn only_so_many_rings_are_remembered() {
    let mut ownership = with_lease();
    ownership.members(&members(1, &[1]));
    ownership.settle(Epoch(1));
    for epoch in 2..30 {
        ownership.members(&members(epoch, &[1]));
    }
    assert_eq!(ownership.rings.len(), RINGS_MAX);
    assert_eq!(ownership.standing(device(1), 0), HANDOVER, "what came of it since is forgotten");
    ownership.settle(Epoch(29));
    assert_eq!(ownership.standing(device(1), 0), here(29, 22));
}
