//! What guests may ask the host: one file for each interface of the contract.

mod answer;
mod clock;
pub(crate) mod foreign;
mod json;
mod log;
pub(crate) mod message;
mod readings;
mod state;
mod uplink;

pub(crate) use readings::{entity_id, short};
