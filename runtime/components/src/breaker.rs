//! When a version is stopped: a table of faults and times, and what is done about it. Pure.

use std::collections::VecDeque;

use model::Digest;

/// How much harm is suffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Faults that stop a version, when they come within the window.
    pub faults_max: usize,
    /// Milliseconds.
    pub window_ms: i64,
}

impl Default for Policy {
    /// A node whose every message traps is restarted five times within two seconds: its pauses double.
    fn default() -> Self {
        Policy {
            faults_max: 5,
            window_ms: 60_000,
        }
    }
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on: its node is restarted.
    Go,
    /// It is stopped now.
    Suspend,
    /// It is stopped already: an instance that was still at work.
    Stopped,
}

/// The faults of one version at work for one tenant.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: Policy,
    faults: VecDeque<i64>,
    stopped: bool,
}

impl Breaker {
    /// No fault yet.
    pub fn new(policy: Policy) -> Self {
        Breaker {
            policy,
            faults: VecDeque::with_capacity(policy.faults_max),
            stopped: false,
        }
    }

    /// A fault at a time.
    pub fn fault(&mut self, now_ms: i64) -> Verdict {
        if self.stopped {
            return Verdict::Stopped;
        }
        let since = now_ms.saturating_sub(self.policy.window_ms);
        while self.faults.front().is_some_and(|at| *at <= since) {
            self.faults.pop_front();
        }
        self.faults.push_back(now_ms);
        if self.faults.len() < self.policy.faults_max {
            return Verdict::Go;
        }
        self.faults.clear();
        self.stopped = true;
        Verdict::Suspend
    }
}

/// What is done when a version was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Its nodes fail their messages until somebody activates a version.
    Wait,
    /// The version before serves again. It is not rolled back from in turn.
    RollBack(Digest),
}

/// Decides about a stopped version: only what is still active is rolled back from.
pub fn remedy(stopped: Digest, active: Option<Digest>, previous: Option<Digest>, auto_rollback: bool) -> Remedy {
    match previous {
        Some(before) if auto_rollback && active == Some(stopped) && before != stopped => Remedy::RollBack(before),
        _ => Remedy::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Go, Stopped, Suspend};

    #[test]
    fn faults_within_the_window_stop_a_version_once() {
        let policy = Policy {
            faults_max: 3,
            window_ms: 100,
        };
        let cases: [(&str, &[(i64, Verdict)]); 5] = [
            ("a storm", &[(0, Go), (1, Go), (2, Suspend), (3, Stopped), (500, Stopped)]),
            ("now and then", &[(0, Go), (100, Go), (200, Go), (300, Go)]),
            ("two, a pause, three", &[(0, Go), (1, Go), (150, Go), (151, Go), (152, Suspend)]),
            ("just within", &[(0, Go), (50, Go), (99, Suspend)]),
            ("a clock set back", &[(1_000, Go), (0, Go), (1, Suspend)]),
        ];
        for (what, faults) in cases {
            let mut breaker = Breaker::new(policy);
            for (at, verdict) in faults {
                assert_eq!(breaker.fault(*at), *verdict, "{what}, at {at}");
            }
        }
    }

    #[test]
    fn only_who_asked_for_it_is_rolled_back_and_only_once() {
        let (one, two) = (Digest([1; 32]), Digest([2; 32]));
        let cases = [
            (Some(two), Some(one), true, Remedy::RollBack(one)),
            (Some(two), Some(one), false, Remedy::Wait),
            (Some(two), None, true, Remedy::Wait),
            // Somebody activated another one meanwhile.
            (Some(one), Some(two), true, Remedy::Wait),
            (None, Some(one), true, Remedy::Wait),
            (Some(two), Some(two), true, Remedy::Wait),
        ];
        for (active, previous, auto, expected) in cases {
            assert_eq!(remedy(two, active, previous, auto), expected, "{active:?} {previous:?} {auto}");
        }
    }
}
