//! What travels between a session and the device actor.

use std::fmt;
use std::sync::Arc;

use actor::Lane;
use model::{DeviceId, Downlink, Uplink};
use uuid::Uuid;

use crate::Receipt;

/// A connection, or one exchange of a connectionless protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// A new one.
    pub fn generate() -> Self {
        SessionId(Uuid::now_v7())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// The way back to a session.
#[derive(Clone, Debug)]
pub struct SessionLink {
    /// Who.
    pub id: SessionId,
    /// What the device is to be told. Bounded: when it is full, a downlink is refused and its sender hears so. Settlements travel in a
    /// lane of their own (see [`Receipt`]), so that downlinks can never displace them.
    pub downlinks: Lane<Downlink>,
    /// The name under which the session, a gateway's, knows the device. None: the session is the device's own.
    pub child: Option<Arc<str>>,
}

impl SessionLink {
    /// Tells the device something, if there is room now.
    ///
    /// # Errors
    /// The session takes no more, or is gone.
    pub fn tell(&self, downlink: Downlink) -> Result<(), Untold> {
        let downlink = match &self.child {
            None => downlink,
            Some(name) => Downlink::Child {
                device: Arc::clone(name),
                single: false,
                downlink: Box::new(downlink),
            },
        };
        self.downlinks.try_send(downlink).map_err(|_| Untold)
    }
}

/// A session did not take a downlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session takes no more")]
pub struct Untold;

/// What a session tells a device's actor.
#[derive(Debug)]
pub enum Delivery {
    /// The session is there, and can take downlinks.
    Connected(SessionLink),
    /// The session is gone.
    Disconnected(SessionId),
    /// The device said something.
    Uplink {
        /// Whose session.
        session: SessionLink,
        /// What.
        uplink: Uplink,
        /// Milliseconds since 1970-01-01 UTC.
        received_ms: i64,
        /// Settled when every effect of the uplink is durable.
        receipt: Receipt,
    },
    /// Something for the device, from the server's side. Answered when a session took it, or none could.
    Rpc(RpcRequest),
    /// News for the device, such as changed shared attributes: told to its sessions, if there are any.
    Push(Downlink),
}

/// A request to a device.
#[derive(Debug)]
pub struct RpcRequest {
    /// What is wanted.
    pub method: std::sync::Arc<str>,
    /// Any JSON.
    pub params: model::Payload,
    /// How long to wait for the reply.
    pub timeout_ms: u32,
    /// Done when a session took it.
    pub oneway: bool,
    /// The answer's way back.
    pub reply: tokio::sync::oneshot::Sender<Result<Option<model::Payload>, RpcError>>,
}

/// Why a request to a device was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// The device has no session, or its session takes no more.
    #[error("the device is not connected")]
    NotConnected,
    /// No reply in time.
    #[error("the device did not reply in time")]
    Timeout,
    /// Too many requests wait for this device.
    #[error("too many requests wait for the device")]
    TooMany,
    /// The device's actor stopped.
    #[error("the device is being moved")]
    Moved,
}

/// The lane of a device's actor, on whichever peer it lives.
pub type DeviceLane = Lane<Delivery>;

/// Deliveries that may wait for one device.
pub const DEVICE_LANE_CAPACITY: usize = 256;

impl Delivery {
    /// Which device a delivery is for is given by the lane; this names it in logs.
    pub fn describe(&self, device: DeviceId) -> String {
        let what = match self {
            Delivery::Connected(_) => "connected",
            Delivery::Disconnected(_) => "disconnected",
            Delivery::Uplink { .. } => "uplink",
            Delivery::Rpc(_) => "rpc",
            Delivery::Push(_) => "push",
        };
        format!("{what} of {device:?}")
    }
}
