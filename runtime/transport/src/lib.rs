//! Transports: sockets, framing, limits. They turn bytes into what a session takes, and back.
//!
//! 1. [`mqtt`] – MQTT 3.1.1 and 5 on one port: `codec` (framing), `state` (pure), `connection` (one socket), `listener`,
//! 2. [`http`] – the HTTP device API, a router that the gateway serves,
//! 3. [`stream`] – TCP and UDP listeners whose bytes a stream adapter understands.
//!
//! A transport must never know what a device, a chain or a tenant is: it speaks to [`session::Session`] and to nobody else.

pub mod http;
pub mod mqtt;
pub mod stream;

pub use mqtt::{MqttConfig, MqttListener};
pub use stream::{ListenerState, StreamConfig, StreamListeners};
