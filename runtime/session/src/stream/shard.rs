//! An instance of an adapter, its peers, and what happens to them.
//!
//! The transport calls [`Shard::opened`], [`Shard::received`] and [`Shard::closed`], waits for [`Shard::happening`] beside its socket and
//! hands what it got to [`Shard::react`]; after each it takes the [outputs](Shard::outputs). One thing happens at a time, so what the
//! adapter is told and what it wants done keep their order.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use actor::LaneReceiver;
use bytes::Bytes;
use cluster::Settled;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::{Downlink, TenantId};
use plugins::{Denial, Ending, Fault, StreamAction, StreamError, StreamEvent, StreamInstance, ToldEvent};
use tokio::time::Instant;

use super::Service;
use super::device::{Attached, Ear, News};
use super::places::Place;
use super::timers::Timers;
use crate::{CloseReason, OpenError, Origin};

/// Reports whose effects are not durable yet, at most; then the transport stops reading.
pub(super) const WINDOW: usize = 512;
/// As many as may be out when one more answer of the adapter is carried out.
pub(super) const IN_FLIGHT_MAX: usize = 2 * WINDOW;

/// For the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Bytes, or one datagram.
    Send(u32, Bytes),
    /// The peer has ended, for this reason: nothing of it is left here.
    Ended(u32, String),
    /// The instance failed; all its peers have ended.
    Failed(Fault),
}

/// Something for [`Shard::react`].
pub struct Happening(pub(super) What);

pub(super) enum What {
    Login(Box<Login>),
    News(Box<Ear>, News),
    Settled,
    Timer,
}

/// A login that was decided about.
pub(super) struct Login {
    pub(super) peer: u32,
    pub(super) device: u32,
    /// Tells logins of one number apart.
    pub(super) attempt: u64,
    pub(super) result: Result<(Attached, Ear), Denial>,
}

/// Where reports come back to.
pub(super) struct Flight {
    pub(super) peer: u32,
    pub(super) ticket: u32,
    pub(super) counts: Arc<super::device::Counts>,
}

pub(super) struct Peer {
    /// Where it is.
    pub(super) origin: Origin,
    pub(super) devices: BTreeMap<u32, Slot>,
    /// Logins not decided about, refused ones among them.
    pub(super) asked: usize,
    pub(super) denials: u32,
}

impl Peer {
    fn new(tenant: TenantId, from: SocketAddr) -> Self {
        Peer {
            origin: Origin::Within(tenant, from.ip()),
            devices: BTreeMap::new(),
            asked: 0,
            denials: 0,
        }
    }
}

/// A device's number at a peer.
pub(super) enum Slot {
    /// Its login is being decided about.
    Asked(u64),
    Attached(Attached),
}

/// See the file's own words.
pub struct Shard {
    pub(super) service: Arc<Service>,
    /// In a box: it is handed to the thread that calls it.
    pub(super) instance: Option<Box<StreamInstance>>,
    /// Of the instance; kept for the next one.
    place: Option<Place>,
    pub(super) peers: HashMap<u32, Peer>,
    next_peer: u32,
    pub(super) attempts: u64,
    pub(super) logins: FuturesUnordered<BoxFuture<'static, Login>>,
    pub(super) ears: FuturesUnordered<BoxFuture<'static, (Ear, News)>>,
    pub(super) timers: Timers,
    pub(super) settle: actor::Lane<Settled>,
    pub(super) settlements: LaneReceiver<Settled>,
    /// Settled, and the adapter does not know yet.
    pub(super) settled: Vec<Settled>,
    pub(super) flights: HashMap<u64, Flight>,
    pub(super) sequence: u64,
    pub(super) outputs: Vec<Output>,
}

impl Shard {
    pub(super) fn new(service: Arc<Service>) -> Self {
        let (settle, settlements) = actor::lane(IN_FLIGHT_MAX);
        Shard {
            service,
            instance: None,
            place: None,
            peers: HashMap::new(),
            next_peer: 0,
            attempts: 0,
            logins: FuturesUnordered::new(),
            ears: FuturesUnordered::new(),
            timers: Timers::default(),
            settle,
            settlements,
            settled: Vec::new(),
            flights: HashMap::new(),
            sequence: 0,
            outputs: Vec::new(),
        }
    }

    /// A peer is there; answers the number that names it from now on.
    ///
    /// # Errors
    /// [`OpenError::Unavailable`] when there is no place for an instance, or it does not start.
    pub async fn opened(&mut self, from: SocketAddr) -> Result<u32, OpenError> {
        let Service {
            component,
            context,
            places,
            caller,
            ..
        } = &*self.service;
        if self.place.is_none() {
            self.place = places.take(context.tenant);
        }
        if self.place.is_none() {
            return Err(OpenError::Unavailable(
                "the tenant has as many stream instances as it may".to_owned(),
            ));
        }
        if self.instance.is_none() {
            let (component, context) = (component.clone(), context.clone());
            let opened = caller.call(move || StreamInstance::open(&component, context)).await;
            let opened = opened.ok_or_else(|| OpenError::Unavailable("the platform failed".to_owned()))?;
            let instance = opened.map_err(|fault| OpenError::Unavailable(fault.to_string()))?;
            self.instance = Some(Box::new(instance));
        }
        let peer = self.next_peer;
        self.next_peer = self.next_peer.wrapping_add(1);
        let carrier = self.service.carrier;
        self.peers.insert(peer, Peer::new(self.service.context.tenant, from));
        let address = &from.to_string();
        self.tell(peer, &StreamEvent::Opened { carrier, address }).await;
        Ok(peer)
    }

    /// A peer sent bytes. Only while [`Shard::has_room`].
    pub async fn received(&mut self, peer: u32, bytes: &[u8]) {
        self.tell(peer, &StreamEvent::Received(bytes)).await;
    }

    /// A peer is gone, as the transport knows.
    pub async fn closed(&mut self, peer: u32) {
        self.end(peer, None).await;
    }

    /// Whether more may be received. While not, the transport does not read: this is the back-pressure.
    pub fn has_room(&self) -> bool {
        self.flights.len() < WINDOW
    }

    /// Reports whose effects are not durable yet, or whose settlement the adapter does not know yet.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Whether a peer speaks for a device that was accepted.
    pub fn is_attached(&self, peer: u32) -> bool {
        let peer = self.peers.get(&peer);
        peer.is_some_and(|peer| peer.devices.values().any(|place| matches!(place, Slot::Attached(_))))
    }

    /// Peers there are.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// Takes what is to be sent and said.
    pub fn outputs(&mut self) -> std::vec::Drain<'_, Output> {
        self.outputs.drain(..)
    }

    /// Waits until something is to be [reacted](Shard::react) to. Cancelling loses nothing.
    pub async fn happening(&mut self) -> Happening {
        if !self.settled.is_empty() {
            return Happening(What::Settled);
        }
        let timer = self.timers.next();
        let Shard {
            logins,
            ears,
            settlements,
            settled,
            ..
        } = self;
        let what = tokio::select! {
            biased;
            taken = settlements.recv_batch(settled, WINDOW) => {
                debug_assert!(taken > 0, "the shard itself keeps the lane open");
                What::Settled
            }
            Some(login) = logins.next(), if !logins.is_empty() => What::Login(Box::new(login)),
            Some((ear, news)) = ears.next(), if !ears.is_empty() => What::News(Box::new(ear), news),
            () = tokio::time::sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => What::Timer,
        };
        Happening(what)
    }

    /// Tells the adapter what happened and does what it wants done. Waits while devices' actors are busy.
    pub async fn react(&mut self, Happening(what): Happening) {
        match what {
            What::Login(login) => self.login_decided(*login).await,
            What::News(ear, news) => self.news(*ear, news).await,
            What::Settled => self.settlement().await,
            What::Timer => {
                if let Some((peer, timer)) = self.timers.take_due(Instant::now()) {
                    self.tell(peer, &StreamEvent::Timer(timer)).await;
                }
            }
        }
    }

    /// Tells the adapter of settled reports of one peer: the others wait for the next turn, so that outputs do not pile up.
    async fn settlement(&mut self) {
        let mut first = None;
        let mut tickets = Vec::new();
        let flights = &mut self.flights;
        self.settled.retain(|settled| {
            let Some(flight) = flights.get(&settled.sequence) else {
                return false;
            };
            if *first.get_or_insert(flight.peer) != flight.peer {
                return true;
            }
            tickets.push((flight.ticket, settled.result.is_ok()));
            if let Some(flight) = flights.remove(&settled.sequence) {
                flight.counts.settled();
            }
            false
        });
        if let Some(peer) = first {
            self.tell(peer, &StreamEvent::Settled(&tickets)).await;
        }
    }

    async fn news(&mut self, ear: Ear, news: News) {
        let (peer, device) = ear.name;
        let session = ear.session;
        let is_this = |place: &Slot| matches!(place, Slot::Attached(attached) if attached.session() == session);
        let here = self
            .peers
            .get(&peer)
            .and_then(|peer| peer.devices.get(&device))
            .is_some_and(is_this);
        match news {
            News::Left => {}
            _ if !here => {}
            News::Downlink(downlink) => {
                self.listen(ear);
                self.tell(peer, &StreamEvent::Downlink(device, &downlink)).await;
                let place = self.peers.get_mut(&peer).and_then(|peer| peer.devices.get_mut(&device));
                if let (Downlink::RpcRequest { id, .. }, Some(Slot::Attached(attached))) = (&downlink, place) {
                    attached.delivered(*id).await;
                }
            }
            News::Moved(lane) => {
                self.listen(ear);
                let place = self.peers.get_mut(&peer).and_then(|peer| peer.devices.get_mut(&device));
                if let Some(Slot::Attached(attached)) = place {
                    attached.moved(lane);
                }
            }
            // The transport hears of it too, waits for what is in flight, and closes the peer.
            News::Close(CloseReason::ShuttingDown) => self.listen(ear),
            News::Close(reason) => {
                self.detach(peer, device).await;
                let ending = match reason {
                    CloseReason::TakenOver => Ending::TakenOver,
                    _ => Ending::Administrative,
                };
                self.tell(peer, &StreamEvent::Detached(device, ending)).await;
            }
        }
    }

    pub(super) fn listen(&mut self, ear: Ear) {
        self.ears.push(Box::pin(ear.listen()));
    }

    /// Tells the adapter something about a peer and does what it wants done.
    pub(super) async fn tell(&mut self, peer: u32, event: &StreamEvent<'_>) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        let Some(answer) = self.ask_adapter(peer, event).await else {
            return;
        };
        match answer {
            Ok(actions) => {
                for action in actions {
                    if !self.perform(peer, action).await {
                        break;
                    }
                }
            }
            Err(StreamError::Rejected(reason)) => self.end(peer, Some(reason)).await,
            Err(StreamError::Broken(fault)) => self.fail(fault).await,
        }
    }

    /// A peer ends: its devices' sessions do, and the adapter forgets it. The transport is told unless it knows.
    pub(super) async fn end(&mut self, peer: u32, reason: Option<String>) {
        let Some(gone) = self.peers.remove(&peer) else { return };
        self.forget(peer, gone).await;
        self.outputs.extend(reason.map(|reason| Output::Ended(peer, reason)));
        if let Some(Err(StreamError::Broken(fault))) = self.ask_adapter(peer, &StreamEvent::Closed).await {
            self.fail(fault).await;
        }
    }

    /// Calls the adapter, in a turn of its tenant: whoever uses much waits, and its peers with it. None: there is no instance.
    async fn ask_adapter(&mut self, peer: u32, event: &StreamEvent<'_>) -> Option<Result<Vec<StreamAction>, StreamError>> {
        let Some(told) = ToldEvent::of(event) else {
            return Some(Ok(Vec::new()));
        };
        let mut instance = self.instance.take()?;
        let call = move || {
            let answer = instance.tell(peer, &told);
            (instance, answer)
        };
        let Some((instance, answer)) = self.service.caller.call(call).await else {
            return Some(Err(StreamError::Broken(Fault::Unanswered("it failed".to_owned()))));
        };
        self.instance = Some(instance);
        Some(answer)
    }

    /// The instance is lost, and with it what it knew of its peers.
    async fn fail(&mut self, fault: Fault) {
        self.instance = None;
        tracing::warn!(adapter = &*self.service.context.name, tenant = %self.service.context.tenant, %fault, "a stream adapter failed");
        for (peer, gone) in std::mem::take(&mut self.peers) {
            self.forget(peer, gone).await;
            self.outputs.push(Output::Ended(peer, fault.to_string()));
        }
        self.outputs.push(Output::Failed(fault));
    }

    async fn forget(&mut self, peer: u32, gone: Peer) {
        self.timers.forget(peer);
        for place in gone.devices.into_values() {
            if let Slot::Attached(attached) = place {
                attached.close().await;
            }
        }
    }

    /// Ends a device's session.
    pub(super) async fn detach(&mut self, peer: u32, device: u32) {
        let place = self.peers.get_mut(&peer).and_then(|peer| peer.devices.remove(&device));
        if let Some(Slot::Attached(attached)) = place {
            attached.close().await;
        }
    }
}
