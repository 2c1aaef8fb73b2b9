//! A load generator over MQTT 3.1.1, CoAP and HTTP that can prove what it measured.
//!
//! **Open loop.** [`plan`] fixes when each message is due before the run begins. Latency counts from that time to the acknowledgement,
//! so a broker that stalls for a second shows a second, for every message that was due meanwhile. [`pacer`] keeps the clock. With
//! `--rate 0` the loop is closed: each device sends as fast as its window of unacknowledged publishes allows.
//!
//! **A message's way.** [`run`] connects all devices and begins at one instant; [`worker`] is one thread with many devices; a
//! [`device`] writes a [`payload`] as a packet ([`codec`]) into its [`connection`] (over a [`link`], which may be [`sealed`]), remembers it in [`inflight`], and
//! on the acknowledgement records it in [`stats`]. [`report`] shows the result.
//!
//! **Proof.** Every device counts its messages and gives each a time of its own. What was acknowledged is kept in a [`ledger`] or in a
//! file ([`acklog`]) that survives a crash; [`check`] compares that with what [`verify`] reads back through [`rest`] and [`http`].
//!
//! **Besides.** [`asking`] measures requests to a device and its answers, [`storm`] is strangers that knock.
//!
//! [`options`] is the command line, [`commands`] what it does, [`error`] what can go wrong. Without the REST options nothing but an MQTT
//! broker is needed, of any make.

pub mod acklog;
pub mod asking;
pub mod check;
pub mod codec;
pub mod commands;
pub mod connection;
pub mod device;
pub mod error;
pub mod http;
pub mod inflight;
pub mod latencies;
pub mod ledger;
pub mod link;
pub mod options;
pub mod pacer;
pub mod payload;
pub mod plan;
pub mod report;
pub mod rest;
pub mod run;
pub mod sealed;
pub mod stats;
pub mod storm;
pub mod verify;
pub mod worker;

#[cfg(test)]
mod tests;

pub use commands::{check_log, simulate};
pub use error::SimError;
pub use report::Report;
