//! Servers of a cluster, over real connections and real folders: joining, leaving, crashing, coming back.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "servers/coming.rs"]
mod coming;
#[path = "servers/going.rs"]
mod going;
#[path = "servers/versions.rs"]
mod versions;
#[path = "servers/world.rs"]
mod world;
