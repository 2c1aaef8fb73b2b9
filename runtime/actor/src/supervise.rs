//! Keeping actors alive: a panic is caught, counted, and answered by a restart with growing pauses.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinHandle;

/// Growing pauses between attempts: doubling from the first to the largest; a success in between starts over.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    largest: Duration,
    failures: u32,
}

impl Backoff {
    /// Pauses from `first` to `largest`.
    pub fn new(first: Duration, largest: Duration) -> Self {
        Backoff {
            first,
            largest,
            failures: 0,
        }
    }

    /// Counts a failure; answers how long to pause.
    pub fn failed(&mut self) -> Duration {
        let pause = self.first.saturating_mul(1u32 << self.failures.min(16)).min(self.largest);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Forgets earlier failures.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// How a supervised run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The actor stopped of its own will.
    Stopped,
    /// It panicked more often than allowed.
    GaveUp,
}

/// Restarts before a supervisor gives up, when they follow without success in between.
const RESTARTS_MAX: u32 = 20;

/// An actor with what it lives on: its lanes and its mailbox.
pub trait Life: Send {
    /// Lives until there is nothing left to do. Called again after a panic: what waits in lanes and mailbox is still there.
    fn live(&mut self) -> impl Future<Output = ()> + Send;
}

/// Lets an actor live until it ends; after a panic, pauses and lets the same actor live on.
pub async fn supervise(name: &'static str, life: &mut impl Life) -> Ended {
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(10));
    loop {
        let started = tokio::time::Instant::now();
        match AssertUnwindSafe(life.live()).catch_unwind().await {
            Ok(()) => return Ended::Stopped,
            Err(_) => {
                if started.elapsed() > Duration::from_secs(60) {
                    backoff.succeeded();
                }
                let pause = backoff.failed();
                metrics::counter!("actor_panics_total", "actor" => name).increment(1);
                tracing::error!(
                    actor = name,
                    failures = backoff.failures(),
                    pause_ms = pause.as_millis() as u64,
                    "actor panicked"
                );
                if backoff.failures() > RESTARTS_MAX {
                    return Ended::GaveUp;
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Starts a task with a name; the only place where tasks are started bare.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    metrics::counter!("actor_tasks_total", "task" => name).increment(1);
    tokio::spawn(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_largest_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(35));
        assert_eq!(
            [backoff.failed(), backoff.failed(), backoff.failed()].map(|pause| pause.as_millis()),
            [10, 20, 35]
        );
        backoff.succeeded();
        assert_eq!(backoff.failed().as_millis(), 10);
    }

    struct Counting {
        receiver: crate::LaneReceiver<u32>,
        seen: Vec<u32>,
    }

    impl Life for Counting {
        async fn live(&mut self) {
            while let Some(number) = self.receiver.recv().await {
                assert!(number != 2, "number two");
                self.seen.push(number);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_in_a_lane_survives_a_panic() {
        let (sender, receiver) = crate::lane(10);
        for number in 0..5 {
            sender.send(number).await.expect("room");
        }
        drop(sender);
        let mut counting = Counting {
            receiver,
            seen: Vec::new(),
        };
        let ended = supervise("test", &mut counting).await;
        assert_eq!((ended, counting.seen), (Ended::Stopped, vec![0, 1, 3, 4]));
    }
}
