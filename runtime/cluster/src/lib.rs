//! Who serves a device, and how a delivery gets there.
//!
//! Sessions hold connections, device actors own devices; between them stands the [`Router`]: the ring names the owner, a lane leads
//! there. Today there is one peer and every lane is local; the ports are the ones a cluster needs. Reading order:
//!
//! 1. [`delivery`] – what a session hands over, and [`delivery::SessionLink`], the way back,
//! 2. [`receipt`] – how the sender learns that everything it handed over is durable,
//! 3. [`ring`] – which peer owns a device,
//! 4. [`router`] – from a device to the lane of its actor.
//!
//! This crate knows no protocol and no rule; device actors reach it through the port [`router::Devices`].

pub mod delivery;
pub mod receipt;
pub mod ring;
pub mod router;

pub use delivery::{
    Answer, Call, DEVICE_LANE_CAPACITY, Delivery, DeviceLane, Keep, Notice, RpcError, RpcReply, RpcRequest, SessionId, SessionLink, Untold,
};
pub use receipt::{Receipt, SettleError, Settled};
pub use ring::{Epoch, Owner, PeerId, Ring, SinglePeer};
pub use router::{Devices, RouteError, Router};
