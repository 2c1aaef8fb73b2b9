//! Sessions with the shipped device API adapter, the embedded store, and device actors that the tests play. Needs what
//! `cargo xtask guests` builds.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "sessions/connections.rs"]
mod connections;
#[path = "sessions/credentials.rs"]
mod credentials;
#[path = "sessions/gateways.rs"]
mod gateways;
#[path = "sessions/moves.rs"]
mod moves;
#[path = "sessions/publishing.rs"]
mod publishing;
#[path = "sessions/streams.rs"]
mod streams;
#[path = "sessions/world.rs"]
mod world;
