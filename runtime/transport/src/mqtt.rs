//! MQTT 3.1, 3.1.1 and 5.
//!
//! 1. [`packet`] – the packets a device API needs, for all versions,
//! 2. [`codec`] – framing, by a trait, so that the library behind it can be exchanged,
//! 3. [`state`] – one connection as pure decisions: order of acknowledgements, subscriptions,
//! 4. [`wire`] – socket and buffers,
//! 5. [`accept`] – from CONNECT to a session,
//! 6. [`connection`] – one connection: reads, publishes, writes,
//! 7. `provision` – a connection of a device that has no credentials yet,
//! 8. [`service`] – what serves a connection from its first byte to its last,
//! 9. [`listener`] – accepts over TCP and TLS; [`websocket`] over HTTP.

pub mod accept;
pub mod codec;
mod connection;
pub mod listener;
pub mod packet;
mod provision;
pub mod service;
pub mod state;
pub mod websocket;
mod wire;

pub use listener::MqttListener;
pub use service::{MqttConfig, MqttService};
