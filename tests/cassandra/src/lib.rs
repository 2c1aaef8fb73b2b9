//! A real Apache Cassandra, for tests and measurements: fetched from Maven Central once, started on a loopback address with ports of its
//! own and little memory, and gone when it is dropped.
//!
//! 1. [`install`] – the jars, by Maven,
//! 2. `settings` – what a small node is told,
//! 3. [`node`] – a node at work.
//!
//! Knows nothing of Pacificsoft.

pub mod install;
pub mod node;
mod settings;

pub use install::Installed;
pub use node::{Node, NodeOptions};

/// The environment variable that tells tests where a node serves: `host:port`.
pub const ADDRESS: &str = "PACIFICSOFT_TEST_CASSANDRA";
/// The environment variable that tells tests its process, for stopping and continuing it.
pub const PROCESS: &str = "PACIFICSOFT_TEST_CASSANDRA_PID";
