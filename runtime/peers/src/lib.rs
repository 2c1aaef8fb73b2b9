//! What peers say to each other: one gRPC stream between two servers, on which deliveries travel to the owners of devices, and answers,
//! downlinks and settlements back; on the same stream, what one server has changed in the store, and the live feed. Reading order:
//!
//! 1. [`wire`] – the contract, made of `proto/`, and [`codec`], between it and what the server works with,
//! 2. [`resume`] – numbering, acknowledging and resuming, pure; [`handshake`] – how a connection begins, pure,
//! 3. [`paths`] – what is on its way to whom: a device's deliveries must not pass each other,
//! 4. [`port`] – lanes that lead to another peer,
//! 5. [`session`] – the actor of one other peer,
//! 6. [`reroute`] – deliveries that have to be sent again, elsewhere,
//! 7. [`peers`] – all of them: a session opens when a peer appears and closes when it goes,
//! 8. [`network`], [`tls`], [`dial`] and [`serve`] – the network.
//!
//! Who owns what is decided in `cluster`; who belongs to the cluster, in `membership`. This crate must not know rules or protocols of
//! devices.

pub mod codec;
pub mod config;
pub mod dial;
pub mod error;
pub mod handshake;
pub mod network;
pub mod paths;
pub mod peers;
pub mod port;
pub mod reroute;
pub mod resume;
pub mod serve;
pub mod session;
pub mod tls;
pub mod wire;

pub use config::PeersConfig;
pub use error::{CodecError, PeersError};
pub use network::Network;
pub use peers::Peers;
pub use tls::ClusterTls;
