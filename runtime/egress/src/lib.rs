//! Requests to servers and brokers outside: whom a tenant's components may reach, and the clients that reach nobody else.
//!
//! 1. [`target`] – pure: a URL, read strictly: one reading for the checks and for the connection,
//! 2. [`allow`] – pure: the list of servers that a tenant's components may reach,
//! 3. [`address`] – pure: addresses that nobody reaches, whatever a name resolves to,
//! 4. [`header`] – pure: headers that are the client's own,
//! 5. [`resolve`] – names to addresses, so many at a time,
//! 6. [`tls`] – pure: whose certificates a conversation believes, and which one it shows,
//! 7. [`keys`] – keys with a password are opened beside,
//! 8. [`connect`] – a connection to an address that was checked,
//! 9. [`proxy`] – by way of a server that passes requests on,
//! 10. [`egress`] – the service: all of it in order, within time and size,
//! 11. [`broker`] – the same for brokers: connections that are kept while they are used.
//!
//! It knows no node and no secret: what it sends is put together above. Errors never quote path, query, headers or body.

pub mod address;
pub mod allow;
pub mod broker;
mod calendar;
pub mod connect;
pub mod egress;
pub mod error;
pub mod header;
mod keys;
mod places;
pub mod proxy;
pub mod resolve;
pub mod target;
pub mod tls;

pub use address::Addresses;
pub use allow::AllowList;
pub use broker::{
    Alphabet, Amqp, Aws, Compression, Credentials, Delivery, Kafka, Lambda, Mechanism, Mqtt, Numbering, Proof, Protocol, PubSub, Publish,
    Service, Smpp, SmppBind, SmppVersion, Smtp, Sqs,
};
pub use connect::Trust;
pub use egress::{Egress, EgressConfig, Request, Response};
pub use error::EgressError;
pub use header::header;
pub use mqtt::packet::{Secret, Version as MqttVersion};
pub use proxy::Proxy;
pub use resolve::{Resolver, SystemResolver};
pub use target::{ChosenBy, Host, Scheme, Target};
pub use tls::{Identity, Tls};
