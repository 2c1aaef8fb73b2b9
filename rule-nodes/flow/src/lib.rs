//! Flow: ways between chains, and nodes of ThingsBoard's chains that tell its queues when a message is done. Here a message is acknowledged
//! when everything it caused is durable, and no chain can say sooner: those pass messages on, so that chains that have them work as they are.

mod chains;
mod pass;

pub use chains::{Output, RuleChain};
pub use pass::{Acknowledge, Checkpoint, SynchronizationEnd, SynchronizationStart};

pacificsoft_sdk::export_nodes!(Acknowledge, Checkpoint, SynchronizationStart, SynchronizationEnd, RuleChain, Output);
