//! A real chain: its actor, the shipped components, misbehaving ones, and the embedded store. Needs what `cargo xtask guests` builds.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "chain/alarms.rs"]
mod alarms;
#[path = "chain/called.rs"]
mod called;
#[path = "chain/catalog.rs"]
mod catalog;
#[path = "chain/evil.rs"]
mod evil;
#[path = "chain/generated.rs"]
mod generated;
#[path = "chain/kept.rs"]
mod kept;
#[path = "chain/moved.rs"]
mod moved;
#[path = "chain/ordered.rs"]
mod ordered;
#[path = "chain/outside.rs"]
mod outside;
#[path = "chain/panics.rs"]
mod panics;
#[path = "chain/platform.rs"]
mod platform;
#[path = "chain/replaced.rs"]
mod replaced;
#[path = "chain/script.rs"]
mod script;
#[path = "chain/settled.rs"]
mod settled;
#[path = "chain/shared.rs"]
mod shared;
#[path = "chain/swapped.rs"]
mod swapped;
#[path = "chain/world.rs"]
mod world;
