//! Testing stream adapters natively, without a host: a test plays the host.

use super::{Action, Arrival, Carrier, Denial, Ending, Event, Peers, StreamAdapter, contract};
use crate::adapter::Downlink;

/// A peer of an adapter. Each call answers what the adapter wants done, or why it ends the peer.
pub struct TestPeer<A> {
    peers: Peers<A>,
    /// What the adapter wanted done when the peer came.
    pub greeting: Vec<Action>,
}

type Answer = Result<Vec<Action>, String>;

impl<A: StreamAdapter> TestPeer<A> {
    /// A TCP connection.
    pub fn tcp() -> Self {
        Self::open(Carrier::Tcp).expect("the adapter takes the peer")
    }

    /// A UDP address.
    pub fn udp() -> Self {
        Self::open(Carrier::Udp).expect("the adapter takes the peer")
    }

    /// A new peer.
    ///
    /// # Errors
    /// Why the adapter does not serve it.
    pub fn open(carrier: Carrier) -> Result<Self, String> {
        let mut peers = Peers::default();
        let address = "192.0.2.1:5000".to_owned();
        let greeting = peers.handle(0, Event::Opened(Arrival { carrier, address }))?;
        Ok(TestPeer { peers, greeting })
    }

    /// Bytes arrive.
    ///
    /// # Errors
    /// Why the adapter ends the peer.
    pub fn received(&mut self, bytes: &[u8]) -> Answer {
        self.peers.handle(0, Event::Received(bytes.to_vec()))
    }

    /// A device is accepted.
    ///
    /// # Errors
    /// Why the adapter ends the peer.
    pub fn accepted(&mut self, device: u32) -> Answer {
        self.peers
            .handle(0, Event::Authenticated(contract::Verdict { device, denied: None }))
    }

    /// A device is not accepted.
    ///
    /// # Errors
    /// Why the adapter ends the peer.
    pub fn denied(&mut self, device: u32, denial: Denial) -> Answer {
        let denied = Some(denial);
        self.peers.handle(0, Event::Authenticated(contract::Verdict { device, denied }))
    }

    /// Uplinks are durable, or will not be.
    ///
    /// # Errors
    /// Why the adapter ends the peer.
    pub fn settled(&mut self, ticket: u32, durable: bool) -> Answer {
        self.peers.handle(0, Event::Settled(vec![contract::Settlement { ticket, durable }]))
    }

    /// A device is to be told something.
    ///
    /// # Errors
    /// Why the adapter ends the peer.
    pub fn downlink(&mut self, device: u32, downlink: Downlink) -> Answer {
        self.peers.handle(0, Event::Downlink(contract::Directive { device, downlink }))
    }

    /// A device's session ends.
    ///
    /// # Errors
    /// Why the adapter ends the peer.
    pub fn detached(&mut self, device: u32, ending: Ending) -> Answer {
        self.peers.handle(0, Event::Detached(contract::Departure { device, ending }))
    }

    /// A timer runs out.
    ///
    /// # Errors
    /// Why the adapter ends the peer.
    pub fn timer(&mut self, timer: u32) -> Answer {
        self.peers.handle(0, Event::Timer(timer))
    }

    /// The peer is gone.
    pub fn closed(mut self) {
        // Nothing is done any more.
        let _ = self.peers.handle(0, Event::Closed);
    }
}
