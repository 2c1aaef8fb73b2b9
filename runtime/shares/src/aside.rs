//! Threads for guests that compute for long: of lower priority than all others, so that they run on what is left of the processors, and
//! whoever has little to do need not wait until they are through.

use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Runtime};

/// How much lower: a thread beside an ordinary one gets a tenth of what that gets, when there is not enough for both.
const NICE: i32 = 10;

/// The threads. As many as there are processors.
pub(crate) struct Aside(Option<Runtime>);

impl Aside {
    /// Starts them; none: the system refuses more threads.
    pub(crate) fn new(processors: usize) -> Self {
        let threads = Builder::new_multi_thread()
            .worker_threads(processors.max(1))
            .thread_name("guests aside")
            .on_thread_start(step_back)
            .build();
        if let Err(error) = &threads {
            tracing::warn!(%error, "no threads for guests that compute for long; they run with the others");
        }
        Aside(threads.ok())
    }

    /// Runs a call there; without such threads, here. None: it did not return, by a panic.
    pub(crate) async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match &self.0 {
            Some(threads) => threads.spawn(async move { call() }).await.ok(),
            None => Some(call()),
        }
    }
}

/// The present thread's priority, lowered.
fn step_back() {
    let lowered = getpriority_process(None).and_then(|nice| setpriority_process(None, nice + NICE));
    if let Err(error) = lowered {
        tracing::debug!(%error, "guests that compute for long run with the others' priority");
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            // Whoever drops the last one may be a runtime's worker, which must not wait.
            threads.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_threads_a_call_is_made_all_the_same() {
        assert_eq!(Aside(None).run(|| 7).await, Some(7));
    }
}
