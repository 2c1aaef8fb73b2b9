//! Lets go of devices that this server does not own any more: its actors finish what they have, and stop; then the others may hear of it.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Devices, Ring};

use crate::Membership;

/// Releases until the server stops.
pub(crate) async fn release(membership: Membership, devices: Arc<dyn Devices>) {
    let (place, mut stopping) = (membership.place().clone(), membership.stopping());
    let mut changes = place.changes();
    let mut held = false;
    loop {
        changes.mark_unchanged();
        let (epoch, _) = place.epochs();
        let left_ms = place.lease_left_ms();
        let lost = std::mem::replace(&mut held, left_ms > 0) && !held;
        if lost {
            tracing::warn!("this server has lost touch with its cluster: it stops serving devices");
        }
        if lost || epoch > membership.released() {
            devices.release(&|device| place.owns(device)).await;
            membership.has_released(epoch);
            // It may have taken a while.
            continue;
        }
        // A lease that ends tells nobody.
        let end = Duration::from_millis(if held { left_ms } else { u64::from(u32::MAX) });
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(end) => {}
            _ = stopping.wait_for(|stops| *stops) => return,
        }
    }
}
