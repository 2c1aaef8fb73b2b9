//! The back end for clusters: Apache Cassandra, through the `scylla` driver, which ScyllaDB speaks as well. Peers share it. Tested with
//! Cassandra 5.0.
//!
//! The same ports as the embedded store, and the same conformance suite. Reading order:
//!
//! 1. [`config`] – addresses and limits,
//! 2. `schema`, `queries`, `migrate` – tables, every statement, and how a keyspace comes to be,
//! 3. `order`, `plan`, `journal` – what a batch writes, and why its changes take effect in order although they travel side by side,
//! 4. `driver`, `failure`, `health` – consistency, places, time-outs, repetition,
//! 5. [`fence`] – whether this process may still write,
//! 6. `claims` – what is decided by transactions: names that belong to one,
//! 7. one file for each port.
//!
//! A store must not know actors or protocols; what a component does is nothing to it.

mod alarms;
mod attributes;
mod bind;
mod buckets;
mod claims;
mod components;
pub mod config;
mod credentials;
mod deletion;
mod driver;
mod entities;
mod events;
mod failure;
pub mod fence;
mod health;
mod journal;
mod known;
mod migrate;
mod node_state;
mod order;
mod plan;
mod queries;
mod relations;
mod rows;
mod rpcs;
mod schema;
mod series;
mod small;
mod store;

pub use config::{AddressError, CassandraConfig};
pub use fence::Fence;
pub use store::CassandraStore;
