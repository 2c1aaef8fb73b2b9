//! A stream adapter for trackers that speak a compact binary protocol, over TCP or UDP. The README describes the protocol.
//!
//! 1. [`frame`] – from bytes to frames: length, checksum, finding the next frame after a broken one,
//! 2. [`words`] – what stands in a frame,
//! 3. [`tracker`] – one peer: who is logged in, what waits for an acknowledgement, which command waits for a reply.

pub mod frame;
pub mod tracker;
pub mod words;

pub use tracker::Tracker;

pacificsoft_sdk::export_stream!(Tracker);
