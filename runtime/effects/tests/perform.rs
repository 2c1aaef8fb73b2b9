//! Effects on the embedded store, with devices that the tests play.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "perform/alarms.rs"]
mod alarms;
#[path = "perform/attributes.rs"]
mod attributes;
#[path = "perform/entities.rs"]
mod entities;
#[path = "perform/rpc.rs"]
mod rpc;
#[path = "perform/world.rs"]
mod world;
