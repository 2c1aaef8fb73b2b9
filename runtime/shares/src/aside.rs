//! Threads for guests that compute for long: of lower priority than all others, so that they run on what is left of the processors, and
//! whoever has little to do need not wait until they are through.
//!
//! Priority alone does not do it: once such a thread has the processor, the system leaves it there for some milliseconds, whoever wakes
//! meanwhile. So it also offers the processor to others now and then ([`make_way`]).

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Runtime};

/// How much lower: a thread beside an ordinary one gets a tenth of what that gets, when there is not enough for both.
const NICE: i32 = 10;

thread_local! {
    /// Whether this is one of the threads.
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Calls that go on in threads of lower priority, anybody's.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// Whether calls go on in threads of lower priority, which have to be asked to make way.
pub fn any_aside() -> bool {
    AT_WORK.load(Ordering::Relaxed) > 0
}

/// A call that goes on there.
struct AtWork;

impl AtWork {
    fn begin() -> Self {
        AT_WORK.fetch_add(1, Ordering::Relaxed);
        AtWork
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether this is a thread of lower priority, for guests that run for long.
pub fn is_aside() -> bool {
    HERE.get()
}

/// Lets others have the processor first, if this is a thread of lower priority. For guests that run for long, every few milliseconds.
pub fn make_way() {
    if is_aside() {
        std::thread::yield_now();
    }
}

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
            Some(threads) => {
                let work = async move {
                    let _at_work = AtWork::begin();
                    call()
                };
                threads.spawn(work).await.ok()
            }
            None => Some(call()),
        }
    }
}

/// The present thread's priority, lowered.
fn step_back() {
    HERE.set(true);
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

    #[tokio::test]
    async fn a_thread_aside_knows_that_it_is() {
        assert!(!is_aside());
        assert_eq!(Aside::new(1).run(|| (is_aside(), any_aside())).await, Some((true, true)));
    }
}
