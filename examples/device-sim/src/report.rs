//! The result of a run: one structure, shown as lines for people or as one JSON line for programs.
//!
//! Pure. The JSON field names are an interface: other programs read them.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::check::Checked;
use crate::plan::Plan;
use crate::stats::Stats;

/// A distribution, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the messages took at most this.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p999: f64,
    /// All of them.
    pub max: f64,
    /// The average.
    pub mean: f64,
}

impl Latency {
    /// From microseconds; `None` if nothing was recorded.
    pub fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        let (max, mean) = (histogram.max() as f64 / 1000.0, histogram.mean() / 1000.0);
        Some(Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max,
            mean,
        })
    }
}

/// What went wrong with connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// Connections lost during the run.
    pub lost: u64,
    /// Connections made again.
    pub reconnected: u64,
    /// Attempts to connect again that failed or were refused.
    pub failed_attempts: u64,
    /// Messages sent again after a reconnection.
    pub resent: u64,
    /// Packets that fit nothing that was sent.
    pub unexpected: u64,
    /// QoS 0 messages in the hands of a lost connection.
    pub dropped: u64,
    /// The first few error texts.
    pub texts: Vec<String>,
}

/// The whole result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `open` (messages have due times) or `closed` (as fast as acknowledgements allow).
    pub mode: &'static str,
    /// Number of devices.
    pub devices: usize,
    /// 0 or 1.
    pub qos: u8,
    /// Unacknowledged publishes a device may have.
    pub window: usize,
    /// The rate asked for, in messages a second; 0 in closed loop.
    pub target_rate: u64,
    /// Length of the measurement, in seconds, without the warm-up.
    pub seconds: f64,
    /// Messages that were due in the whole run, with the warm-up; in closed loop those sent.
    pub scheduled: u64,
    /// Different messages sent.
    pub sent: u64,
    /// Messages the broker took over; 0 for QoS 0.
    pub acknowledged: u64,
    /// Sent with QoS 1 and never acknowledged.
    pub unacknowledged: u64,
    /// Due and never sent, because the window stayed full or the connection was gone.
    pub unsent: u64,
    /// Messages in the latencies: due after the warm-up and settled.
    pub measured: u64,
    /// Measured messages a second.
    pub rate: f64,
    /// From the due time to the acknowledgement (QoS 0: to the write).
    pub latency_ms: Option<Latency>,
    /// From the write to the acknowledgement.
    pub service_ms: Option<Latency>,
    /// What went wrong.
    pub errors: Errors,
    /// The comparison with the store, if one was asked for.
    pub verify: Option<Checked>,
}

impl Report {
    /// Makes the result of a run.
    pub fn new(plan: &Plan, stats: &Stats) -> Report {
        let counters = &stats.counters;
        let scheduled = if plan.open_loop() { plan.scheduled() } else { counters.sent };
        // A slow broker settles the last messages after the end; the rate must not profit from that.
        let nanos = plan.end().max(counters.last_settled).saturating_sub(plan.measured_from()).max(1);
        Report {
            mode: if plan.open_loop() { "open" } else { "closed" },
            devices: plan.devices,
            qos: plan.qos,
            window: plan.window,
            target_rate: plan.rate,
            seconds: plan.measured.as_secs_f64(),
            scheduled,
            sent: counters.sent,
            acknowledged: counters.acknowledged,
            unacknowledged: if plan.qos == 0 { 0 } else { counters.sent - counters.acknowledged },
            unsent: scheduled.saturating_sub(counters.sent),
            measured: counters.measured,
            rate: counters.measured as f64 * 1e9 / nanos as f64,
            latency_ms: Latency::of(&stats.latency),
            service_ms: Latency::of(&stats.service),
            errors: Errors {
                lost: counters.lost,
                reconnected: counters.reconnected,
                failed_attempts: counters.failed_attempts,
                resent: counters.resent,
                unexpected: counters.unexpected,
                dropped: counters.dropped,
                texts: counters.texts.clone(),
            },
            verify: None,
        }
    }

    /// Everything due was sent, and everything sent was settled; lost connections that came back are no harm.
    pub fn is_complete(&self) -> bool {
        let errors = &self.errors;
        let harm = [
            self.unacknowledged,
            self.unsent,
            errors.unexpected,
            errors.dropped,
            errors.lost - errors.reconnected.min(errors.lost),
        ];
        harm.iter().all(|count| *count == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = &self.errors;
        writeln!(
            out,
            "mode          {} loop, {} devices, QoS {}, window {}",
            self.mode, self.devices, self.qos, self.window
        )?;
        writeln!(out, "sent          {} of {} scheduled", self.sent, self.scheduled)?;
        writeln!(
            out,
            "acknowledged  {} ({} open, {} unsent)",
            self.acknowledged, self.unacknowledged, self.unsent
        )?;
        writeln!(
            out,
            "rate          {:.0} msg/s ({} measured in {:.1} s)",
            self.rate, self.measured, self.seconds
        )?;
        for (name, latency) in [("latency ms", self.latency_ms), ("service ms", self.service_ms)] {
            if let Some(latency) = latency {
                let Latency {
                    p50, p90, p99, p999, max, ..
                } = latency;
                writeln!(
                    out,
                    "{name:<13} p50 {p50:.3}  p90 {p90:.3}  p99 {p99:.3}  p99.9 {p999:.3}  max {max:.3}"
                )?;
            }
        }
        write!(
            out,
            "errors        {} lost, {} reconnected, {} failed attempts,",
            errors.lost, errors.reconnected, errors.failed_attempts
        )?;
        write!(
            out,
            " {} resent, {} unexpected, {} dropped",
            errors.resent, errors.unexpected, errors.dropped
        )?;
        for text in &errors.texts {
            write!(out, "\n              {text}")?;
        }
        match &self.verify {
            Some(checked) => write!(out, "\n{checked}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "verify        {}: {} sent, {} acknowledged,",
            if self.is_good() { "good" } else { "BAD" },
            self.sent,
            self.acknowledged
        )?;
        write!(
            out,
            " {} stored, {} missing, {} invented,",
            self.stored, self.missing, self.invented
        )?;
        write!(
            out,
            " {} out of order ({} stored unacknowledged, {} older)",
            self.disordered, self.unacknowledged_stored, self.older
        )?;
        match self.unknown_devices {
            0 => Ok(()),
            count => write!(out, "\n              the server does not know {count} of the devices"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflight::Message;
    use crate::plan::example;

    /// 100 messages are due, 90 of them measured; all sent, `acknowledged` of them acknowledged after 2 ms.
    fn report(acknowledged: u64) -> Report {
        let plan = example();
        let mut stats = Stats::new(plan.measured_from()).expect("stats");
        stats.counters.sent = 100;
        stats.counters.acknowledged = acknowledged;
        for k in 0..acknowledged {
            let due = plan.due(k).expect("due");
            stats.settled(
                &Message {
                    seq: k,
                    ts: k,
                    due,
                    sent: due + 1_000_000,
                },
                due + 2_000_000,
            );
        }
        Report::new(&plan, &stats)
    }

    #[test]
    fn counts_rates_and_latencies_agree() {
        let good = report(100);
        assert_eq!((good.scheduled, good.measured, good.unacknowledged, good.unsent), (100, 90, 0, 0));
        // The last acknowledgement comes 1 ms after the end: 90 messages in 91 ms.
        assert!((good.rate - 90.0 / 0.091).abs() < 1.0, "{}", good.rate);
        let (latency, service) = (good.latency_ms.expect("latency"), good.service_ms.expect("service"));
        assert!((latency.p50 - 2.0).abs() < 0.01 && (service.max - 1.0).abs() < 0.01);
        assert!(good.is_complete());
    }

    #[test]
    fn open_messages_make_it_incomplete() {
        assert!(!report(99).is_complete());
        let mut lost = report(100);
        lost.errors.lost = 1;
        assert!(!lost.is_complete());
        lost.errors.reconnected = 1;
        assert!(lost.is_complete());
    }

    #[test]
    fn json_is_one_line_with_all_results() {
        let mut report = report(100);
        report.verify = Some(Checked {
            sent: 100,
            missing: 1,
            ..Checked::default()
        });
        let line = serde_json::to_string(&report).expect("json");
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).expect("json");
        assert_eq!((&value["acknowledged"], &value["verify"]["missing"]), (&100.into(), &1.into()));
        assert!(value["latency_ms"]["p999"].is_f64());
    }

    #[test]
    fn people_see_the_percentiles_and_the_verdict() {
        let mut report = report(100);
        report.verify = Some(Checked {
            missing: 1,
            ..Checked::default()
        });
        report.errors.texts.push("something".into());
        let text = report.to_string();
        for part in ["p99.9", "msg/s", "something", "BAD", "1 missing"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
