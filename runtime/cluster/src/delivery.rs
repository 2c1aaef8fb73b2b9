//! What travels between a session and the device actor.

use std::fmt;
use std::sync::Arc;

use actor::Lane;
use model::entity::Rpc;
use model::{AttributeScope, DeviceId, Downlink, DownlinkKinds, MessageKind, Metadata, Payload, PresenceEvent, Uplink};
use tokio::sync::oneshot;
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
    /// What the device wants to be told through this session. Answers to what it asks are told anyway.
    pub kinds: DownlinkKinds,
    /// It takes one downlink and no more: it is an exchange that ends with it.
    pub once: bool,
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
    /// The session is there, and can take downlinks; or it is still there, and takes others than before.
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
    /// The device is there, and says nothing else; milliseconds since 1970-01-01 UTC.
    Heard(i64),
    /// Somebody says whether the device is there, which speaks by another way than a session.
    Presence {
        /// What.
        event: PresenceEvent,
        /// Milliseconds since 1970-01-01 UTC.
        at_ms: i64,
        /// Settled when what follows is durable.
        receipt: Receipt,
    },
    /// The device has got the request with this number, through this session.
    Delivered(SessionId, u32),
    /// A request to the device, by a node of a rule chain.
    Rpc(RpcRequest),
    /// A request to the device, by somebody outside: its rule chain decides what becomes of it.
    Call(Call),
    /// News about the device for its rule chain. Nobody waits for what it makes of them.
    Notice(Notice),
    /// Answers a request of the device.
    Answer(Answer),
    /// Removes a request that is kept. Answers when that is durable.
    Remove(Box<Rpc>, oneshot::Sender<Result<(), RpcError>>),
    /// News for the device, such as changed shared attributes: told to its sessions, if there are any.
    Push(Downlink),
}

/// A request to a device.
#[derive(Debug)]
pub struct RpcRequest {
    /// By which it is known outside.
    pub id: Uuid,
    /// What is wanted.
    pub method: Arc<str>,
    /// Any JSON.
    pub params: Payload,
    /// When it is given up, milliseconds since 1970-01-01 UTC. Until then it waits for a session that takes it, and for the reply.
    pub expires_ms: i64,
    /// Done when a session took it.
    pub oneway: bool,
    /// Keep it over restarts until the device has it. The answer says that it is kept, and comes when that is durable.
    pub keep: Option<Keep>,
    /// The answer's way back.
    pub reply: RpcReply,
}

/// How a request is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    /// How often it may be sent again.
    pub retries: u32,
    /// Whatever the caller adds, any JSON.
    pub additional_info: Option<Payload>,
}

/// The way back of the answer to a request: the reply, or nothing for a request that wants none.
pub type RpcReply = oneshot::Sender<Result<Option<Payload>, RpcError>>;

/// A request about a device that enters its rule chain as a message, and is answered by a node there.
#[derive(Debug)]
pub struct Call {
    /// By which whoever performs it names it.
    pub id: Uuid,
    /// The message's type: [`MessageKind::RpcToDevice`], or [`MessageKind::RestApiRequest`] for one that is for the chain alone.
    pub kind: MessageKind,
    /// What the message says beside the device's own names.
    pub metadata: Metadata,
    /// `{"method": …, "params": …}`, or any JSON.
    pub payload: Payload,
    /// The answer's way back.
    pub reply: RpcReply,
}

/// A message about a device, but for what its actor knows.
#[derive(Debug)]
pub struct Notice {
    /// The message's type.
    pub kind: MessageKind,
    /// What the message says beside the device's own names.
    pub metadata: Metadata,
    /// Any JSON.
    pub payload: Payload,
}

impl Notice {
    /// What became of attributes of a scope.
    pub fn of_attributes(kind: MessageKind, scope: AttributeScope, payload: Payload) -> Self {
        let metadata = Metadata::from_iter([("scope", scope.as_str())]);
        Notice { kind, metadata, payload }
    }
}

/// The answer to a request of a device.
#[derive(Debug)]
pub struct Answer {
    /// Which session asked.
    pub session: SessionId,
    /// The number the device gave its request.
    pub id: u32,
    /// Any JSON.
    pub payload: Payload,
    /// Whether the device was told, or why not.
    pub told: oneshot::Sender<Result<(), RpcError>>,
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
    /// The tenant has no rule chain that could take it.
    #[error("the tenant has no rule chain for it")]
    NoRoute,
    /// It could not be kept.
    #[error("the request could not be stored")]
    NotKept,
    /// A device's request that is answered already, or given up.
    #[error("the device does not wait for this answer")]
    NotAsked,
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
            Delivery::Heard(_) => "heard",
            Delivery::Presence { .. } => "presence",
            Delivery::Delivered(..) => "delivered",
            Delivery::Rpc(_) => "rpc",
            Delivery::Call(_) => "call",
            Delivery::Notice(_) => "notice",
            Delivery::Answer(_) => "answer",
            Delivery::Remove(..) => "remove",
            Delivery::Push(_) => "push",
        };
        format!("{what} of {device:?}")
    }
}
