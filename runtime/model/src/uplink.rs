//! What devices say and what they are told, apart from any protocol.

use std::sync::Arc;

use crate::Payload;

/// One thing a device says.
#[derive(Clone, Debug, PartialEq)]
pub enum Uplink {
    /// Values of time series.
    Telemetry {
        /// Milliseconds since 1970-01-01 UTC; none: the time of receipt.
        ts_ms: Option<i64>,
        /// An object of keys and values.
        values: Payload,
    },
    /// Client-scope attributes: an object of keys and values.
    Attributes(Payload),
    /// Asks for attributes. Both key lists none: everything of client and shared scope.
    AttributeRequest {
        /// Chosen by the device.
        id: u32,
        /// Client-scope keys wanted.
        client_keys: Option<Vec<Arc<str>>>,
        /// Shared-scope keys wanted.
        shared_keys: Option<Vec<Arc<str>>>,
    },
    /// Answers a request of the server.
    RpcReply {
        /// Of the request.
        id: u32,
        /// Any JSON.
        payload: Payload,
    },
    /// A request to the server.
    RpcCall {
        /// Chosen by the device.
        id: u32,
        /// What is wanted.
        method: Arc<str>,
        /// Any JSON.
        params: Payload,
    },
    /// Lets a customer claim the device, who knows the secret.
    Claim {
        /// May be empty: then it need not be known.
        secret: Arc<str>,
        /// For how long, milliseconds; none: as long as usual.
        duration_ms: Option<i64>,
    },
    /// Of a device behind a gateway. The gateway's session takes these apart: a device's actor never sees one.
    Child {
        /// The device's name.
        device: Arc<str>,
        /// What.
        says: ChildUplink,
    },
}

/// One thing a gateway says of a device behind it.
#[derive(Clone, Debug, PartialEq)]
pub enum ChildUplink {
    /// It is there; with the name of its profile, for a device that has to be made first.
    Connected(Option<Arc<str>>),
    /// It is gone.
    Disconnected,
    /// What it would say itself if it could.
    Says(Box<Uplink>),
    /// It asks for attributes: for the value of one key alone, which the answer shows.
    AsksForOne(Box<Uplink>),
}

/// One thing a device is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Downlink {
    /// Answers an attribute request. A group without values is none.
    AttributeResponse {
        /// Of the request.
        id: u32,
        /// Client-scope attributes, an object.
        client: Option<Payload>,
        /// Shared-scope attributes, an object.
        shared: Option<Payload>,
    },
    /// Changed shared attributes, an object.
    AttributesChanged(Payload),
    /// Removed shared attributes.
    AttributesRemoved(Vec<Arc<str>>),
    /// A request to the device.
    RpcRequest {
        /// Chosen by the server, rising for each device.
        id: u32,
        /// What is wanted.
        method: Arc<str>,
        /// Any JSON.
        params: Payload,
    },
    /// Answers a request of the device.
    RpcResponse {
        /// Of the request.
        id: u32,
        /// Any JSON.
        payload: Payload,
    },
    /// For a device behind the gateway that is told.
    Child {
        /// The device's name.
        device: Arc<str>,
        /// Whether an attribute response is to show the value of one key alone.
        single: bool,
        /// What.
        downlink: Box<Downlink>,
    },
    /// For a gateway, as what a device behind it is told: nothing was taken of a message in which it spoke of that device. The gateway's
    /// session tells it to its own connection: it does not travel between servers.
    Refused(ChildRefusal),
    /// Nothing for the device: another connection of it has taken the place of this one.
    Superseded,
}

/// Why a session does not take what its gateway says of a device behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildRefusal {
    /// The device says more than it may.
    RateExceeded,
}

impl Uplink {
    /// Whether the device waits for a downlink in return.
    pub fn asks(&self) -> bool {
        matches!(self, Uplink::AttributeRequest { .. } | Uplink::RpcCall { .. })
    }
}

/// Kinds of downlinks a device can subscribe to. Their order is what servers tell each other by: new ones stand last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DownlinkKind {
    /// [`Downlink::AttributeResponse`]
    AttributeResponse,
    /// [`Downlink::AttributesChanged`] and [`Downlink::AttributesRemoved`]
    Attributes,
    /// [`Downlink::RpcRequest`]
    RpcRequest,
    /// [`Downlink::RpcResponse`]
    RpcResponse,
    /// [`Downlink::AttributeResponse`] for a device behind a gateway
    ChildAttributeResponse,
    /// [`Downlink::AttributesChanged`] and [`Downlink::AttributesRemoved`] for a device behind a gateway
    ChildAttributes,
    /// [`Downlink::RpcRequest`] for a device behind a gateway
    ChildRpcRequest,
    /// [`Downlink::Superseded`]: for connections, subscribed to or not
    Superseded,
    /// [`Downlink::Refused`]: subscribed to or not
    ChildRefused,
}

impl Downlink {
    /// Its kind.
    pub fn kind(&self) -> DownlinkKind {
        match self {
            Downlink::AttributeResponse { .. } => DownlinkKind::AttributeResponse,
            Downlink::AttributesChanged(_) | Downlink::AttributesRemoved(_) => DownlinkKind::Attributes,
            Downlink::RpcRequest { .. } => DownlinkKind::RpcRequest,
            Downlink::RpcResponse { .. } => DownlinkKind::RpcResponse,
            Downlink::Child { downlink, .. } => match downlink.kind() {
                DownlinkKind::AttributeResponse => DownlinkKind::ChildAttributeResponse,
                DownlinkKind::Attributes => DownlinkKind::ChildAttributes,
                DownlinkKind::RpcRequest => DownlinkKind::ChildRpcRequest,
                other => other,
            },
            Downlink::Refused(_) => DownlinkKind::ChildRefused,
            Downlink::Superseded => DownlinkKind::Superseded,
        }
    }
}
