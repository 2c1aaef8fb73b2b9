//! MQTT 3.1.1 and 5.
//!
//! 1. [`packet`] – the packets a device API needs, for both versions,
//! 2. [`codec`] – framing, by a trait, so that the library behind it can be exchanged,
//! 3. [`state`] – one connection as pure decisions: order of acknowledgements, subscriptions,
//! 4. [`connection`] – one socket: reads, publishes, writes,
//! 5. [`listener`] – accepts.

pub mod codec;
pub mod connection;
pub mod listener;
pub mod packet;
pub mod state;

pub use listener::{MqttConfig, MqttListener};
