//! Who belongs to a cluster: the servers agree on their list by Raft (openraft), and hear of each other several times a second. Reading
//! order:
//!
//! 1. [`state`] – what they agree on, and the commands that change it, pure,
//! 2. [`plan`] – what the leader does next, and which leases it grants, pure,
//! 3. [`raft`] – the types of the agreement; [`log_store`] and [`machine`], durable in a folder of each server; [`network`], over gRPC,
//! 4. [`identity`] – which server this is: founded, joined, or as it was,
//! 5. [`membership`] – the running whole; [`leader`] and [`life`] are its two halves, [`release`] lets go of devices that move,
//! 6. [`serve`] – what other servers and `pacificsoft cluster` ask.
//!
//! What is agreed on flows into a [`cluster::Place`], which says who owns a device. Nothing here grows with devices.
//!
//! The list also says what each server [speaks](peers::handshake::Speaks), and so what all of them can read: the version of the cluster. It
//! is raised when the last server can, and never falls; who does not speak it is refused. The log is read by all servers: a new command
//! says [since](state::Command::since) which version it may be written.

pub mod config;
pub mod error;
pub mod identity;
mod leader;
mod life;
pub mod log_store;
mod machine;
pub mod membership;
mod network;
pub mod plan;
pub mod raft;
mod reach;
mod release;
pub mod serve;
pub mod state;

pub use config::MembershipConfig;
pub use error::MembershipError;
pub use identity::Identity;
pub use membership::{Membership, PeerStatus, Status};
