//! Transports: sockets, framing, limits. They turn bytes into what a session takes, and back.
//!
//! 1. [`mqtt`] – MQTT 3.1.1 and 5 on one port: `codec` (framing), `state` (pure), `connection` (one socket), `listener`,
//! 2. [`http`] – the HTTP device API, a router that the gateway serves.
//!
//! A transport must never know what a device, a chain or a tenant is: it speaks to [`session::Session`] and to nobody else.

pub mod http;
pub mod mqtt;

pub use mqtt::{MqttConfig, MqttListener};
