//! Sessions: one for each connection of a device, or one exchange of a connectionless protocol.
//!
//! A session knows who the device is, has its tenant's protocol adapter translate, hands uplinks to the device's actor in order, and
//! learns when they are durable. Transports drive it: they frame bytes and know no device. Reading order:
//!
//! 1. [`identity`] – from what a device presents to who it is,
//! 2. [`attempts`] – who failed to say so, how often,
//! 3. [`adapters`] – the protocol adapter of each tenant, or of a device profile (`profiles`),
//! 4. [`children`] – the devices behind a gateway,
//! 5. [`limits`] – how much devices may say, by [`rate`]s; `notices` – when a gateway is told of a device behind it;
//!    [`usage`] – of tenants, through all servers together,
//! 6. [`provision`] – devices that have no credentials yet,
//! 7. [`session`] – one session: publish, events, end,
//! 8. [`manager`] – the actor that knows every connection: takeover, closing,
//! 9. `moves` – sessions of devices that move between servers; `revisit` – whether connections are still good,
//! 10. [`stream`] – devices behind a stream adapter, which speaks a whole protocol of its own.
//!
//! This crate must not know MQTT, HTTP or CoAP.

pub mod adapters;
pub mod attempts;
pub mod children;
pub mod error;
pub mod identity;
pub mod limits;
pub mod manager;
mod moves;
mod notices;
mod profiles;
pub mod provision;
mod revisit;
pub mod session;
pub mod stream;
pub mod usage;

pub use adapters::{AdapterSource, Adapters};
pub use attempts::Attempts;
pub use children::{RegisterError, Registrar};
pub use error::{AuthError, OpenError, PublishError};
pub use identity::{Credentials, Origin};
pub use limits::{Exceeded, RateLimits, Rates};
pub use manager::{ManagerState, Sessions, SessionsConfig};
pub use plugins::{Carrier, Inbound, Outbound, Transport};
pub use provision::{ProvisionError, ProvisionRequest, Provisioned};
pub use session::{CloseReason, Event, Session, SessionState};
pub use stream::{Output, Shard, StreamService};
