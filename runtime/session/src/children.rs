//! The devices behind a gateway, as its session knows them: each has a lane to its own actor, all are told through the gateway's lane.
//!
//! Names become devices through the port [`Registrar`], which makes those that are not there yet. Must not know topics.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use actor::Lane;
use async_trait::async_trait;
use cluster::{Delivery, DeviceLane, Receipt, RouteError, Router, SessionId, SessionLink};
use model::{ChildRefusal, ChildUplink, DeviceId, Downlink, DownlinkKinds, Uplink};
use tokio::time::Instant;

use crate::limits::{Exceeded, Speaker};
use crate::manager::Sessions;
use crate::notices::Notices;
use crate::{ProvisionRequest, Provisioned, PublishError, moves};

/// Devices behind one gateway at most.
const CHILDREN_MAX: usize = 10_000;
/// Questions of a gateway that wait for their answers at most; the oldest is forgotten.
const ASKED_MAX: usize = 1_000;

/// Makes devices that nobody made over REST.
#[async_trait]
pub trait Registrar: Send + Sync + 'static {
    /// Whether a device is a gateway.
    async fn is_gateway(&self, device: DeviceId) -> Result<bool, RegisterError>;

    /// The device of a name in the gateway's tenant; made, with the profile of a name, if there is none.
    async fn device_behind(&self, gateway: DeviceId, name: &str, profile: Option<&str>) -> Result<DeviceId, RegisterError>;

    /// The device of a chain of certificates (DER), its own first, of which the authority of a profile has signed the first. None: there is no
    /// such profile, or no such device and none may come into being.
    async fn device_of_chain(&self, chain: &[Vec<u8>]) -> Result<Option<DeviceId>, RegisterError>;

    /// Gives a device that has no credentials yet what its profile allows.
    async fn provision(&self, request: &ProvisionRequest) -> Result<Provisioned, RegisterError>;
}

/// Why there is no device of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The name or the profile's name is none that a device can have.
    #[error("{0}")]
    Invalid(String),
    /// Try again.
    #[error("devices cannot be registered now: {0}")]
    Unavailable(String),
}

/// See the module.
pub(crate) struct Children {
    gateway: DeviceId,
    downlinks: Lane<Downlink>,
    by_name: HashMap<Arc<str>, Child>,
    asked: Asked,
    /// Those that have to announce themselves again, each in its moment.
    moved: VecDeque<(Arc<str>, Instant)>,
}

struct Child {
    device: DeviceId,
    lane: DeviceLane,
    link: SessionLink,
    notices: Notices,
}

impl Children {
    pub(crate) fn new(gateway: DeviceId, downlinks: Lane<Downlink>) -> Self {
        Children {
            gateway,
            downlinks,
            by_name: HashMap::new(),
            asked: Asked::default(),
            moved: VecDeque::new(),
        }
    }

    /// Makes sure that a device is there and its actor knows the way back, whatever the gateway says of it.
    pub(crate) async fn meet(
        &mut self,
        name: &Arc<str>,
        says: &ChildUplink,
        registrar: &dyn Registrar,
        router: &Router,
    ) -> Result<(), PublishError> {
        if self.by_name.contains_key(name) || *says == ChildUplink::Disconnected {
            return Ok(());
        }
        if self.by_name.len() >= CHILDREN_MAX {
            return Err(PublishError::TooManyDevices);
        }
        let profile = match says {
            ChildUplink::Connected(profile) => profile.as_deref(),
            _ => None,
        };
        let device = registrar
            .device_behind(self.gateway, name, profile)
            .await
            .map_err(|error| match error {
                RegisterError::Invalid(reason) => PublishError::Malformed(reason),
                RegisterError::Unavailable(reason) => PublishError::Unavailable(reason),
            })?;
        let unavailable = |error: RouteError| PublishError::Unavailable(error.to_string());
        let mut child = Child {
            device,
            lane: router.lane(device).await.map_err(unavailable)?,
            link: SessionLink {
                id: SessionId::generate(),
                downlinks: self.downlinks.clone(),
                child: Some(Arc::clone(name)),
                kinds: DownlinkKinds::ALL,
                once: false,
            },
            notices: Notices::default(),
        };
        let hello = Delivery::Connected(child.link.clone());
        if child.deliver(hello, router).await.is_err() {
            return Err(PublishError::Unavailable("the device is being moved".to_owned()));
        }
        self.by_name.insert(Arc::clone(name), child);
        Ok(())
    }

    /// Takes a message with so many values from the limits of a device that has been met. The gateway is told when it begins to be too much.
    pub(crate) fn count(&mut self, name: &str, values: u32, sessions: &Sessions) -> Result<(), Exceeded> {
        let Some(child) = self.by_name.get_mut(name) else {
            return Ok(());
        };
        let counted = sessions.count(Speaker::Child(child.device), values);
        if counted == Err(Exceeded::Child) {
            let Child { link, notices, .. } = child;
            // A session that takes no more now tells it of the next that is refused.
            notices.refused(sessions.now_ms(), || {
                link.tell(Downlink::Refused(ChildRefusal::RateExceeded)).is_ok()
            });
        }
        counted
    }

    /// Hands what is said of a child to its actor. The name has been [met](Children::meet).
    pub(crate) async fn says(&mut self, name: &Arc<str>, says: ChildUplink, router: &Router, received_ms: i64, receipt: Receipt) {
        let uplink = match says {
            // Done when it was met.
            ChildUplink::Connected(_) => return receipt.done(),
            ChildUplink::Disconnected => {
                if let Some(mut child) = self.by_name.remove(name) {
                    // An actor that is gone needs no good-bye.
                    let _ = child.deliver(Delivery::Disconnected(child.link.id), router).await;
                }
                return receipt.done();
            }
            ChildUplink::Says(uplink) => self.asked.note(*uplink, false),
            ChildUplink::AsksForOne(uplink) => self.asked.note(*uplink, true),
        };
        // Otherwise the receipt is dropped, and the settlement says so.
        let Some(child) = self.by_name.get_mut(name) else { return };
        child.notices.heard();
        let delivery = Delivery::Uplink {
            session: child.link.clone(),
            uplink,
            received_ms,
            receipt,
        };
        if child.deliver(delivery, router).await.is_err() {
            // Deleted, mostly: it is looked for again when the gateway next speaks of it.
            self.by_name.remove(name);
        }
    }

    /// A downlink with what the gateway has to know of its question.
    pub(crate) fn answered(&mut self, downlink: Downlink) -> Downlink {
        match downlink {
            Downlink::Child {
                device, downlink: inner, ..
            } => {
                let (inner, single) = self.asked.answered(*inner);
                Downlink::Child {
                    device,
                    single,
                    downlink: Box::new(inner),
                }
            }
            own => own,
        }
    }

    /// The gateway's transport took something. A request counts as delivered then: gateways acknowledge for all their devices alike.
    pub(crate) fn told(&self, downlink: &Downlink) {
        let Downlink::Child { device, downlink, .. } = downlink else {
            return;
        };
        if let (Downlink::RpcRequest { id, .. }, Some(child)) = (&**downlink, self.by_name.get(device)) {
            // An actor that has no room hears nothing, and sends a request that it keeps again.
            let _ = child.lane.try_send(Delivery::Delivered(child.link.id, *id));
        }
    }

    /// Devices may have moved to other servers.
    pub(crate) fn look_again(&mut self, sessions: &Sessions) {
        let moment = |(name, child): (&Arc<str>, &Child)| Some((Arc::clone(name), moves::moment(sessions, child.device, &child.lane)?));
        self.moved = self.by_name.iter().filter_map(moment).collect();
    }

    /// Whether one has to announce itself.
    pub(crate) fn announces(&self) -> bool {
        !self.moved.is_empty()
    }

    /// The next one announces itself to the new owner of its device. Cancelling loses nothing.
    pub(crate) async fn announce_next(&mut self, router: &Router) {
        let Some((name, at)) = self.moved.front() else { return };
        if let Some(child) = self.by_name.get_mut(name) {
            match moves::announce(router, child.device, &child.link, *at).await {
                Some(lane) => child.lane = lane,
                // Deleted: it is looked for again when the gateway next speaks of it.
                None => drop(self.by_name.remove(name)),
            }
        }
        self.moved.pop_front();
    }

    /// The gateway is gone, and with it everything behind it.
    pub(crate) async fn leave(&mut self, router: &Router) {
        for (_, mut child) in self.by_name.drain() {
            let _ = child.deliver(Delivery::Disconnected(child.link.id), router).await;
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in self.by_name.values() {
            // The gateway's session was not closed in order. An actor notices a closed lane anyway.
            let _ = child.lane.try_send(Delivery::Disconnected(child.link.id));
        }
    }
}

impl Child {
    /// Hands a delivery to the device's actor, which may have moved or gone to sleep since.
    async fn deliver(&mut self, delivery: Delivery, router: &Router) -> Result<(), ()> {
        let Err(closed) = self.lane.send(delivery).await else {
            return Ok(());
        };
        if matches!(closed.0, Delivery::Disconnected(_)) {
            return Ok(());
        }
        self.lane = router.lane(self.device).await.map_err(drop)?;
        if !matches!(closed.0, Delivery::Connected(_)) {
            self.lane.send(Delivery::Connected(self.link.clone())).await.map_err(drop)?;
        }
        self.lane.send(closed.0).await.map_err(drop)
    }
}

/// Questions on their way. Gateways number them as they like, for all devices alike; actors are given numbers that differ.
#[derive(Default)]
struct Asked {
    next: u32,
    /// Our number, the gateway's, and whether one value alone is wanted; oldest first.
    waiting: VecDeque<(u32, u32, bool)>,
}

impl Asked {
    /// Gives a question a number of ours. What is no question passes.
    fn note(&mut self, uplink: Uplink, single: bool) -> Uplink {
        match uplink {
            Uplink::AttributeRequest {
                id,
                client_keys,
                shared_keys,
            } => {
                if self.waiting.len() >= ASKED_MAX {
                    self.waiting.pop_front();
                }
                let own = self.next;
                self.next = self.next.wrapping_add(1);
                self.waiting.push_back((own, id, single));
                Uplink::AttributeRequest {
                    id: own,
                    client_keys,
                    shared_keys,
                }
            }
            other => other,
        }
    }

    /// Gives an answer the gateway's number back.
    fn answered(&mut self, downlink: Downlink) -> (Downlink, bool) {
        match downlink {
            Downlink::AttributeResponse { id: own, client, shared } => {
                let place = self.waiting.iter().position(|(number, ..)| *number == own);
                let (_, id, single) = place.and_then(|place| self.waiting.remove(place)).unwrap_or((own, own, false));
                (Downlink::AttributeResponse { id, client, shared }, single)
            }
            other => (other, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: u32) -> Uplink {
        Uplink::AttributeRequest {
            id,
            client_keys: None,
            shared_keys: None,
        }
    }

    fn answer(id: u32) -> Downlink {
        Downlink::AttributeResponse {
            id,
            client: None,
            shared: None,
        }
    }

    #[test]
    fn questions_get_their_own_numbers_and_forms_back() {
        let mut asked = Asked::default();
        assert_eq!(asked.note(question(7), true), question(0));
        assert_eq!(asked.note(question(7), false), question(1));
        assert_eq!(asked.answered(answer(1)), (answer(7), false));
        assert_eq!(asked.answered(answer(0)), (answer(7), true));
        assert_eq!(asked.answered(answer(0)), (answer(0), false), "nobody asked");
        for id in 0..2_000 {
            asked.note(question(id), true);
        }
        assert_eq!(asked.waiting.len(), ASKED_MAX);
        assert_eq!(asked.answered(answer(2_001)), (answer(1_999), true));
    }
}
