//! CoAP.
//!
//! 1. [`place`] – from a request's path to a device's token and a place below it,
//! 2. [`exchange`] – one request: authenticate, publish, wait until it is durable, answer,
//! 3. [`link`] – what one device observes from one address,
//! 4. [`links`] – which links there are,
//! 5. [`dtls`] – what stands between socket and endpoint when messages are to be secret,
//! 6. [`listener`] – one socket, one task: datagrams in and out, and the endpoint of crate `coap` between.

mod dtls;
mod exchange;
mod link;
mod links;
mod listener;
mod place;

pub use dtls::{DtlsKeys, KeysError, ServedKeys};
pub use listener::{CoapConfig, CoapListener};
