//! Listeners whose bytes a stream adapter understands.
//!
//! 1. [`rate`] – pure: bytes in a second,
//! 2. [`faults`] – how often an adapter failed, and how long its listener takes nobody new for it,
//! 3. [`tcp`] – accepts; one connection, one instance,
//! 4. [`udp`] – datagrams by peer; shards of many peers,
//! 5. [`listeners`] – those that run, by id.

pub mod faults;
pub mod listeners;
pub mod rate;
pub mod tcp;
pub mod udp;

use std::net::SocketAddr;
use std::time::Duration;

pub use listeners::{ListenerState, StreamListeners};

/// Limits of a listener.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// Peers at most. TCP: more wait to be accepted. UDP: their datagrams are dropped.
    pub peers_max: usize,
    /// A peer must have a device accepted within this time.
    pub login_timeout: Duration,
    /// A peer that says nothing for this long is ended.
    pub idle_timeout: Duration,
    /// Bytes that a peer may send in a second. TCP: more wait. UDP: more are dropped.
    pub bytes_per_second: u32,
}

impl StreamConfig {
    /// The usual limits.
    pub fn new(address: SocketAddr) -> Self {
        StreamConfig {
            address,
            peers_max: 1_000,
            login_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            bytes_per_second: 1 << 20,
        }
    }
}

/// How long a listener that stops waits for what is not durable yet.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
