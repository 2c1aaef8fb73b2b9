//! The CoAP endpoint (RFC 7252, 7641, 7959) as a pure machine: datagrams, answers and time in, commands out. Reading order:
//!
//! 1. [`code`], [`message`], [`option`], [`block`] – one datagram,
//! 2. [`request`], [`response`] – what the application sees of it,
//! 3. `seen` – duplicates; `outbox` – retransmission, one at a time; `assembly`, `bodies` – bodies in blocks; `observers` –
//!    observations; `credit` – how much a client may be sent; `cut` – responses in blocks,
//! 4. `peer` – all of it for one client,
//! 5. [`endpoint`] – all clients, with limits and timers.
//!
//! A library frames messages; the endpoint is ours, because it decides when a device is answered. This crate must not know sockets,
//! clocks, sessions or devices.

mod assembly;
mod block;
mod bodies;
mod budget;
pub mod code;
mod config;
mod credit;
mod cut;
pub mod endpoint;
pub mod message;
mod observers;
pub mod option;
mod outbox;
mod peer;
pub mod request;
pub mod response;
mod seen;

pub use code::Code;
pub use config::{Config, Limits, Times};
pub use endpoint::{Command, Counts, Endpoint, Exchange, Observation, Why};
pub use message::{Kind, Message, Token};
pub use request::{Observe, Request};
pub use response::Response;
