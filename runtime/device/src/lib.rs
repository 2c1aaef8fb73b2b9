//! Device actors: everything a device says or is told passes one actor on its owner, in order.
//!
//! 1. [`sessions`], [`requests`], [`questions`] – pure: who is connected, what is asked of the device, what the device asks;
//!    [`presence`] – pure: whether it is there,
//! 2. [`actor`] – the actor: builds rule messages, answers attribute requests, keeps time,
//! 3. `claim` – a device lets itself be claimed,
//! 4. [`wakeups`] – when devices that sleep have something to do,
//! 5. [`registry`] – one actor for a device, started at the first message, asleep again when idle.
//!
//! This crate knows no protocol; chains reach it through the port [`Chains`].

pub mod actor;
mod claim;
pub mod error;
pub mod presence;
pub mod profile;
pub mod questions;
pub mod registry;
pub mod requests;
pub mod sessions;
pub mod wakeups;

pub use actor::{DeviceActor, DeviceState, Refresh};
pub use error::DeviceError;
pub use profile::{Chains, DeviceFacts, load_facts};
pub use registry::{Registry, RegistryConfig};
