//! Turns: who runs a slice now. A tenant that uses little gets one at once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use dashmap::DashMap;
use model::TenantId;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::aside::Aside;
use crate::meter::{Meter, Usage};

/// After so long a slice should end. It may last longer: a call into a guest is not cut in two.
pub const SLICE: Duration = Duration::from_millis(4);
/// A tenant that was charged nothing for so long is not there.
const ABSENT_AFTER: Duration = Duration::from_secs(1);
/// How often a tenant says that it is there: not with every slice, all tenants share what that takes.
const SAYS_EVERY: Duration = Duration::from_millis(10);
/// A call that runs longer is better made where nobody else waits for the thread.
const LONG_CALL: Duration = Duration::from_millis(1);
/// The same of a heavy tenant: many calls that are not short hold up others as one long call does.
const LONG_CALL_OF_MUCH: Duration = Duration::from_micros(200);

/// Everybody's.
#[derive(Clone)]
pub struct Shares(Arc<All>);

struct All {
    began: Instant,
    /// Processor time of this thread.
    thread_time: fn() -> Duration,
    /// For slices of heavy tenants.
    processors: Arc<Semaphore>,
    /// Threads for calls that last long.
    aside: Aside,
    tenants: DashMap<TenantId, Arc<Share>>,
    present: Mutex<Present>,
}

/// Who was there lately: one tenant alone has nobody to share with.
#[derive(Debug, Default)]
struct Present {
    last: Option<(TenantId, Duration)>,
    /// When a tenant other than the last one was there.
    other: Option<Duration>,
}

impl Present {
    /// A tenant is there. Answers whether it is alone.
    fn seen(&mut self, tenant: TenantId, now: Duration) -> bool {
        if let Some((last, at)) = self.last.replace((tenant, now))
            && last != tenant
        {
            self.other = Some(at);
        }
        self.other.is_none_or(|at| now.saturating_sub(at) > ABSENT_AFTER)
    }
}

/// One tenant's share.
pub struct Share {
    tenant: TenantId,
    all: Arc<All>,
    meter: Mutex<Meter>,
    /// Has to wait for turns, for being heavy or in debt. Found out when a slice is charged.
    waits: AtomicBool,
    heavy: AtomicBool,
    /// When it said last that it is there, and whether it was alone then.
    said_ns: AtomicU64,
    alone: AtomicBool,
    waited_ns: AtomicU64,
    /// One slice of a heavy tenant waits or runs at a time, so that tenants take turns, not nodes.
    line: Arc<Semaphore>,
}

/// The right to run a slice. Dropping it ends the slice and charges it.
pub struct Turn {
    share: Arc<Share>,
    began: Instant,
    /// When its last lap ended.
    lapped: Instant,
    /// Until when it was charged, and the processor time of the thread then.
    charged: Instant,
    charged_at: Duration,
    /// Of a heavy tenant: its place in its own line, and its processor.
    _permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Shares {
    /// For a machine with so many processors.
    pub fn new(processors: usize) -> Self {
        Shares::measured(processors, thread_time)
    }

    fn measured(processors: usize, thread_time: fn() -> Duration) -> Self {
        Shares(Arc::new(All {
            began: Instant::now(),
            thread_time,
            processors: Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))),
            aside: Aside::new(processors),
            tenants: DashMap::new(),
            present: Mutex::default(),
        }))
    }

    /// For this machine.
    pub fn of_this_machine() -> Self {
        Shares::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// A tenant's share: the same one for all its guests.
    pub fn of(&self, tenant: TenantId) -> Arc<Share> {
        let share = self.0.tenants.entry(tenant).or_insert_with(|| {
            Arc::new(Share {
                tenant,
                all: Arc::clone(&self.0),
                meter: Mutex::new(Meter::new(None)),
                waits: AtomicBool::new(false),
                heavy: AtomicBool::new(false),
                said_ns: AtomicU64::new(0),
                alone: AtomicBool::new(true),
                waited_ns: AtomicU64::new(0),
                line: Arc::new(Semaphore::new(1)),
            })
        });
        Arc::clone(&share)
    }

    /// What each tenant has used.
    pub fn usage(&self) -> Vec<(TenantId, Usage)> {
        self.0.tenants.iter().map(|entry| (*entry.key(), entry.value().usage())).collect()
    }
}

/// Processor time this thread has used.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

impl All {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Share {
    /// Waits for a turn.
    pub async fn turn(self: &Arc<Self>) -> Turn {
        let permits = if self.waits.load(Ordering::Relaxed) {
            self.wait().await
        } else {
            None
        };
        let began = Instant::now();
        Turn {
            share: Arc::clone(self),
            began,
            lapped: began,
            charged: began,
            charged_at: (self.all.thread_time)(),
            _permits: permits,
        }
    }

    /// Makes one call into a guest that may be put aside, in turns of its own: each piece that runs is charged, and nobody's turn passes
    /// while the call waits.
    pub async fn run<T>(self: &Arc<Self>, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        loop {
            let turn = self.turn().await;
            let piece = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
            drop(turn);
            if let Poll::Ready(answer) = piece {
                return answer;
            }
            // The call has seen to it that this task is woken.
            let mut woken = false;
            poll_fn(|_| {
                if std::mem::replace(&mut woken, true) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }

    async fn wait(&self) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let began = Instant::now();
        // Bound first: the meter must not be held across the wait.
        while let Some(debt) = { self.meter.lock().debt(self.all.now()) } {
            tokio::time::sleep(debt).await;
        }
        let mut permits = None;
        if self.heavy.load(Ordering::Relaxed) {
            // Neither semaphore is ever closed.
            let place = Arc::clone(&self.line).acquire_owned().await.ok()?;
            let processor = Arc::clone(&self.all.processors).acquire_owned().await.ok()?;
            permits = Some((place, processor));
        }
        let waited = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.waited_ns.fetch_add(waited, Ordering::Relaxed);
        permits
    }

    /// Whether it uses much while others are there.
    fn is_heavy(&self) -> bool {
        self.heavy.load(Ordering::Relaxed)
    }

    /// Whether a call that ran so long is better not made where others wait for the thread.
    pub fn is_long(&self, ran: Duration) -> bool {
        ran > if self.is_heavy() { LONG_CALL_OF_MUCH } else { LONG_CALL }
    }

    /// Sets how much processor time it may use in a second; none: as much as there is.
    pub fn allow(&self, per_second: Option<Duration>) {
        self.meter.lock().allow(per_second, self.all.now());
        self.charge(Duration::ZERO);
    }

    fn is_alone(&self, now: Duration) -> bool {
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let since = now_ns.saturating_sub(self.said_ns.load(Ordering::Relaxed));
        if u128::from(since) >= SAYS_EVERY.as_nanos() {
            self.said_ns.store(now_ns, Ordering::Relaxed);
            let alone = self.all.present.lock().seen(self.tenant, now);
            self.alone.store(alone, Ordering::Relaxed);
        }
        self.alone.load(Ordering::Relaxed)
    }

    /// Charges a slice that ends now.
    pub fn charge(&self, used: Duration) {
        let now = self.all.now();
        let alone = self.is_alone(now);
        let (heavy, in_debt) = {
            let mut meter = self.meter.lock();
            meter.charge(used, now);
            (!alone && meter.is_heavy(now), meter.debt(now).is_some())
        };
        self.heavy.store(heavy, Ordering::Relaxed);
        self.waits.store(heavy || in_debt, Ordering::Relaxed);
    }

    /// What it has used.
    pub fn usage(&self) -> Usage {
        let usage = self.meter.lock().usage(self.all.now());
        Usage {
            heavy: self.is_heavy(),
            waited_ms: self.waited_ns.load(Ordering::Relaxed) / 1_000_000,
            ..usage
        }
    }
}

impl Turn {
    /// Ends a lap: how long it ran since the one before, or since the slice began.
    pub fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lasted = now.saturating_duration_since(std::mem::replace(&mut self.lapped, now));
        if lasted <= LONG_CALL_OF_MUCH {
            return lasted;
        }
        // It may have waited for the processor: on a busy machine nobody's short call is long for that.
        lasted.min(self.charge())
    }

    /// How long the slice had lasted when its last lap ended.
    pub fn lapped(&self) -> Duration {
        self.lapped.saturating_duration_since(self.began)
    }

    /// Makes a call that may last long, in a thread that takes what is left of the processors. Answers also how much processor time it took.
    /// None: it panicked.
    pub async fn aside<T: Send + 'static>(&mut self, call: impl FnOnce() -> T + Send + 'static) -> Option<(T, Duration)> {
        self.charge();
        let all = &self.share.all;
        let called = all.aside.run(all.thread_time, call).await;
        if let Some((_, ran)) = &called {
            self.share.charge(*ran);
        }
        (self.charged, self.charged_at) = (Instant::now(), thread_time());
        called
    }

    /// Charges what the thread has run since it did last, and answers it: not what it waited on a busy machine. What went on in another
    /// thread is charged as it lasted, at most.
    fn charge(&mut self) -> Duration {
        let (now, at) = (Instant::now(), (self.share.all.thread_time)());
        let lasted = now.saturating_duration_since(std::mem::replace(&mut self.charged, now));
        let ran = at.saturating_sub(std::mem::replace(&mut self.charged_at, at)).min(lasted);
        self.share.charge(ran);
        ran
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.charge();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    /// Shares of two processors, where a slice runs all the time it lasts.
    fn shares() -> Shares {
        static BASE: OnceLock<Instant> = OnceLock::new();
        Shares::measured(2, || BASE.get_or_init(Instant::now).elapsed())
    }

    async fn slice(share: &Arc<Share>, ms: u64) {
        let turn = share.turn().await;
        tokio::time::advance(Duration::from_millis(ms)).await;
        drop(turn);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_uses_little_or_is_alone_does_not_wait() {
        let shares = shares();
        let (one, two) = (shares.of(TenantId::generate()), shares.of(TenantId::generate()));
        for _ in 0..100 {
            slice(&one, 10).await;
            assert!(!one.is_heavy(), "it is alone");
        }
        slice(&two, 1).await;
        slice(&one, 10).await;
        assert!(one.is_heavy() && !two.is_heavy());
        let ran = Duration::from_micros(500);
        assert!(one.is_long(ran) && !two.is_long(ran) && two.is_long(ran * 3));
        tokio::time::advance(Duration::from_secs(2)).await;
        slice(&one, 50).await;
        assert!(!one.is_heavy(), "it is alone again");
    }

    #[tokio::test(start_paused = true)]
    async fn laps_are_of_their_own_slice() {
        let share = shares().of(TenantId::generate());
        let mut turn = share.turn().await;
        for (ms, since_it_began) in [(20, 20), (5, 25)] {
            tokio::time::advance(Duration::from_millis(ms)).await;
            assert_eq!(turn.lap(), Duration::from_millis(ms));
            assert_eq!(turn.lapped(), Duration::from_millis(since_it_began));
        }
        drop(turn);
        let mut turn = share.turn().await;
        assert_eq!((turn.lap(), turn.lapped()), (Duration::ZERO, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn heavy_tenants_take_turns_however_many_nodes_they_have() {
        let shares = shares();
        let (many, few) = (shares.of(TenantId::generate()), shares.of(TenantId::generate()));
        for _ in 0..4 {
            slice(&many, 40).await;
            slice(&few, 40).await;
        }
        assert!(many.is_heavy() && few.is_heavy());
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = many.turn().await;
        let mut waiting = Vec::new();
        for (share, name) in std::iter::repeat_n((&many, "many"), 10).chain([(&few, "few"), (&few, "few")]) {
            let (share, order) = (Arc::clone(share), Arc::clone(&order));
            waiting.push(async move {
                let turn = share.turn().await;
                order.lock().push(name);
                tokio::time::sleep(Duration::from_millis(40)).await;
                drop(turn);
            });
        }
        let mut set = tokio::task::JoinSet::new();
        for one in waiting {
            set.spawn(one);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(first);
        set.join_all().await;
        assert_eq!(order.lock()[..4], ["few", "many", "few", "many"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn long_calls_run_in_threads_of_their_own_and_are_charged() {
        let share = Shares::new(2).of(TenantId::generate());
        let mut turn = share.turn().await;
        let spin = move || {
            let began = thread_time();
            while thread_time() - began < Duration::from_millis(50) {}
            std::thread::current().name().map(str::to_owned)
        };
        let (there, ran) = turn.aside(spin).await.unwrap();
        assert_eq!(there.as_deref(), Some("guests idle"));
        assert!(ran >= Duration::from_millis(50) && share.usage().cpu_ms >= 50, "{ran:?}");
        assert!(turn.aside(|| panic!("a defect of the platform")).await.is_none_or(|((), _)| false));
        drop(turn);
        assert!(share.usage().cpu_ms < 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn nobodys_turn_passes_while_a_call_waits() {
        let shares = shares();
        let (one, two) = (shares.of(TenantId::generate()), shares.of(TenantId::generate()));
        for _ in 0..4 {
            slice(&one, 40).await;
            slice(&two, 40).await;
        }
        assert!(one.is_heavy() && two.is_heavy());
        let (answered, answer) = tokio::sync::oneshot::channel::<u32>();
        let mut waiting = tokio::task::JoinSet::new();
        waiting.spawn(async move { one.run(async { answer.await.unwrap() + 1 }).await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let turn = tokio::time::timeout(Duration::from_secs(1), two.turn()).await;
        assert!(turn.is_ok(), "the only turn there is was kept by a call that waits");
        drop(turn);
        answered.send(6).unwrap();
        assert_eq!(waiting.join_all().await, [7]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_call_runs_is_charged_and_what_it_waits_is_not() {
        let shares = shares();
        let share = shares.of(TenantId::generate());
        let pieces = async {
            tokio::time::advance(Duration::from_millis(20)).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            tokio::time::advance(Duration::from_millis(30)).await;
        };
        share.run(pieces).await;
        assert_eq!(share.usage().cpu_ms, 50);
    }

    #[test]
    fn the_clock_of_a_thread_advances_with_its_work() {
        let before = thread_time();
        while thread_time() == before {
            std::hint::black_box(before);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_allowance_makes_its_tenant_wait() {
        let shares = shares();
        let share = shares.of(TenantId::generate());
        share.allow(Some(Duration::from_millis(100)));
        let began = Instant::now();
        for _ in 0..50 {
            slice(&share, 10).await;
        }
        // 500 ms of work at 100 ms a second; the first second's is there at once.
        let took = began.elapsed();
        assert!(
            (Duration::from_millis(3_800)..Duration::from_millis(4_300)).contains(&took),
            "{took:?}"
        );
        assert!(share.usage().waited_ms > 3_000);
    }
}
