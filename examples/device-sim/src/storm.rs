//! Strangers that knock as fast as they are answered: each opens a connection, shows a token, hears what it is told, and comes again.
//!
//! Knows no REST.

use std::fmt;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::codec::Protocol;
use crate::codec::mqtt::Connect;
use crate::connection::{Connection, Target};
use crate::error::SimError;
use crate::options::StormOptions;
use crate::report::Latency;
use crate::run;

/// A stranger that was not let in comes again after this pause: without it, a server that cuts off at once would be asked by a busy loop.
const PAUSE: Duration = Duration::from_millis(1);

/// What became of the strangers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stormed {
    /// Connections that were tried.
    pub attempts: u64,
    /// Let in.
    pub accepted: u64,
    /// Told no.
    pub refused: u64,
    /// Cut off without a word, or not answered for 10 seconds.
    pub cut_off: u64,
    /// Not even connected.
    pub unreachable: u64,
    /// From opening the connection to whatever became of it.
    pub latency_ms: Option<Latency>,
}

/// Knocks for as long as the options say.
///
/// # Errors
/// [`SimError::Connect`] if the address is unknown.
pub async fn storm(options: &StormOptions) -> Result<Stormed, SimError> {
    let target = Target {
        from: options.from,
        ..run::resolve(&options.mqtt).await?
    };
    let until = Instant::now() + Duration::from_secs(options.seconds);
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).map_err(|error| SimError::Internal(error.to_string()))?;
    let mut told = Stormed::default();
    let mut number = 0_u64;
    let mut knocking: FuturesUnordered<_> = (0..options.parallel)
        .map(|_| {
            number += 1;
            knock(&target, &options.token_prefix, number)
        })
        .collect();
    while let Some((outcome, took)) = knocking.next().await {
        told.attempts += 1;
        times.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        match outcome {
            Ok(()) => told.accepted += 1,
            Err(SimError::Refused { .. }) => told.refused += 1,
            Err(SimError::Connect { .. }) => told.unreachable += 1,
            Err(_) => told.cut_off += 1,
        }
        if Instant::now() < until {
            number += 1;
            knocking.push(knock(&target, &options.token_prefix, number));
        }
    }
    told.latency_ms = Latency::of(&times);
    Ok(told)
}

async fn knock(target: &Target, prefix: &str, number: u64) -> (Result<(), SimError>, Duration) {
    let begin = Instant::now();
    let (client_id, user_name) = (format!("storm-{number}"), format!("{prefix}{number}"));
    let connect = Connect {
        client_id: &client_id,
        user_name: &user_name,
        clean_session: true,
        keep_alive: 60,
    };
    let outcome = match Connection::open(0, target, Protocol::Mqtt, &connect).await {
        Ok(connection) => {
            connection.close().await;
            Ok(())
        }
        Err(error) => Err(error),
    };
    let took = begin.elapsed();
    tokio::time::sleep(PAUSE).await;
    (outcome, took)
}

impl fmt::Display for Stormed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "attempts      {}: {} accepted, {} refused, {} cut off, {} unreachable",
            self.attempts, self.accepted, self.refused, self.cut_off, self.unreachable
        )?;
        match self.latency_ms {
            Some(Latency { p50, p99, max, .. }) => write!(out, "\nlatency ms    p50 {p50:.3}  p99 {p99:.3}  max {max:.3}"),
            None => Ok(()),
        }
    }
}
