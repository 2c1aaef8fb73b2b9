//! Limits between peers, each with what happens beyond it.

use std::time::Duration;

use crate::handshake::Speaks;

/// Limits of the sessions between peers, and what is spoken on them.
#[derive(Clone, Debug)]
pub struct PeersConfig {
    /// The versions that this side says it speaks.
    pub speaks: Speaks,
    /// Items sent to a peer that it has not acknowledged. Beyond: senders wait.
    pub window: usize,
    /// Deliveries to a peer that are not done. Beyond: senders wait.
    pub unsettled_max: usize,
    /// Deliveries of one device that are not done. Beyond: its sender waits, and no other.
    pub device_unsettled_max: usize,
    /// Answers of a peer waited for. Beyond: requests are refused as too many.
    pub waiting_max: usize,
    /// Downlinks that wait for one session of this peer. Beyond: they are lost, as its device would not take them.
    pub downlinks_max: usize,
    /// How long a delivery waits for a device that is being moved. Then it is refused as not available.
    pub patience: Duration,
    /// How long the other side may take to say hello.
    pub hello_timeout: Duration,
    /// How often a connection without traffic is tried, and how long its answer may take.
    pub keep_alive: Duration,
}

impl Default for PeersConfig {
    fn default() -> Self {
        PeersConfig {
            speaks: Speaks::ALL,
            window: 4096,
            unsettled_max: 65_536,
            device_unsettled_max: 512,
            waiting_max: 10_000,
            downlinks_max: 64,
            patience: Duration::from_secs(10),
            hello_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
        }
    }
}
