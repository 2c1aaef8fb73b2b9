//! One device behind a stream adapter: a half that speaks, owned by the shard, and a half that listens, which waits among others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use actor::{Control, Inbox, LaneReceiver};
use cluster::{Delivery, DeviceLane, Receipt, RouteError, SessionId, SessionLink};
use model::{DeviceId, Downlink, DownlinkKinds, Uplink};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::OpenError;
use crate::limits::{Speaker, values_of};
use crate::manager::{Sessions, Unregister};
use crate::moves;
use crate::session::{CloseReason, SessionActor};

/// Downlinks that may wait for one device.
const DOWNLINKS_MAX: usize = 64;

/// What can be seen of a session.
#[derive(Debug, Default)]
pub struct Counts {
    published: AtomicU64,
    in_flight: AtomicUsize,
}

impl Counts {
    /// Uplinks went out.
    pub fn published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// They came to an end.
    pub fn settled(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The half that speaks. Dropping it ends the session.
pub struct Attached {
    device: DeviceId,
    sessions: Sessions,
    lane: DeviceLane,
    link: SessionLink,
    /// What can be seen of it.
    pub counts: Arc<Counts>,
    open: bool,
    /// The other half ends when this is gone.
    _present: oneshot::Sender<()>,
}

/// The half that listens.
pub struct Ear {
    /// The peer, and the number the adapter gave the device.
    pub name: (u32, u32),
    /// The session.
    pub session: SessionId,
    downlinks: LaneReceiver<Downlink>,
    actor: SessionActor,
    inbox: Inbox<SessionActor>,
    /// Keeps the inbox open.
    _control: Control<SessionActor>,
    counts: Arc<Counts>,
    left: oneshot::Receiver<()>,
    /// Finds the new owner of the device when it moves: the half that speaks may be idle.
    sessions: Sessions,
    device: DeviceId,
    link: SessionLink,
    lane: DeviceLane,
}

/// What a device's session heard.
#[derive(Debug)]
pub enum News {
    /// For the device.
    Downlink(Downlink),
    /// The device has moved, and its new owner knows of the session; the way there.
    Moved(DeviceLane),
    /// The session is to end.
    Close(CloseReason),
    /// The half that speaks is gone.
    Left,
}

impl Attached {
    /// Opens the session of a device. An older one of the device is closed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(sessions: Sessions, device: DeviceId, name: (u32, u32)) -> Result<(Self, Ear), OpenError> {
        let lane = sessions.router().lane(device).await.map_err(|error| match error {
            RouteError::NoDevice => OpenError::NoDevice,
            RouteError::Unavailable(reason) => OpenError::Unavailable(reason),
        })?;
        let (down, downlinks) = actor::quiet_lane(DOWNLINKS_MAX);
        let (control, inbox) = Control::inbox();
        let (present, left) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let session = SessionId::generate();
        let mut attached = Attached {
            device,
            sessions,
            lane,
            link: SessionLink {
                id: session,
                downlinks: down,
                child: None,
                kinds: DownlinkKinds::ALL,
                once: false,
            },
            counts: Arc::clone(&counts),
            open: true,
            _present: present,
        };
        let connected = Delivery::Connected(attached.link.clone());
        let moved = |()| OpenError::Unavailable("it is being moved".to_owned());
        attached.deliver(connected).await.map_err(moved)?;
        attached.sessions.register(device, session, control.clone()).await?;
        let ear = Ear {
            name,
            session,
            downlinks,
            actor: SessionActor::new(device, "stream"),
            inbox,
            _control: control,
            counts,
            left,
            sessions: attached.sessions.clone(),
            device,
            link: attached.link.clone(),
            lane: attached.lane.clone(),
        };
        Ok((attached, ear))
    }

    /// Its session.
    pub fn session(&self) -> SessionId {
        self.link.id
    }

    /// Hands over what the device says. Waits while the device's actor is busy. What is not handed over, as it is more than the device
    /// may say, is not settled well.
    pub async fn say(&mut self, uplinks: Vec<Uplink>, receipt: Receipt) {
        let values = uplinks.iter().map(values_of).fold(0, u32::saturating_add);
        if self.sessions.count(Speaker::Device(self.device), values).is_err() {
            return;
        }
        let received_ms = self.sessions.now_ms();
        for uplink in uplinks {
            let delivery = Delivery::Uplink {
                session: self.link.clone(),
                uplink,
                received_ms,
                receipt: receipt.share(),
            };
            if self.deliver(delivery).await.is_err() {
                // The receipt inside was dropped with the delivery: the settlement says so.
                break;
            }
        }
        receipt.done();
    }

    /// The way to the device's new owner, which knows of the session.
    pub fn moved(&mut self, lane: DeviceLane) {
        self.lane = lane;
    }

    /// The adapter has got a request to the device.
    pub async fn delivered(&mut self, number: u32) {
        let _ = self.deliver(Delivery::Delivered(self.link.id, number)).await;
    }

    /// Ends the session: the device's actor and the manager hear of it.
    pub async fn close(mut self) {
        self.open = false;
        // An actor that is gone knows nothing of the session.
        let _ = self.lane.send(Delivery::Disconnected(self.link.id)).await;
        let unregister = Unregister {
            device: self.device,
            session: self.link.id,
        };
        self.sessions.tell_manager(unregister).await;
    }

    /// Hands a delivery to the device's actor, which may have moved or gone to sleep since.
    async fn deliver(&mut self, delivery: Delivery) -> Result<(), ()> {
        let Err(closed) = self.lane.send(delivery).await else {
            return Ok(());
        };
        let refused = |error: RouteError| tracing::debug!(device = %self.device, %error, "the device's actor is gone");
        self.lane = self.sessions.router().lane(self.device).await.map_err(refused)?;
        if !matches!(closed.0, Delivery::Connected(_)) {
            self.lane.send(Delivery::Connected(self.link.clone())).await.map_err(drop)?;
        }
        self.lane.send(closed.0).await.map_err(drop)
    }
}

/// In a box, since it is rare.
async fn announced(sessions: &Sessions, device: DeviceId, link: &SessionLink, at: Instant) -> Option<DeviceLane> {
    Box::pin(moves::announce(sessions.router(), device, link, at)).await
}

impl Drop for Attached {
    fn drop(&mut self) {
        if self.open {
            // A task that was cancelled or panicked. The device's actor notices a closed lane anyway.
            let _ = self.lane.try_send(Delivery::Disconnected(self.link.id));
        }
    }
}

impl Ear {
    /// Waits for news.
    pub async fn listen(mut self) -> (Self, News) {
        // Looked at first: it may have moved while the last news were heard.
        let mut announces = moves::moment(&self.sessions, self.device, &self.lane);
        loop {
            let at = announces.unwrap_or_else(Instant::now);
            let news = tokio::select! {
                biased;
                _ = &mut self.left => News::Left,
                asked = self.inbox.next() => {
                    let counts = &self.counts;
                    self.actor.show(counts.published.load(Ordering::Relaxed), counts.in_flight.load(Ordering::Relaxed));
                    let _ = asked(&mut self.actor).await;
                    if self.actor.take_looks() {
                        announces = moves::moment(&self.sessions, self.device, &self.lane);
                    }
                    match self.actor.take_closing() {
                        Some(reason) => News::Close(reason),
                        None => continue,
                    }
                }
                Some(downlink) = self.downlinks.recv() => match downlink {
                    Downlink::Superseded => News::Close(CloseReason::TakenOver),
                    downlink => News::Downlink(downlink),
                },
                lane = announced(&self.sessions, self.device, &self.link, at), if announces.is_some() => {
                    announces = None;
                    let Some(lane) = lane else { continue };
                    self.lane = lane.clone();
                    News::Moved(lane)
                }
            };
            return (self, news);
        }
    }
}
