//! Counters and latency distributions: one set for each worker thread, merged at the end.
//!
//! A worker's set is touched by that thread alone, so recording costs no lock. Knows no socket.

use hdrhistogram::Histogram;

use crate::error::SimError;
use crate::inflight::Message;
use crate::latencies::Latencies;

/// The largest latency told apart, in microseconds: ten minutes. Larger ones count as this.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Error texts kept; further ones are only counted.
const TEXTS_MAX: usize = 5;

/// What happened, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Different messages handed to a connection.
    pub sent: u64,
    /// Messages the broker took over.
    pub acknowledged: u64,
    /// Messages in the distributions: due after the warm-up, and acknowledged (QoS 0: written).
    pub measured: u64,
    /// Repetitions after a lost connection.
    pub resent: u64,
    /// Connections lost during the run.
    pub lost: u64,
    /// Connections made again.
    pub reconnected: u64,
    /// Attempts to connect again that failed or were refused.
    pub failed_attempts: u64,
    /// Packets from the broker that fit nothing that was sent.
    pub unexpected: u64,
    /// QoS 0 messages in the hands of a connection when it was lost.
    pub dropped: u64,
    /// When the last measured message was settled, in nanoseconds since the start.
    pub last_settled: u64,
    /// The first few error texts.
    pub texts: Vec<String>,
}

/// Counters and distributions of one worker, or of all.
#[derive(Debug)]
pub struct Stats {
    /// From the due time to the acknowledgement, in microseconds. This is what a user of the broker would wait.
    pub latency: Histogram<u64>,
    /// From the writing of the message to the acknowledgement, in microseconds. Smaller than `latency` by what the message waited here
    /// for a free place in the window or for the processor.
    pub service: Histogram<u64>,
    /// What happened.
    pub counters: Counters,
    /// The latency of each measured message, if they are kept.
    pub latencies: Option<Latencies>,
    measured_from: u64,
}

impl Stats {
    /// An empty set; messages due before `measured_from` nanoseconds are counted and not measured.
    ///
    /// # Errors
    /// [`SimError::Internal`] if the distributions cannot be made.
    pub fn new(measured_from: u64) -> Result<Stats, SimError> {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).map_err(|error| SimError::Internal(error.to_string()));
        Ok(Stats {
            latency: histogram()?,
            service: histogram()?,
            counters: Counters::default(),
            latencies: None,
            measured_from,
        })
    }

    /// Keeps the latency of each measured message, if `keep`.
    #[must_use]
    pub fn keeping(self, keep: bool) -> Stats {
        Stats {
            latencies: keep.then(Latencies::default),
            ..self
        }
    }

    /// Notes that `message` was acknowledged (QoS 0: written) at `now`.
    pub fn settled(&mut self, message: &Message, now: u64) {
        if message.due < self.measured_from {
            return;
        }
        self.counters.measured += 1;
        self.counters.last_settled = self.counters.last_settled.max(now);
        let latency_us = now.saturating_sub(message.due) / 1000;
        self.latency.saturating_record(latency_us);
        if let Some(latencies) = &mut self.latencies {
            latencies.record(message.due, latency_us);
        }
        self.service.saturating_record(now.saturating_sub(message.sent) / 1000);
    }

    /// Keeps the text of an error, if there are not many yet.
    pub fn note(&mut self, error: &SimError) {
        if self.counters.texts.len() < TEXTS_MAX {
            self.counters.texts.push(error.to_string());
        }
    }

    /// Adds another worker's set.
    ///
    /// # Errors
    /// [`SimError::Internal`] if the distributions do not fit together.
    pub fn merge(&mut self, other: Stats) -> Result<(), SimError> {
        let internal = |error: hdrhistogram::AdditionError| SimError::Internal(error.to_string());
        self.latency.add(&other.latency).map_err(internal)?;
        self.service.add(&other.service).map_err(internal)?;
        if let (Some(latencies), Some(more)) = (&mut self.latencies, other.latencies) {
            latencies.merge(more);
        }
        let (sum, more) = (&mut self.counters, other.counters);
        sum.sent += more.sent;
        sum.acknowledged += more.acknowledged;
        sum.measured += more.measured;
        sum.resent += more.resent;
        sum.lost += more.lost;
        sum.reconnected += more.reconnected;
        sum.failed_attempts += more.failed_attempts;
        sum.unexpected += more.unexpected;
        sum.dropped += more.dropped;
        sum.last_settled = sum.last_settled.max(more.last_settled);
        sum.texts.extend(more.texts);
        sum.texts.truncate(TEXTS_MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(due: u64, sent: u64) -> Message {
        Message { seq: 0, ts: 0, due, sent }
    }

    #[test]
    fn latency_counts_from_the_due_time() {
        let mut stats = Stats::new(1_000_000).expect("stats");
        stats.settled(&message(999_999, 1_000_000), 5_000_000);
        stats.settled(&message(2_000_000, 102_000_000), 103_000_000);
        assert_eq!(stats.counters.measured, 1, "the warm-up is not measured");
        assert!(stats.latency.max().abs_diff(101_000) <= 101, "waiting to be sent counts");
        assert_eq!(stats.service.max(), 1000);
    }

    #[test]
    fn merging_adds_counts_and_distributions() {
        let mut sum = Stats::new(0).expect("stats");
        for now in [3_000, 9_000_000] {
            let mut other = Stats::new(0).expect("stats");
            other.counters.sent = 2;
            other.settled(&message(0, 0), now);
            (0..4).for_each(|_| other.note(&SimError::Options("no".into())));
            sum.merge(other).expect("same bounds");
        }
        assert_eq!(
            (sum.counters.sent, sum.counters.measured, sum.counters.last_settled),
            (4, 2, 9_000_000)
        );
        assert_eq!((sum.latency.len(), sum.latency.min()), (2, 3));
        assert_eq!(sum.counters.texts.len(), TEXTS_MAX);
    }
}
