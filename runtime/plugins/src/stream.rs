//! Instances that speak a whole protocol of their own: what happens to a peer goes in, what is to be done comes out.
//!
//! 1. here – events and actions in the platform's words,
//! 2. [`component`] – from a component to a stream adapter that can be instantiated,
//! 3. [`instance`] – one instance, which remembers its peers; its answers are checked.
//!
//! Knows no socket, no device and no session: numbers name peers and devices.

pub mod component;
pub mod instance;

use bytes::Bytes;
pub use model::entity::Carrier;
use model::{Downlink, Uplink};

use crate::Fault;
pub use component::StreamComponent;
pub use instance::{StreamContext, StreamInstance, ToldEvent};

/// Why a device was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Nobody of the tenant has these credentials.
    Unknown,
    /// The peer speaks for too many devices, or the number is in use.
    TooMany,
    /// It cannot be found out now.
    Unavailable,
}

/// Why a device's session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The device connected elsewhere.
    TakenOver,
    /// It was deleted, or its credentials changed.
    Administrative,
}

/// What happened to a peer.
#[derive(Debug)]
pub enum StreamEvent<'a> {
    /// It is there.
    Opened {
        /// How it speaks.
        carrier: Carrier,
        /// Address and port.
        address: &'a str,
    },
    /// It sent bytes.
    Received(&'a [u8]),
    /// A login was decided about; none: accepted.
    Authenticated(u32, Option<Denial>),
    /// By ticket, whether the uplinks are durable.
    Settled(&'a [(u32, bool)]),
    /// For a device.
    Downlink(u32, &'a Downlink),
    /// A device's session has ended.
    Detached(u32, Ending),
    /// A timer has run out.
    Timer(u32),
    /// It is gone.
    Closed,
}

/// What is to be done for a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamAction {
    /// Bytes, or one datagram.
    Send(Bytes),
    /// Find out who a device is.
    Authenticate {
        /// The guest's number.
        device: u32,
        /// What it presents.
        access_token: String,
    },
    /// What a device says.
    Uplinks {
        /// The guest's number.
        device: u32,
        /// Comes back when it is settled.
        ticket: u32,
        /// What.
        uplinks: Vec<Uplink>,
    },
    /// End a device's session.
    Release(u32),
    /// Wake the guest.
    SetTimer {
        /// The guest's number.
        timer: u32,
        /// When.
        after_ms: u32,
    },
    /// Do not wake it.
    CancelTimer(u32),
    /// End the peer.
    Close(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The adapter ends the peer, or its answer makes no sense. The instance goes on.
    #[error("{0}")]
    Rejected(String),
    /// The instance is lost.
    #[error(transparent)]
    Broken(#[from] Fault),
}
