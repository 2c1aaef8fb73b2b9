//! Wakes devices that sleep and have something to do: those that the last process left, those that another server had, then each at its
//! time.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Changes, RouteError, Router, Standing};
use device::Registry;
use model::{Clock, DeviceId};
use storage::{Mutation, Store};
use tokio::time::Instant;

/// When a device that could not be served is tried again.
const AGAIN_MS: i64 = 10_000;
/// When one that is on its way here is looked at again.
const SOON_MS: i64 = 1_000;
/// When reading what others left is tried again.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// How long after devices may have moved is read which of them came here: changes come in groups.
const MOVED: Duration = Duration::from_secs(1);

/// Wakes devices for ever. After a start, and when they come from another server, one is woken each millisecond, so that those who speak
/// come first.
pub async fn wake_devices(registry: Registry, router: Router, store: Arc<dyn Store>, clock: Arc<dyn Clock>) {
    let mut changes = Some(router.changes());
    let waking = Waking {
        registry,
        router,
        store,
        clock,
    };
    let mut read_at = Some(Instant::now());
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(read_at.unwrap_or_else(Instant::now)), if read_at.is_some() => {
                read_at = (!waking.read().await).then(|| Instant::now() + READ_AGAIN);
            }
            moved = changed(&mut changes) => match moved {
                true => read_at = Some(read_at.unwrap_or_else(|| Instant::now() + MOVED)),
                // A server that runs alone: nothing ever moves.
                false => changes = None,
            },
            device = waking.registry.next_wakeup() => waking.wake(device).await,
        }
    }
}

async fn changed(changes: &mut Option<Changes>) -> bool {
    match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

struct Waking {
    registry: Registry,
    router: Router,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Waking {
    /// Reads which devices have something to do, and has those woken that nobody thinks of and that are served here. Whether that could be
    /// read.
    async fn read(&self) -> bool {
        let left = match self.store.reminders().await {
            Ok(left) => left,
            Err(error) => {
                tracing::error!(%error, "it is not known which devices have something to do");
                return false;
            }
        };
        // Those that went elsewhere are woken there. One that is on its way here is looked at again when it has come.
        self.registry.wakeups().keep(|device| !self.is_elsewhere(device));
        let is_here = |device: &DeviceId| matches!(self.router.standing(*device), Standing::Here(_));
        let now_ms = self.clock.now_ms();
        for (device, at_ms) in left.into_iter().filter(is_here).zip(now_ms..) {
            self.registry.wake_if_forgotten(device, at_ms);
        }
        true
    }

    async fn wake(&self, device: DeviceId) {
        match self.router.standing(device) {
            Standing::Here(_) => {}
            // Woken there.
            Standing::There(_) => return,
            Standing::Soon(_) => return self.registry.wakeups().set(device, self.clock.now_ms() + SOON_MS),
        }
        match self.router.lane(device).await {
            Ok(_) => {}
            // Deleted while it slept.
            Err(RouteError::NoDevice) => drop(self.store.submit(vec![Mutation::Forget(device)]).await),
            Err(RouteError::Unavailable(_)) => self.registry.wakeups().set(device, self.clock.now_ms() + AGAIN_MS),
        }
    }

    fn is_elsewhere(&self, device: DeviceId) -> bool {
        matches!(self.router.standing(device), Standing::There(_))
    }
}
