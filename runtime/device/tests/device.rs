//! Device actors over the embedded store, with chains and sessions that the tests play.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "device/attributes.rs"]
mod attributes;
#[path = "device/kept.rs"]
mod kept;
#[path = "device/presence.rs"]
mod presence;
#[path = "device/questions.rs"]
mod questions;
#[path = "device/requests.rs"]
mod requests;
#[path = "device/sleeping.rs"]
mod sleeping;
#[path = "device/uplinks.rs"]
mod uplinks;
#[path = "device/world.rs"]
mod world;
