//! Whole-system tests: the real binary, real clients, real signals.
//!
//! 1. [`server`] – a Pacificsoft of one's own on free ports and a temporary folder,
//! 2. [`rest`] – its REST API, through curl,
//! 3. [`clients`] – device clients that nobody here wrote,
//! 4. [`wire`] – MQTT byte by byte, for what no honest client sends,
//! 5. [`certificates`] – made for one test,
//! 6. [`coap`] – CoAP datagram by datagram, and a way that loses some,
//! 7. [`tracker`] – a tracker with a binary protocol of its own,
//! 8. [`traffic`] – devices that publish as fast as they are acknowledged, and count,
//! 9. [`generator`] – the load generator, and whether what was acknowledged is stored,
//! 10. [`outside`] – a web server outside the platform,
//! 11. [`cluster`] – several servers over one Cassandra,
//! 12. [`network`] – a network of one's own, which can be parted,
//! 13. [`broker`] – a broker outside the platform, which nobody here wrote,
//! 14. [`kafka`], [`rabbit`], [`mailbox`], [`center`], [`amazon`], [`cloud`] – others of their kinds; [`proxy`] – a way to them,
//! 15. [`scene`] – a node that speaks to them, and what came of it,
//! 16. [`live`] – somebody who watches live values.
//!
//! `cargo xtask test` builds and installs what is needed here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, missing_docs)]

pub mod amazon;
pub mod broker;
pub mod center;
pub mod certificates;
pub mod clients;
pub mod cloud;
pub mod cluster;
pub mod coap;
pub mod generator;
pub mod kafka;
pub mod live;
pub mod mailbox;
pub mod models;
pub mod network;
pub mod outside;
pub mod proxy;
pub mod rabbit;
pub mod rest;
pub mod scene;
pub mod server;
pub mod tracker;
pub mod traffic;
pub mod wire;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The folder cargo builds into.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to be: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A small generator of numbers that are the same in every run (xorshift).
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}
