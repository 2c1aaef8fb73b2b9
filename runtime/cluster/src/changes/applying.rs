//! Applies the changes of other servers: several tenants' side by side, since reading may take a while, and one after the other for each.
//! What could not be applied is tried again, behind what came meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actor::Life;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::TenantId;
use tokio::time::Instant;

use super::{Applier, Backlog, Change, NotApplied};

/// Tenants whose changes are applied at one time.
const AT_ONCE: usize = 16;
/// When what could not be applied is tried again.
const AGAIN: Duration = Duration::from_secs(5);

type Running = FuturesUnordered<BoxFuture<'static, (Change, Result<(), NotApplied>)>>;

/// See the module.
pub struct Applying {
    backlog: Backlog,
    applier: Arc<dyn Applier>,
    running: Running,
    /// What is being applied, so that a panic loses nothing.
    busy: HashMap<TenantId, Change>,
    failed: Backlog,
    again_at: Instant,
}

impl Applying {
    /// Applies what waits.
    pub fn new(backlog: Backlog, applier: Arc<dyn Applier>) -> Self {
        Applying {
            backlog,
            applier,
            running: Running::new(),
            busy: HashMap::new(),
            failed: Backlog::default(),
            again_at: Instant::now(),
        }
    }

    /// Applies until the process ends.
    pub fn start(backlog: Backlog, applier: Arc<dyn Applier>) {
        let mut applying = Applying::new(backlog, applier);
        actor::spawn("changes of other servers", async move {
            actor::supervise("changes of other servers", &mut applying).await;
        });
    }

    fn begin(&mut self) {
        while self.running.len() < AT_ONCE {
            let busy = &self.busy;
            let Some(change) = self.backlog.take_unless(|tenant| busy.contains_key(&tenant)) else {
                return;
            };
            self.busy.insert(change.tenant, change);
            let applier = Arc::clone(&self.applier);
            self.running.push(Box::pin(async move { (change, applier.apply(change).await) }));
        }
    }

    fn ended(&mut self, change: Change, result: Result<(), NotApplied>) {
        self.busy.remove(&change.tenant);
        if let Err(error) = result {
            tracing::warn!(tenant = %change.tenant, what = ?change.what, %error, "tried again later");
            if self.failed.is_empty() {
                self.again_at = Instant::now() + AGAIN;
            }
            self.failed.push(change);
        }
    }
}

impl Life for Applying {
    async fn live(&mut self) {
        // What a panic interrupted.
        self.running = Running::new();
        for (_, change) in self.busy.drain() {
            self.backlog.push(change);
        }
        loop {
            self.begin();
            tokio::select! {
                Some((change, result)) = self.running.next(), if !self.running.is_empty() => self.ended(change, result),
                () = self.backlog.more() => {}
                () = tokio::time::sleep_until(self.again_at), if !self.failed.is_empty() => {
                    while let Some(change) = self.failed.take() {
                        self.backlog.push(change);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use uuid::Uuid;

    use super::*;
    use crate::changes::What;

    /// Takes a second for each change; the first ones fail, or worse.
    struct Slow {
        start: Instant,
        /// With the second in which each was.
        applied: Mutex<Vec<(Change, u64)>>,
        failures: Mutex<Vec<&'static str>>,
    }

    #[async_trait]
    impl Applier for Arc<Slow> {
        async fn apply(&self, change: Change) -> Result<(), NotApplied> {
            let failure = self.failures.lock().pop();
            tokio::time::sleep(Duration::from_secs(1)).await;
            match failure {
                Some("panic") => panic!("as the test wants"),
                Some(other) => Err(NotApplied(other.to_owned())),
                None => {
                    self.applied.lock().push((change, self.start.elapsed().as_secs()));
                    Ok(())
                }
            }
        }
    }

    fn change(tenant: u128, id: u128) -> Change {
        Change::new(TenantId(Uuid::from_u128(tenant)), What::Device(Uuid::from_u128(id)))
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_do_not_wait_for_each_other_and_failures_are_tried_again() {
        let backlog = Backlog::default();
        let slow = Arc::new(Slow {
            start: Instant::now(),
            applied: Mutex::default(),
            failures: Mutex::new(vec!["the store is away"]),
        });
        for of in [change(1, 1), change(1, 2), change(2, 1)] {
            backlog.push(of);
        }
        Applying::start(backlog.clone(), Arc::new(Arc::clone(&slow)));
        tokio::time::sleep(Duration::from_secs(30)).await;
        let applied = std::mem::take(&mut *slow.applied.lock());
        assert_eq!(applied, [(change(2, 1), 1), (change(1, 2), 2), (change(1, 1), 7)]);

        // A panic costs a pause, and no change.
        *slow.failures.lock() = vec!["panic"];
        backlog.push(change(3, 1));
        tokio::time::sleep(Duration::from_secs(30)).await;
        let applied = slow.applied.lock().iter().map(|(change, _)| *change).collect::<Vec<_>>();
        assert_eq!(applied, [change(3, 1)]);
    }
}
