//! Wakes devices that sleep and have something to do: those that the last process left, then each at its time.

use std::sync::Arc;
use std::time::Duration;

use cluster::{RouteError, Router};
use device::Registry;
use model::Clock;
use storage::{Mutation, Store};

/// When a device that could not be served is tried again.
const AGAIN_MS: i64 = 10_000;
/// When reading what the last process left is tried again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Wakes devices for ever. After a start one is woken each millisecond, so that those who speak come first.
pub async fn wake_devices(registry: Registry, router: Router, store: Arc<dyn Store>, clock: Arc<dyn Clock>) {
    let left = loop {
        match store.reminders().await {
            Ok(left) => break left,
            Err(error) => tracing::error!(%error, "it is not known which devices have something to do"),
        }
        tokio::time::sleep(READ_AGAIN).await;
    };
    let now_ms = clock.now_ms();
    for (device, at_ms) in left.into_iter().zip(now_ms..) {
        registry.wakeups().set(device, at_ms);
    }
    loop {
        let device = registry.next_wakeup().await;
        match router.lane(device).await {
            Ok(_) => {}
            // Deleted while it slept.
            Err(RouteError::NoDevice) => drop(store.submit(vec![Mutation::Forget(device)]).await),
            Err(RouteError::Unavailable(_)) => registry.wakeups().set(device, clock.now_ms() + AGAIN_MS),
        }
    }
}
