//! Transports: sockets, framing, limits. They turn bytes into what a session takes, and back.
//!
//! 1. [`admission`] – who may connect,
//! 2. `door` – listening sockets, and how fast newcomers are let in,
//! 3. [`tls`] – the server's certificate, and those of devices,
//! 4. [`mqtt`] – MQTT 3.1, 3.1.1 and 5 on one port, over TLS on another, over WebSocket on that of HTTP,
//! 5. [`http`] – the HTTP device API, and the sockets of everything that speaks HTTP,
//! 6. [`coap`] – CoAP: one task for each socket, sessions of one exchange, and links for what is observed,
//! 7. [`stream`] – TCP and UDP listeners whose bytes a stream adapter understands.
//!
//! A transport must never know what a device, a chain or a tenant is: it speaks to [`session::Session`] and to nobody else.

pub mod admission;
pub mod coap;
mod door;
pub mod http;
pub mod mqtt;
pub mod stream;
pub mod tls;

pub use self::coap::{CoapConfig, CoapListener, DtlsKeys, KeysError, ServedKeys};
pub use http::HttpListener;
pub use mqtt::{MqttConfig, MqttListener, MqttService};
pub use stream::{ListenerState, StreamConfig, StreamListeners};
pub use tls::{Certificates, Tls, TlsFiles};
