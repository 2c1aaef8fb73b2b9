//! Threads for guests that compute for long: they run on what is left of the processors, so that whoever has little to do need not wait
//! until they are through.
//!
//! A lower priority alone does not do it: once such a thread has the processor, the system leaves it there for some milliseconds, whoever
//! wakes meanwhile. In the system's idle class it goes at once. There it gets next to nothing on a machine that others keep busy all the time;
//! so when a call was starved, those that follow are made in threads of a lower priority for a while, which get a tenth of what others do.

use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{getpriority_process, setpriority_process};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// How much lower a priority is: a thread beside an ordinary one gets a tenth of what that gets, when there is not enough for both.
const NICE: i32 = 10;
/// A call that lasted less long was not starved.
const STARVED_AFTER: Duration = Duration::from_millis(20);
/// A call was starved that got less than one part in so many of the time it lasted: of a lower priority it would have got as much.
const STARVED_PART: u32 = 10;
/// After a call that was starved no other is for so many times as long: that is the part of the time that can be lost by trying again.
const SPARED_TIMES: u32 = 10;

/// The threads. As many of each kind as there are processors.
pub(crate) struct Aside {
    processors: usize,
    idle: OnceLock<Threads>,
    lower: OnceLock<Threads>,
    spared: Mutex<Option<Instant>>,
}

/// Of one kind. None: the system refuses more threads.
struct Threads(Option<Runtime>);

impl Aside {
    /// Nothing is started before there is a call.
    pub(crate) fn new(processors: usize) -> Self {
        Aside {
            processors: processors.max(1),
            idle: OnceLock::new(),
            lower: OnceLock::new(),
            spared: Mutex::new(None),
        }
    }

    /// Runs a call there; without such threads, here. Answers also how much processor time it took, by the time of its thread. None: it did
    /// not return, by a panic.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        thread_time: fn() -> Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Option<(T, Duration)> {
        let measured = move || {
            let began = thread_time();
            let answer = call();
            (answer, thread_time().saturating_sub(began))
        };
        let began = Instant::now();
        let spared = self.spared.lock().is_some_and(|until| began < until);
        let threads = match spared {
            true => self.lower.get_or_init(|| Threads::new(self.processors, "guests lower", lower)),
            false => self.idle.get_or_init(|| Threads::new(self.processors, "guests idle", idle)),
        };
        let (answer, ran) = threads.run(measured).await?;
        let lasted = began.elapsed();
        if let (false, Some(lasts)) = (spared, sparing(lasted, ran)) {
            *self.spared.lock() = Some(Instant::now() + lasts);
        }
        Some((answer, ran))
    }
}

/// For how long calls are to be spared what happened to this one; none: it was not starved.
fn sparing(lasted: Duration, ran: Duration) -> Option<Duration> {
    let starved = lasted > STARVED_AFTER && ran < lasted / STARVED_PART;
    starved.then(|| lasted * SPARED_TIMES)
}

impl Threads {
    fn new(processors: usize, name: &str, step_back: fn()) -> Self {
        let threads = Builder::new_multi_thread()
            .worker_threads(processors)
            .thread_name(name)
            .on_thread_start(step_back)
            .build();
        if let Err(error) = &threads {
            tracing::warn!(%error, "no threads for guests that compute for long; they run with the others");
        }
        Threads(threads.ok())
    }

    async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match &self.0 {
            Some(threads) => threads.spawn(async move { call() }).await.ok(),
            None => Some(call()),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            // Whoever drops the last one may be a runtime's worker, which must not wait.
            threads.shutdown_background();
        }
    }
}

/// Puts the present thread into the system's idle class; where there is none, lowers its priority.
fn idle() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::debug!(?error, "guests that compute for long are not in the idle class");
        lower();
    }
}

/// Lowers the present thread's priority.
fn lower() {
    let lowered = getpriority_process(None).and_then(|nice| setpriority_process(None, nice + NICE));
    if let Err(error) = lowered {
        tracing::debug!(%error, "guests that compute for long run with the others' priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thread_priority::thread_schedule_policy;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_call_is_starved_that_lasts_and_gets_little() {
        for (lasted, ran, expected) in [
            (ms(15), ms(0), None),
            (ms(50), ms(5), None),
            (ms(50), ms(4), Some(ms(500))),
            (ms(2_000), ms(5), Some(ms(20_000))),
        ] {
            assert_eq!(sparing(lasted, ran), expected, "{lasted:?}, {ran:?}");
        }
    }

    #[tokio::test]
    async fn without_threads_a_call_is_made_all_the_same() {
        assert_eq!(Threads(None).run(|| 7).await, Some(7));
    }

    /// Of a thread: whether it is of the idle class, and its priority.
    fn standing() -> (bool, i32) {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let policy = thread_schedule_policy().expect("a policy");
        (policy == idle, getpriority_process(None).expect("a priority"))
    }

    /// A time of threads in which nothing ever runs: each call is starved that lasts.
    #[tokio::test]
    async fn after_a_starved_call_others_have_a_lower_priority_for_a_while() {
        let (aside, (_, here)) = (Aside::new(1), standing());
        let never = || Duration::ZERO;
        let starved = move || {
            std::thread::sleep(ms(25));
            standing()
        };
        assert_eq!(aside.run(never, standing).await.map(|(at, _)| at.0), Some(true));
        assert_eq!(
            aside.run(never, starved).await.map(|(at, _)| at.0),
            Some(true),
            "nothing was wrong before"
        );
        let spared = aside.run(never, starved).await.map(|(at, _)| at);
        assert_eq!(spared, Some((false, (here + NICE).min(19))));
        tokio::time::sleep(ms(25) * SPARED_TIMES).await;
        let again = aside.run(never, standing).await;
        assert!(again.is_some_and(|((idle, _), _)| idle), "it tries again");
    }
}
