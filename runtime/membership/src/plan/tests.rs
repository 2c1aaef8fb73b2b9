//! Tables of what a leader does.

use cluster::PeerRecord;

use super::*;
use PeerState::{Down, Leaving, Up};

const TIMING: LeaseTiming = LeaseTiming::DEFAULT;
const NOW_MS: u64 = 100_000;

fn set(peers: &[u64]) -> BTreeSet<PeerId> {
    peers.iter().map(|id| PeerId(*id)).collect()
}

/// At epoch 5, everybody since epoch 5.
fn members(peers: &[(u64, PeerState)]) -> Members {
    let record = |state| PeerRecord {
        address: "a".to_owned(),
        version: "1".to_owned(),
        state,
        weight: 100,
        since: Epoch(5),
    };
    Members {
        epoch: Epoch(5),
        peers: peers.iter().map(|(id, state)| (PeerId(*id), record(*state))).collect(),
    }
}

/// Heard so long ago, with so much known and released.
fn sign(age_ms: u64, epoch: u64, released: u64) -> Sign {
    Sign {
        at_ms: NOW_MS - age_ms,
        epoch: Epoch(epoch),
        released: Epoch(released),
        address: "a".to_owned(),
        version: "1".to_owned(),
    }
}

fn next(members: &Members, voters: &[u64], learners: &[u64], signs: &[(u64, Sign)], led_ms: u64) -> Option<Step> {
    let signs = signs.iter().map(|(id, sign)| (PeerId(*id), sign.clone())).collect();
    let view = View {
        members,
        voters: &set(voters),
        learners: &set(learners),
        signs: &signs,
        leader: PeerId(1),
        leads_since_ms: NOW_MS - led_ms,
        now_ms: NOW_MS,
        timing: TIMING,
    };
    view.next()
}

#[test]
fn who_is_silent_for_too_long_is_given_up() {
    let three = members(&[(1, Up), (2, Up), (3, Up)]);
    let signs = |age| [(1, sign(0, 5, 5)), (2, sign(age, 5, 5)), (3, sign(0, 5, 5))];
    let given_up = |age, led| next(&three, &[1, 2, 3], &[], &signs(age), led);
    assert_eq!(given_up(TIMING.failure_ms - 1, 60_000), None);
    assert_eq!(given_up(TIMING.failure_ms, 60_000), Some(Step::Down(PeerId(2))));
    assert_eq!(
        given_up(60_000, TIMING.failure_ms - 1),
        None,
        "a new leader gives everybody their time again"
    );
    assert_eq!(given_up(60_000, TIMING.failure_ms), Some(Step::Down(PeerId(2))));
    let nobody = |led| next(&three, &[1, 2, 3], &[], &[], led);
    assert_eq!(nobody(TIMING.failure_ms - 1), None);
    assert_eq!(nobody(TIMING.failure_ms), Some(Step::Down(PeerId(2))), "never the leader itself");
    let down = members(&[(1, Up), (2, Down), (3, Up)]);
    assert_eq!(next(&down, &[1, 2, 3], &[], &signs(60_000), 60_000), None, "once is enough");
}

#[test]
fn who_comes_is_told_first_then_serves_then_votes() {
    let here = (1, sign(0, 5, 5));
    let coming = |age, epoch| [here.clone(), (2, sign(age, epoch, 0))];
    let admitted = members(&[(1, Up), (2, Down)]);
    assert_eq!(
        next(&admitted, &[1], &[], std::slice::from_ref(&here), 60_000),
        None,
        "no sign of life"
    );
    assert_eq!(next(&admitted, &[1], &[], &coming(1_000, 0), 60_000), None, "an old one");
    assert_eq!(next(&admitted, &[1], &[], &coming(0, 0), 60_000), Some(Step::Teach(PeerId(2))));
    assert_eq!(
        next(&admitted, &[1], &[2], &coming(0, 4), 60_000),
        None,
        "it does not know everything yet"
    );
    assert_eq!(next(&admitted, &[1], &[2], &coming(0, 5), 60_000), Some(Step::Up(PeerId(2))));
    let three = members(&[(1, Up), (2, Up), (3, Up)]);
    let all = [here.clone(), (2, sign(0, 5, 5)), (3, sign(0, 5, 5))];
    assert_eq!(next(&three, &[1], &[2, 3], &all, 60_000), Some(Step::Vote(set(&[1, 2, 3]))));
    assert_eq!(next(&three, &[1, 2, 3], &[], &all, 60_000), None);
}

#[test]
fn who_comes_back_elsewhere_is_found_there() {
    let mut moved = sign(0, 4, 4);
    moved.address = "b".to_owned();
    let signs = [(1, sign(0, 5, 5)), (2, moved)];
    for state in [Up, Down, Leaving] {
        let two = members(&[(1, Up), (2, state)]);
        assert_eq!(next(&two, &[1], &[2], &signs, 60_000), Some(Step::Move(PeerId(2))));
    }
}

#[test]
fn who_leaves_is_forgotten_when_others_have_taken_over() {
    let leaving = members(&[(1, Up), (2, Up), (3, Up), (4, Leaving)]);
    let signs = |released| [1, 2, 3, 4].map(|id| (id, sign(0, 5, if id == 4 { released } else { 5 })));
    assert_eq!(next(&leaving, &[1, 2, 3], &[4], &signs(4), 60_000), None, "it has not let go yet");
    assert_eq!(next(&leaving, &[1, 2, 3], &[4], &signs(5), 60_000), Some(Step::Forget(PeerId(4))));
    assert_eq!(
        next(&leaving, &[1, 3, 4], &[2], &signs(5), 60_000),
        Some(Step::Vote(set(&[1, 2, 3]))),
        "not while it votes"
    );
    let gone = members(&[(1, Up), (2, Up), (3, Up)]);
    assert_eq!(next(&gone, &[1, 2, 3], &[4], &signs(5), 60_000), Some(Step::Untell(PeerId(4))));
}

#[test]
fn a_cluster_goes_on_to_what_all_its_servers_speak() {
    let newer = |peers: &[(u64, PeerState, &str)], fresh: &[u64], version: u32| {
        let mut members = members(&peers.iter().map(|(id, state, _)| (*id, *state)).collect::<Vec<_>>());
        for (id, _, told) in peers {
            members.peers.get_mut(&PeerId(*id)).unwrap().version = (*told).to_owned();
        }
        let view = View {
            members: &members,
            voters: &set(&[1]),
            learners: &set(&[]),
            signs: &fresh.iter().map(|id| (PeerId(*id), sign(0, 5, 5))).collect(),
            leader: PeerId(1),
            leads_since_ms: 0,
            now_ms: NOW_MS,
            timing: TIMING,
        };
        view.newer_than(version)
    };
    let (one, two, three) = ("1+speaks.1-1", "1+speaks.1-2", "1+speaks.2-3");
    for (peers, fresh, version, expected) in [
        (vec![(1, Up, three)], vec![1], 1, Some(3)),
        (vec![(1, Up, three)], vec![1], 3, None),
        (vec![(1, Up, two)], vec![1], 3, None),
        (vec![(1, Up, three), (2, Up, two)], vec![1, 2], 1, Some(2)),
        (vec![(1, Up, three), (2, Up, one)], vec![1, 2], 1, None),
        (vec![(1, Up, three), (2, Up, "1")], vec![1, 2], 1, None),
        (vec![(1, Up, three), (2, Leaving, one)], vec![1, 2], 1, None),
        // Who is down may come back as it was.
        (vec![(1, Up, three), (2, Down, one)], vec![1], 1, None),
        (vec![(1, Up, three), (2, Down, two)], vec![1], 1, Some(2)),
        // Who is coming may turn out to be not well.
        (vec![(1, Up, three), (2, Down, two)], vec![1, 2], 1, None),
    ] {
        assert_eq!(newer(&peers, &fresh, version), expected, "{peers:?} {fresh:?} {version}");
    }
}

#[test]
fn an_odd_number_votes() {
    let all_up = |count: u64| (1..=count).map(|id| (id, Up)).collect::<Vec<_>>();
    for (peers, now, wanted) in [
        (all_up(1), vec![1], vec![1]),
        (all_up(2), vec![1], vec![1]),
        (all_up(3), vec![1], vec![1, 2, 3]),
        (all_up(4), vec![1, 2, 4], vec![1, 2, 4]),
        (all_up(7), vec![1, 2, 3], vec![1, 2, 3, 4, 5]),
        (all_up(7), vec![1, 3, 5, 6, 7], vec![1, 3, 5, 6, 7]),
        // One that is down keeps its vote as long as nobody else can have it.
        (vec![(1, Up), (2, Up), (3, Down)], vec![1, 2, 3], vec![1, 2, 3]),
        (vec![(1, Up), (2, Up), (3, Down), (4, Up)], vec![1, 2, 3], vec![1, 2, 4]),
        (vec![(1, Up), (2, Down), (3, Down)], vec![1, 2, 3], vec![1, 2, 3]),
        // One that was never up has none.
        (vec![(1, Up), (2, Down), (3, Down)], vec![1], vec![1]),
        // Who leaves votes no more, be it the leader.
        (vec![(1, Leaving), (2, Up), (3, Up), (4, Up)], vec![1, 2, 3], vec![2, 3, 4]),
        (vec![(1, Up), (2, Leaving), (3, Up)], vec![1, 2, 3], vec![1]),
    ] {
        assert_eq!(voters(&members(&peers), &set(&now), PeerId(1)), set(&wanted), "{peers:?} {now:?}");
    }
}

#[test]
fn an_epoch_is_settled_when_all_who_live_have_let_go() {
    let settled = |members: &Members, signs: &[(u64, Sign)]| {
        let view = View {
            members,
            voters: &set(&[1]),
            learners: &set(&[]),
            signs: &signs.iter().map(|(id, sign)| (PeerId(*id), sign.clone())).collect(),
            leader: PeerId(1),
            leads_since_ms: 0,
            now_ms: NOW_MS,
            timing: TIMING,
        };
        view.settled().0
    };
    let three = members(&[(1, Up), (2, Leaving), (3, Down)]);
    assert_eq!(settled(&three, &[(1, sign(0, 5, 5))]), 0, "nothing is known of 2");
    assert_eq!(settled(&three, &[(1, sign(0, 5, 5)), (2, sign(0, 5, 4))]), 4);
    assert_eq!(
        settled(&three, &[(1, sign(0, 5, 5)), (2, sign(0, 5, 5)), (3, sign(0, 5, 1))]),
        5,
        "3 has no lease"
    );
    assert_eq!(
        settled(&three, &[(1, sign(0, 7, 7)), (2, sign(0, 7, 7))]),
        5,
        "who else there is at 7 is not known here"
    );
}

#[test]
fn leases_are_granted_by_a_leader_that_a_quorum_confirmed() {
    let three = members(&[(1, Up), (2, Leaving), (3, Down)]);
    let granted = |peer, confirmed| lease_ms(&three, PeerId(peer), &set(&[]), confirmed, NOW_MS, TIMING) > 0;
    let recently = Some(NOW_MS - TIMING.quorum_ms);
    assert_eq!([1, 2, 3, 4].map(|peer| granted(peer, recently)), [true, true, false, false]);
    assert!(!granted(1, Some(NOW_MS - TIMING.quorum_ms - 1)));
    assert!(!granted(1, None));
}

#[test]
fn who_is_being_given_up_gets_no_lease_any_more() {
    let mut given_up = set(&[2]);
    let lease = |members: &Members, given_up: &BTreeSet<PeerId>| lease_ms(members, PeerId(2), given_up, Some(NOW_MS), NOW_MS, TIMING);
    let before = members(&[(1, Up), (2, Up)]);
    still_given_up(&before, &mut given_up);
    assert_eq!(lease(&before, &given_up), 0, "it is decided, and not agreed on yet");
    let agreed = members(&[(1, Up), (2, Down)]);
    still_given_up(&agreed, &mut given_up);
    assert_eq!((lease(&agreed, &given_up), given_up.len()), (0, 0));
    assert_eq!(lease(&before, &given_up), TIMING.lease_ms, "it came back");
}
