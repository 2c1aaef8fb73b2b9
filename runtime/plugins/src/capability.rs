//! What guests may ask the host: one file for each interface of the contract.

mod alarms;
mod answer;
mod clock;
mod credentials;
mod entities;
pub(crate) mod foreign;
mod history;
mod json;
mod log;
pub(crate) mod message;
mod metrics;
mod readings;
mod relations;
mod state;
mod uplink;

pub(crate) use readings::{entity_id, short};
