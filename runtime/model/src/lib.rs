//! Passive data that every layer speaks of: ids, messages, values, entities and the clock.
//!
//! A leaf: it knows no actor, no store, no protocol. Reading order:
//!
//! 1. [`ids`] – newtypes that carry their tenant,
//! 2. [`value`] and [`telemetry`] – what devices report; [`presence`], whether they are there,
//! 3. [`payload`], [`metadata`] and [`message`] – what travels through a rule chain; [`node_state`], what a node keeps,
//! 4. [`entity`] – devices, users, rule chains … in the form the REST API shows,
//! 5. [`component`] – uploaded components,
//! 6. [`page`], [`clock`], and [`rate`], how much may happen in which time.

pub mod clock;
pub mod component;
pub mod downlink_kinds;
pub mod entity;
pub mod ids;
pub mod message;
pub mod metadata;
pub mod node_state;
pub mod page;
pub mod payload;
pub mod presence;
pub mod rate;
pub mod telemetry;
pub mod uplink;
pub mod value;

pub use clock::{Clock, SystemClock};
pub use component::{ComponentRecord, ComponentVersion, Digest, Suspension};
pub use downlink_kinds::DownlinkKinds;
pub use ids::{CustomerId, DeviceId, EntityId, EntityKind, RuleChainId, RuleNodeId, TenantId, UserId};
pub use message::{Message, MessageKind};
pub use metadata::Metadata;
pub use node_state::{Kept, NodeState, NodeStateChange};
pub use page::{Page, PageRequest};
pub use payload::Payload;
pub use presence::PresenceEvent;
pub use rate::Rate;
pub use telemetry::{AttributeScope, Point, Reading};
pub use uplink::{ChildRefusal, ChildUplink, Downlink, DownlinkKind, Uplink};
pub use value::Value;
