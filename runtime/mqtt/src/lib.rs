//! MQTT 3.1, 3.1.1 and 5 without a socket:
//!
//! 1. [`packet`] – the packets a device API needs, for all versions,
//! 2. [`codec`] – framing, by a trait, so that the library behind it can be exchanged,
//! 3. [`state`] – one connection as pure decisions: order of acknowledgements, subscriptions,
//! 4. [`client`] – the other side, in all versions: what a client writes to somebody's broker, and hears.
//!
//! This crate must not know sockets, clocks, sessions or devices.

pub mod client;
pub mod codec;
pub mod packet;
pub mod state;

pub use codec::{FrameCodec, FrameError, RumqttCodec};
