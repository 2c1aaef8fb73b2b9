//! What can go wrong, sorted by what the person running the simulator can do about it.
//!
//! Texts name the device by its index, never by its token: a token is a secret.

use std::io;

/// A failed run or check. Texts are lower case and made to be shown as they are.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The options contradict each other or the machine: change them.
    #[error("{0}")]
    Options(String),
    /// Nothing answers at the address: start the server or correct the address.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port` as given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The broker answered and said no: correct the tokens or the broker's rules.
    #[error("the broker refused device {device}: {reason} (code {code})")]
    Refused {
        /// Index of the device, from 0.
        device: usize,
        /// The CONNACK return code.
        code: u8,
        /// The code in words.
        reason: &'static str,
    },
    /// A connection that had been accepted is gone: reconnect, or run with `--reconnect`.
    #[error("device {device} lost its connection: {reason}")]
    Lost {
        /// Index of the device, from 0.
        device: usize,
        /// Why, in words.
        reason: String,
    },
    /// The peer sent bytes which are not MQTT 3.1.1 or HTTP/1.1: it is the wrong port or a faulty server.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The REST server answered with an error or something unexpected: check address, user and password.
    #[error("{what}: {detail}")]
    Rest {
        /// The request, as `GET /path`.
        what: String,
        /// Status and the beginning of the body, or what was wrong with it.
        detail: String,
    },
    /// A file cannot be read or written: check path and space.
    #[error("{path}: {source}")]
    File {
        /// The path as given.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A part of the simulator stopped in an unplanned way: this is a fault of the simulator.
    #[error("a part of the simulator stopped: {0}")]
    Internal(String),
}

impl SimError {
    /// For `map_err` on file operations.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> SimError + use<> {
        let path = path.display().to_string();
        move |source| SimError::File { path, source }
    }
}
