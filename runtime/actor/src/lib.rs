//! How actors live here: data in ordered bounded *lanes*, control through xtra mailboxes, supervision, observation.
//!
//! xtra 0.6 mailboxes are heaps without sequence numbers: messages of one priority come out in any order. So data that must stay in
//! order (a device's uplinks, a chain's messages) never travels through a mailbox. Each actor owns
//!
//! 1. a [`lane`]: a bounded first-in-first-out queue of data, drained in batches; a [quiet one](quiet_lane) where there are very many,
//! 2. a mailbox for control (stop, reload, observe), reached through a [`control::Control`] that keeps its own order,
//! 3. a loop over both, kept alive by [`supervise`]: a panic costs the message in hand, not the queue.
//!
//! This crate knows no device, rule or protocol.

pub mod control;
pub mod lane;
mod quiet;
pub mod supervise;

pub use control::{Asked, Control, Inbox, Observe, Stop};
pub use lane::{Lane, LaneClosed, LaneReceiver, lane, quiet_lane};
pub use supervise::{Backoff, Life, spawn, supervise};
