//! Rule chains at work.
//!
//! A chain is one actor that routes messages along relations and keeps the account of open branches; each of its nodes is an actor
//! that owns a component instance. A message is settled when all its branches have ended and every effect is durable. Reading order:
//!
//! 1. [`graph`] – a validated chain: what `POST /api/ruleChain/metadata` refuses is refused here,
//! 2. [`policy`] – what becomes of a message that failed at a node,
//! 3. [`step`] – pure: `(state, event) → commands`, the whole routing logic, tested as tables; [`journey`] – the way through several chains,
//! 4. [`node`] – the actor of one node: calls the component, restarts it; what of it is to be done on which of several servers, [`whereabouts`] tells,
//! 5. [`chain`] – the actor of a chain: carries out the commands of [`step`].
//!
//! This crate knows no device and no protocol.

pub mod chain;
pub mod error;
pub mod failure;
pub mod graph;
pub mod journey;
pub mod node;
pub mod policy;
pub mod step;
#[cfg(test)]
mod testing;
pub mod whereabouts;

pub use chain::{CHAIN_LANE_CAPACITY, CallLane, ChainHandle, ChainInput, ChainLane, ChainState, Neighbours, start_chain};
pub use error::ChainError;
pub use failure::Failures;
pub use graph::Graph;
pub use node::{IDLE_AFTER, NodeState, NodeSurroundings, OpenNode, open_node};
pub use whereabouts::{Alone, Changed, Whereabouts};
