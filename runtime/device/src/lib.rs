//! Device actors: everything a device says or is told passes one actor on its owner, in order.
//!
//! 1. [`state`] – pure: sessions, presence, requests that wait for an answer,
//! 2. [`actor`] – the actor: builds rule messages, answers attribute requests, keeps time,
//! 3. [`registry`] – one actor for a device, started at the first message, asleep again when idle.
//!
//! This crate knows no protocol; chains reach it through the port [`Chains`].

pub mod actor;
pub mod error;
pub mod profile;
pub mod registry;
pub mod state;

pub use actor::{DeviceActor, DeviceState, Refresh};
pub use error::DeviceError;
pub use profile::{Chains, DeviceFacts, load_facts};
pub use registry::{Registry, RegistryConfig};
