//! Times of the message layer and limits of an endpoint.

/// Transmission parameters (RFC 7252, 4.8) and times derived from them (4.8.2), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// ACK_TIMEOUT: how long to wait for an acknowledgement before the first retransmission, at least.
    pub ack_timeout_ms: u64,
    /// ACK_RANDOM_FACTOR, in percent: the first wait is at most this share of ACK_TIMEOUT.
    pub ack_random_percent: u64,
    /// MAX_RETRANSMIT
    pub retransmissions_max: u32,
    /// EXCHANGE_LIFETIME: how long a confirmable message is remembered.
    pub exchange_lifetime_ms: u64,
    /// NON_LIFETIME: how long a non-confirmable message is remembered.
    pub non_lifetime_ms: u64,
    /// A request not answered by then is acknowledged without its response, which follows (5.2.2). Shorter than ACK_TIMEOUT, or clients
    /// retransmit in vain.
    pub piggyback_ms: u64,
    /// A body that is put together or fetched in blocks is dropped when its next block is so late.
    pub body_lifetime_ms: u64,
    /// A request the application has not answered by then is forgotten.
    pub answer_timeout_ms: u64,
    /// Non-confirmable notifications to one observer keep this distance (RFC 7641, 4.5.1); what comes sooner goes confirmable.
    pub notification_distance_ms: u64,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            ack_timeout_ms: 2_000,
            ack_random_percent: 150,
            retransmissions_max: 4,
            exchange_lifetime_ms: 247_000,
            non_lifetime_ms: 145_000,
            piggyback_ms: 500,
            body_lifetime_ms: 60_000,
            answer_timeout_ms: 120_000,
            notification_distance_ms: 3_000,
        }
    }
}

/// What an endpoint keeps at most. *Peer* here is the address of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Clients remembered. Beyond: the one that has been silent longest and waits for nothing gives way; if there is none, a datagram of
    /// a new client is dropped.
    pub peers_max: usize,
    /// Messages remembered for one client, to find duplicates. Beyond: the oldest is forgotten, and a duplicate of it counts as new.
    pub seen_per_peer_max: usize,
    /// Requests of one client being answered. Beyond: 5.03.
    pub open_per_peer_max: usize,
    /// Requests of all clients being answered. Beyond: 5.03.
    pub open_max: usize,
    /// Observations of one client. Beyond: a request is answered as if it did not ask to observe (RFC 7641, 4.1).
    pub observations_per_peer_max: usize,
    /// Observations of all clients. Beyond: the same.
    pub observations_max: usize,
    /// Confirmable messages waiting for one client, which gets one at a time (NSTART). Beyond: the newest is dropped, and counted.
    pub waiting_per_peer_max: usize,
    /// Bytes of a body. Beyond: 4.13.
    pub body_bytes_max: usize,
    /// Bodies being put together, and being fetched, of one client. Beyond: the oldest gives way; its next block is answered 4.08.
    pub bodies_per_peer_max: usize,
    /// Bytes of all bodies in parts. Beyond: 5.03 for what comes in blocks, and responses in blocks are made anew for each block.
    pub bodies_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            peers_max: 100_000,
            seen_per_peer_max: 1_024,
            open_per_peer_max: 16,
            open_max: 4_096,
            observations_per_peer_max: 64,
            observations_max: 100_000,
            waiting_per_peer_max: 64,
            body_bytes_max: 64 << 10,
            bodies_per_peer_max: 2,
            bodies_bytes_max: 32 << 20,
        }
    }
}

/// What an endpoint is made from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Times.
    pub times: Times,
    /// Limits.
    pub limits: Limits,
    /// Clients have shown that they receive at their address before this endpoint hears of them, as behind DTLS.
    pub proven: bool,
    /// Seconds since 1970 when the endpoint was made: sequence numbers of notifications go on where those of the process before it
    /// ended.
    pub started_s: u64,
}
