//! Sessions between peers, over real connections with mutual TLS: what is promised to whoever hands a delivery over.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "sessions/breaking.rs"]
mod breaking;
#[path = "sessions/changes.rs"]
mod changes;
#[path = "sessions/feeding.rs"]
mod feeding;
#[path = "sessions/held.rs"]
mod held;
#[path = "sessions/moving.rs"]
mod moving;
#[path = "sessions/strangers.rs"]
mod strangers;
#[path = "sessions/three.rs"]
mod three;
#[path = "sessions/usage.rs"]
mod usage;
#[path = "sessions/ways.rs"]
mod ways;
#[path = "sessions/world.rs"]
mod world;
