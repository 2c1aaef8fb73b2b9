//! For how long a peer may own devices without hearing that it still belongs to the cluster. Pure.
//!
//! A peer that is cut off must stop owning before others take over. It cannot be told, so it has to know by itself: what it owns, it owns on
//! a lease that the leader renews. All times are a peer's own, monotonic; no two clocks are compared, only their speeds:
//!
//! ```text
//! peer     sends a sign of life at t ───────────────────────── owns until t + lease
//! leader          hears of it later, at t' ≥ t ───────────────────────── gives it up at t' + failure
//! ```
//!
//! A leader that was deposed and does not know must not go on renewing: it renews only if a quorum confirmed it at most `quorum`
//! ago. Its successor gives nobody up until it has led for `failure`. So whatever was renewed last has ended before,
//! if `quorum + lease < failure` even with clocks that differ in speed ([`LeaseTiming::is_safe`]).

/// How long things take at most, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How often a peer gives a sign of life.
    pub heartbeat_ms: u64,
    /// How long a peer owns devices after a sign of life that the leader answered.
    pub lease_ms: u64,
    /// How old a quorum's confirmation may be with which a leader renews leases.
    pub quorum_ms: u64,
    /// How long a peer may be silent before it is given up.
    pub failure_ms: u64,
}

/// By how much the speeds of two clocks may differ: one part in so many. Real ones differ by one in 5 000 at most.
const DRIFT: u64 = 50;

impl LeaseTiming {
    /// A lease that outlasts the election of a leader, and a peer's end that is noticed within two seconds.
    pub const DEFAULT: LeaseTiming = LeaseTiming {
        heartbeat_ms: 100,
        lease_ms: 1_200,
        quorum_ms: 300,
        failure_ms: 1_700,
    };

    /// Whether a lease always ends before its peer is given up.
    pub fn is_safe(&self) -> bool {
        let longest = self.quorum_ms + self.lease_ms;
        self.heartbeat_ms > 0 && longest + longest / DRIFT < self.failure_ms
    }
}

/// A peer's lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    until_ms: Option<u64>,
}

impl Lease {
    /// The lease of a server that runs alone.
    pub const FOREVER: Lease = Lease { until_ms: Some(u64::MAX) };

    /// The leader answered a sign of life that was sent at this time. An answer that comes late never shortens the lease.
    pub fn renew(&mut self, sent_ms: u64, lease_ms: u64) {
        let until_ms = sent_ms.saturating_add(lease_ms);
        self.until_ms = Some(self.until_ms.map_or(until_ms, |before| before.max(until_ms)));
    }

    /// The peer was told that it does not belong to the cluster now.
    pub fn end(&mut self) {
        self.until_ms = None;
    }

    /// Whether the peer may own devices.
    pub fn holds(&self, now_ms: u64) -> bool {
        self.until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }

    /// How long it holds from now.
    pub fn left_ms(&self, now_ms: u64) -> u64 {
        self.until_ms.map_or(0, |until_ms| until_ms.saturating_sub(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_when_the_sign_of_life_was_sent() {
        let mut lease = Lease::default();
        assert!(!lease.holds(0), "nobody owns anything before the leader said so");
        lease.renew(1_000, 500);
        assert_eq!([999, 1_499, 1_500].map(|now| lease.holds(now)), [true, true, false]);
        lease.renew(900, 500);
        assert!(lease.holds(1_499), "a late answer shortens nothing");
        assert_eq!((lease.left_ms(1_400), lease.left_ms(2_000)), (100, 0));
        lease.end();
        assert!(!lease.holds(1_001));
        assert!(Lease::FOREVER.holds(u64::MAX - 1));
    }

    #[test]
    fn times_must_leave_room_for_a_deposed_leader_and_slow_clocks() {
        let good = LeaseTiming::DEFAULT;
        assert!(good.is_safe());
        for bad in [
            LeaseTiming { lease_ms: 1_400, ..good },
            LeaseTiming { quorum_ms: 500, ..good },
            LeaseTiming { failure_ms: 1_500, ..good },
            LeaseTiming { failure_ms: 1_520, ..good },
            LeaseTiming { heartbeat_ms: 0, ..good },
        ] {
            assert!(!bad.is_safe(), "{bad:?}");
        }
    }
}
