//! The session with one other peer: an actor that owns what is on its way to it and what came from it, over one connection after another.
//!
//! It lives as long as the peer belongs to the cluster. While there is no connection, what is to be sent waits, and senders with it. When the
//! peer is gone, or has forgotten everything, what it may not have done is sent again elsewhere ([`crate::reroute`]).

mod changing;
mod connection;
mod feeding;
mod sending;
mod taking;
mod telling;
mod using;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actor::{Lane, LaneReceiver, Life, lane};
use cluster::{Backlog, Devices, PeerId, Place, Tally};
use feed::{Feed, Link};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::codec::{self, answer, downlink};
use crate::handshake::{Agreed, agree};
use crate::paths::Paths;
use crate::port::{Forward, Telling};
use crate::reroute::Again;
use crate::resume::{Broken, Resume};
use crate::wire::{Deliver, Done, Frame, Hello, Item, Tell, frame, item};
use crate::{CodecError, PeersConfig};
pub use connection::Connection;
pub(crate) use connection::hello_frame;
use connection::{has_place, incarnation, next_frame};
use sending::Sending;
use taking::{Report, Taking};
use telling::Tellings;

/// Senders that may stand before the session; more wait.
const FORWARDS_MAX: usize = 1024;
/// Downlinks that may stand before the session; beyond, they are refused as by a session that takes no more.
const TELLINGS_MAX: usize = 4096;
/// Orders to the session that may wait.
const ORDERS_MAX: usize = 16;
/// Items taken at one turn.
const BATCH_MAX: usize = 64;
/// Frames that may wait for the network.
pub(crate) const FRAMES_MAX: usize = 256;

/// What a session is told.
pub enum Order {
    /// A new connection is being made: how this side says hello. The one before is not used any more.
    Greet(oneshot::Sender<Hello>),
    /// There is a new connection.
    Connected(Box<Connection>),
    /// The peer is gone.
    Stop,
}

/// The ways to a session.
#[derive(Clone)]
pub struct SessionHandle {
    /// Deliveries for devices of the peer.
    pub forwards: Lane<Forward>,
    /// Orders.
    pub orders: Lane<Order>,
    /// Counts how often both sides began anew. Lanes of before are closed: the other side has forgotten who they are from.
    pub generation: Arc<AtomicU64>,
    /// What the peer is to be told of changes.
    pub changes: Backlog,
    /// What the peer is to be told of usage.
    pub usage: Tally,
}

/// What sessions work with.
#[derive(Clone)]
pub struct SessionSurroundings {
    /// This peer's place.
    pub place: Place,
    /// This peer's devices.
    pub devices: Arc<dyn Devices>,
    /// What is on its way.
    pub paths: Paths,
    /// Takes what has to be sent again.
    pub again: Lane<Again>,
    /// Takes what other peers have changed.
    pub changes: Backlog,
    /// Tells what is saved to those who watch.
    pub feed: Feed,
    /// Takes what tenants used through other peers.
    pub usage: Tally,
    /// Limits.
    pub config: PeersConfig,
}

/// See the module.
pub struct PeerSession {
    local: PeerId,
    peer: PeerId,
    around: SessionSurroundings,
    resume: Resume<item::What>,
    incarnation: u64,
    /// The other side's incarnation, once it said hello.
    theirs: u64,
    /// The protocol version that is spoken; 0: none was yet.
    version: u32,
    generation: Arc<AtomicU64>,
    frames: Option<BoxStream<'static, Result<Frame, Status>>>,
    out: Option<mpsc::Sender<Frame>>,
    ended: Option<oneshot::Sender<()>>,
    sending: Sending,
    taking: Taking,
    tellings: Tellings,
    changes: Backlog,
    link: Link,
    usage: Tally,
    orders: LaneReceiver<Order>,
    forwards: LaneReceiver<Forward>,
    tells: LaneReceiver<Telling>,
    batch: Vec<Forward>,
    told: Vec<Telling>,
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("items do not follow each other")]
    Broken(#[from] Broken),
    #[error("what came cannot be read")]
    Codec(#[from] CodecError),
    #[error("the stream ended")]
    Ended,
    #[error("the stream broke: {0}")]
    Failed(Status),
    #[error("a frame came that nobody expects")]
    Unexpected,
}

impl Life for PeerSession {
    async fn live(&mut self) {
        self.run().await;
    }
}

impl PeerSession {
    /// A session with a peer, and the ways to it. There is no connection yet.
    pub fn new(local: PeerId, peer: PeerId, around: SessionSurroundings) -> (Self, SessionHandle) {
        let (forward, forwards) = lane(FORWARDS_MAX);
        let (tell, tells) = lane(TELLINGS_MAX);
        let (order, orders) = lane(ORDERS_MAX);
        let config = &around.config;
        let taking = Taking::new(
            around.place.clone(),
            Arc::clone(&around.devices),
            tell,
            config.patience,
            config.unsettled_max,
        );
        let link = around.feed.link();
        let session = PeerSession {
            local,
            peer,
            around,
            resume: Resume::default(),
            incarnation: incarnation(),
            theirs: 0,
            version: 0,
            generation: Arc::default(),
            frames: None,
            out: None,
            ended: None,
            sending: Sending::default(),
            taking,
            tellings: Tellings::default(),
            changes: Backlog::default(),
            link,
            usage: Tally::default(),
            orders,
            forwards,
            tells,
            batch: Vec::new(),
            told: Vec::new(),
        };
        let handle = SessionHandle {
            forwards: forward,
            orders: order,
            generation: Arc::clone(&session.generation),
            changes: session.changes.clone(),
            usage: session.usage.clone(),
        };
        (session, handle)
    }

    async fn run(&mut self) {
        loop {
            let config = &self.around.config;
            let room = config.window.saturating_sub(self.resume.kept()).min(BATCH_MAX);
            let has_room = room > 0;
            // No more than the other side has places for settlements. Nothing sets out while nobody is there: who has not set out can still
            // go elsewhere.
            let more = config.unsettled_max.saturating_sub(self.sending.unsettled()).min(room);
            let takes_more = self.out.is_some() && more > 0;
            let writes = self.resume.has_unsent() || self.resume.owes();
            let used = tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(Order::Greet(answer)) => {
                        self.hang_up();
                        // Whoever asked may have given up.
                        let _ = answer.send(self.hello());
                        Ok(())
                    }
                    Some(Order::Connected(connection)) => self.connected(*connection).await,
                    Some(Order::Stop) => {
                        self.missed();
                        return self.stop().await;
                    }
                    None => return self.stop().await,
                },
                came = next_frame(&mut self.frames) => match came {
                    Some(Ok(frame)) => self.take_all(frame),
                    Some(Err(status)) => Err(Unusable::Failed(status)),
                    None => Err(Unusable::Ended),
                },
                open = has_place(&self.out), if writes => {
                    self.write();
                    if open { Ok(()) } else { Err(Unusable::Ended) }
                }
                report = self.taking.report() => {
                    report.into_iter().for_each(|report| self.report(report));
                    Ok(())
                }
                gone = self.tellings.go_on(), if self.tellings.are_waiting() => {
                    gone.into_iter().for_each(|session| self.gone(session));
                    Ok(())
                }
                () = self.changes.some(), if self.out.is_some() && has_room && self.tells_changes() => {
                    self.announce();
                    Ok(())
                }
                () = self.link.some(), if self.out.is_some() && self.feeds() => {
                    self.feed();
                    Ok(())
                }
                () = self.usage.some(), if self.out.is_some() && has_room && self.tells_usage() => {
                    self.tell_usage();
                    Ok(())
                }
                _ = self.tells.recv_batch(&mut self.told, room), if has_room => {
                    self.tell_other();
                    Ok(())
                }
                taken = self.forwards.recv_batch(&mut self.batch, more), if takes_more => {
                    if taken == 0 {
                        return self.stop().await;
                    }
                    self.forward();
                    Ok(())
                }
            };
            if let Err(reason) = used {
                tracing::info!(peer = self.peer.0, %reason, "the connection to a peer is not used any more");
                self.hang_up();
            }
        }
    }

    fn hang_up(&mut self) {
        (self.frames, self.out, self.ended) = (None, None, None);
    }

    fn hello(&self) -> Hello {
        Hello {
            version_min: self.around.config.speaks.min,
            version_max: self.around.config.speaks.max,
            peer: self.local.0,
            incarnation: self.incarnation,
            knows: self.theirs,
            expects: self.resume.expected(),
        }
    }

    async fn connected(&mut self, connection: Connection) -> Result<(), Unusable> {
        let Connection {
            theirs,
            frames,
            out,
            greeted,
            ended,
        } = connection;
        self.hang_up();
        let ours = self.hello();
        let agreed = match agree(&ours, &theirs) {
            Ok(agreed) => agreed,
            Err(error) => {
                tracing::error!(peer = self.peer.0, %error, "a peer speaks no version that this one speaks");
                return Ok(());
            }
        };
        if !greeted && out.try_send(hello_frame(ours)).is_err() {
            return Err(Unusable::Ended);
        }
        let Agreed { version, resumes } = agreed;
        tracing::info!(peer = self.peer.0, version, resumes = resumes.is_some(), "connected to a peer");
        match resumes {
            Some(expects) => self.resume.resumed(expects)?,
            None => {
                // At the first connection there is no delivery that could be lost.
                if self.theirs != 0 {
                    self.anew().await;
                }
                self.missed();
                self.feed_anew(version);
            }
        }
        self.usage.clear();
        (self.theirs, self.version) = (theirs.incarnation, version);
        (self.frames, self.out, self.ended) = (Some(frames), Some(out), Some(ended));
        Ok(())
    }

    /// Both sides begin anew: what was on its way may be lost, and is sent again. It comes back here if the peer is still the owner.
    async fn anew(&mut self) {
        self.generation.fetch_add(1, Ordering::Release);
        self.resume.anew();
        self.taking.forget(self.around.config.unsettled_max);
        let lost = self.sending.lost();
        again(&self.around.again, lost).await;
        self.around.place.lanes_closed();
    }

    /// The peer is gone, or this server stops.
    async fn stop(&mut self) {
        self.hang_up();
        self.link.end();
        self.anew().await;
        self.forwards.close();
        self.tells.close();
        let mut left = Vec::new();
        while let Some(forward) = self.forwards.try_recv() {
            left.push(forward);
        }
        again(&self.around.again, left).await;
    }

    /// Takes a frame, and those that wait behind it.
    fn take_all(&mut self, frame: Frame) -> Result<(), Unusable> {
        self.take(frame)?;
        for _ in 1..BATCH_MAX {
            let Some(frames) = &mut self.frames else { break };
            match frames.next().now_or_never() {
                Some(Some(Ok(frame))) => self.take(frame)?,
                Some(Some(Err(status))) => return Err(Unusable::Failed(status)),
                Some(None) => return Err(Unusable::Ended),
                None => break,
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame) -> Result<(), Unusable> {
        match frame.frame {
            Some(frame::Frame::Taken(below)) => self.resume.acknowledged(below)?,
            Some(frame::Frame::Item(Item { number, what })) => {
                if self.resume.received(number)? {
                    self.item(number, what.ok_or(CodecError::Unknown("an item"))?)?;
                }
            }
            Some(frame::Frame::Hello(_)) | None => return Err(Unusable::Unexpected),
        }
        Ok(())
    }

    fn item(&mut self, number: u64, what: item::What) -> Result<(), CodecError> {
        match what {
            item::What::Deliver(deliver) => self.deliver(number, deliver),
            item::What::Done(Done { delivery, outcome }) => {
                let outcome = outcome.ok_or(CodecError::Unknown("what became of a delivery"))?;
                if let Some(forward) = self.sending.done(delivery, &outcome, self.around.config.waiting_max) {
                    // Beyond what it takes it is dropped: whoever waits hears that it was not done.
                    let _ = self.around.again.try_send(Again::of(forward));
                }
            }
            item::What::Reply(reply) => {
                let number = reply.delivery;
                self.sending.replied(number, answer::decode(reply)?);
            }
            item::What::Tell(Tell { session, downlink }) => {
                let session = codec::session_of(&session)?;
                let downlink = downlink::decode(downlink.ok_or(CodecError::Unknown("a downlink"))?)?;
                match self.sending.link(session) {
                    Some(link) => self.tellings.tell(session, link, downlink, self.around.config.downlinks_max),
                    None => self.gone(session),
                }
            }
            item::What::Changed(changed) => self.changed(changed)?,
            item::What::Used(used) => self.used(used)?,
            item::What::Gone(session) => self.taking.gone(codec::session_of(&session)?),
            what @ (item::What::Watch(_) | item::What::Unwatch(_) | item::What::Missed(_) | item::What::Saved(_)) => self.fed(what),
        }
        Ok(())
    }

    /// A delivery that cannot be read is not taken; the others are.
    fn deliver(&mut self, number: u64, deliver: Deliver) {
        match self.taking.take(number, deliver) {
            Ok(report) => report.into_iter().for_each(|report| self.report(report)),
            Err(error) => {
                tracing::error!(peer = self.peer.0, %error, "a delivery of a peer cannot be read");
                self.report(Report::Done(number, crate::wire::done::Outcome::Unavailable(true)));
            }
        }
    }

    fn report(&mut self, report: Report) {
        let what = match report {
            Report::Done(delivery, outcome) => item::What::Done(Done {
                delivery,
                outcome: Some(outcome),
            }),
            Report::Reply(delivery, answer) => match answer::encode(delivery, &answer) {
                Ok(reply) => item::What::Reply(reply),
                Err(error) => {
                    tracing::error!(peer = self.peer.0, %error, "an answer cannot be written");
                    return;
                }
            },
        };
        self.resume.push(what);
    }

    fn gone(&mut self, session: cluster::SessionId) {
        self.resume.push(item::What::Gone(codec::bytes_of(session.0)));
    }

    fn tell_other(&mut self) {
        for Telling(session, downlink) in self.told.drain(..) {
            match downlink::encode(&downlink) {
                Ok(downlink) => drop(self.resume.push(item::What::Tell(Tell {
                    session: codec::bytes_of(session.0),
                    downlink: Some(downlink),
                }))),
                Err(error) => tracing::error!(peer = self.peer.0, %error, "a downlink cannot be written"),
            }
        }
    }

    fn forward(&mut self) {
        let generation = self.generation.load(Ordering::Acquire);
        for forward in self.batch.drain(..) {
            if forward.on_its_way.generation() != generation {
                // It set out before both sides began anew: what was before it is sent again, and must not be passed. Beyond what is taken
                // it is not done.
                let _ = self.around.again.try_send(Again::of(forward));
                continue;
            }
            if codec::delivery::since(&forward.delivery) > self.version {
                sending::unsent(forward);
                continue;
            }
            match codec::delivery::encode(forward.device, forward.epoch, &forward.delivery) {
                Ok(deliver) => {
                    let number = self.resume.push(item::What::Deliver(deliver));
                    self.sending.sent(number, forward);
                }
                // Dropped: whoever waits hears that it was not done.
                Err(error) => tracing::error!(peer = self.peer.0, %error, "a delivery cannot be written"),
            }
        }
    }
}

/// Has deliveries sent again. Nobody takes them only when the server stops.
async fn again(lane: &Lane<Again>, forwards: Vec<Forward>) {
    for forward in forwards {
        let _ = lane.send(Again::of(forward)).await;
    }
}
