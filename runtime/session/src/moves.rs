//! Devices move from one server to another while their sessions stay where they are: a session announces itself to the new owner, or the
//! owner would not know whom to tell anything. A session that speaks does so with what it says; one that is idle does it here, when the
//! ring has changed: each in a moment of its own, so that the new owner wakes devices one by one.

use std::sync::Weak;
use std::time::Duration;

use cluster::{Changes, Delivery, DeviceLane, RouteError, Router, SessionLink};
use model::DeviceId;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::manager::{Controls, Inner, Sessions};
use crate::session::LookAgain;

/// How far apart sessions announce themselves: 10 000 take five seconds.
const EVERY: Duration = Duration::from_micros(500);
/// When one whose owner cannot be reached tries again.
const AGAIN: Duration = Duration::from_millis(500);
/// Sessions that are told to look, at one time.
const TOLD_AT_ONCE: usize = 100;
/// How long one may take to hear of it. It looks when it next says something.
const TELLING: Duration = Duration::from_millis(100);

/// Gives each session that has to announce itself a moment of its own.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<Instant>);

impl Pace {
    pub(crate) fn new() -> Self {
        Pace(Mutex::new(Instant::now()))
    }

    /// The next moment that nobody has.
    pub(crate) fn moment(&self) -> Instant {
        let mut free = self.0.lock();
        let at = (*free).max(Instant::now());
        *free = at + EVERY;
        at
    }
}

/// The moment in which a session has to announce itself; none: its lane leads to who serves its device.
pub(crate) fn moment(sessions: &Sessions, device: DeviceId, lane: &DeviceLane) -> Option<Instant> {
    sessions.router().has_moved(device, lane).then(|| sessions.pace().moment())
}

/// Finds the way to a device's owner in a moment, and tells it of a session and what that takes. None: the device is gone. Cancelled and
/// done again, it says the same again, which changes nothing.
pub(crate) async fn announce(router: &Router, device: DeviceId, link: &SessionLink, at: Instant) -> Option<DeviceLane> {
    tokio::time::sleep_until(at).await;
    loop {
        match router.lane(device).await {
            Ok(lane) => {
                if lane.send(Delivery::Connected(link.clone())).await.is_ok() {
                    metrics::counter!("session_announced_again_total").increment(1);
                    return Some(lane);
                }
            }
            Err(RouteError::NoDevice) => return None,
            Err(RouteError::Unavailable(reason)) => tracing::debug!(%device, reason, "a session finds no owner of its device"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Has sessions look again whenever their devices may have moved, until there are no sessions any more.
pub(crate) async fn follow(sessions: Weak<Inner>, mut changes: Changes) {
    // Ends with an error at once on a server that runs alone.
    while changes.changed().await.is_ok() {
        let Some(inner) = sessions.upgrade() else { return };
        tell(&Sessions(inner)).await;
    }
}

async fn tell(sessions: &Sessions) {
    let controls = sessions.ask_manager(Controls).await.unwrap_or_default();
    for some in controls.chunks(TOLD_AT_ONCE) {
        let told = some.iter().map(|control| tokio::time::timeout(TELLING, control.tell(LookAgain)));
        futures::future::join_all(told).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_two_have_the_same_moment() {
        let pace = Pace::new();
        let start = Instant::now();
        let moments: Vec<_> = (0..10_000).map(|_| pace.moment()).collect();
        assert_eq!((moments[0], moments[9_999]), (start, start + EVERY * 9_999));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pace.moment(), Instant::now(), "what was not used is not kept");
    }
}
