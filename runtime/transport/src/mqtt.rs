//! MQTT 3.1, 3.1.1 and 5.
//!
//! Packets, framing and what a connection decides are a crate of their own, [`mqtt`](::mqtt). Here are sockets:
//!
//! 1. [`wire`] – socket and buffers,
//! 2. [`accept`] – from CONNECT to a session,
//! 3. [`connection`] – one connection: reads, publishes, writes,
//! 4. `provision` – a connection of a device that has no credentials yet,
//! 5. [`service`] – what serves a connection from its first byte to its last,
//! 6. [`listener`] – accepts over TCP and TLS; [`websocket`] over HTTP.

pub mod accept;
mod connection;
pub mod listener;
mod provision;
pub mod service;
pub mod websocket;
mod wire;

pub use listener::MqttListener;
pub use service::{MqttConfig, MqttService};
