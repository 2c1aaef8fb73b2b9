//! Write rule nodes and payload adapters for Pacificsoft.
//!
//! A rule node is a type that implements [`RuleNode`]; a component is a package of node types, exported with [`export_nodes!`]:
//!
//! ```
//! use pacificsoft_sdk::{Configuration, Descriptor, Message, Outcome, RuleNode, relation};
//!
//! /// Lets messages through whose temperature is above a limit.
//! #[derive(Configuration)]
//! struct Hot {
//!     /// Degrees Celsius.
//!     #[config(default = 20)]
//!     limit: f64,
//! }
//!
//! impl RuleNode for Hot {
//!     const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];
//!
//!     fn descriptor() -> Descriptor {
//!         Descriptor {
//!             type_name: "hot",
//!             class_ids: &["org.example.Hot"],
//!             title: "hot",
//!             family: "FILTER",
//!             description: "Is the temperature above a limit?",
//!             configuration_schema: Hot::SCHEMA,
//!             default_configuration: Hot::DEFAULT,
//!             ..Descriptor::new()
//!         }
//!     }
//!
//!     fn open(configuration: &str) -> Result<Self, String> {
//!         Hot::parse(configuration)
//!     }
//!
//!     fn process(&mut self, message: &Message) -> Result<Outcome, String> {
//!         const TRUE: u32 = relation(Hot::RELATIONS, "True");
//!         const FALSE: u32 = relation(Hot::RELATIONS, "False");
//!         let hot = message.number("temperature").is_some_and(|t| t > self.limit);
//!         Ok(Outcome::Forward(if hot { TRUE } else { FALSE }))
//!     }
//! }
//!
//! pacificsoft_sdk::export_nodes!(Hot);
//!
//! // A node is tested without a server:
//! use pacificsoft_sdk::testing::TestMessage;
//! let mut node = Hot::open(r#"{"limit": 20}"#).unwrap();
//! let message = TestMessage::telemetry(r#"{"temperature": 25}"#);
//! assert_eq!(node.process(&message.message()), Ok(Outcome::Forward(0)));
//! ```
//!
//! [`configuration`] says what can be derived of a configuration. A payload adapter implements [`Adapter`] and is exported with [`export_adapter!`]. A stream adapter, which speaks a whole protocol
//! of its own, implements [`StreamAdapter`] and is exported with [`export_stream!`].
//!
//! A component can touch only what it imports: [`log`], [`now_ms`], what is stored of its tenant ([`reads`]), what the node keeps itself
//! ([`state`] and [`timers`]), and figures for the people who run it ([`metrics`]). Writes to anything else are not calls: they are *effects* in the [`Outcome`].

pub mod adapter;
pub mod aside;
#[doc(hidden)]
pub mod bindings;
pub mod configuration;
pub mod message;
pub mod metrics;
pub mod node;
pub mod outcome;
pub mod perimeter;
pub mod reads;
pub mod related;
pub mod state;
pub mod stream;
pub mod template;
pub mod testing;
pub mod timers;

pub use adapter::{Adapter, Inbound};
pub use configuration::Configuration;
pub use message::Message;
pub use node::{Descriptor, RuleNode, relation};
pub use outcome::{
    AssignCustomer, ClearAlarm, Content, DeleteAttributes, Effect, Emission, EnsureEntity, EnterChain, EntityId, EntityName, EntityRef,
    HttpRequest, Identity, Keep, LeaveChain, NewMessage, Outcome, Piece, PresenceEvent, Proxy, Publish, RaiseAlarm, RelationChange,
    ReplyRest, ReplyRpc, ReportPresence, RequestBody, SaveAttributes, SaveRow, SaveTimeSeries, SendRpc, Steps, Tls, UnassignCustomer,
};
pub use reads::{attribute, latest};
pub use stream::StreamAdapter;

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// For the tenant.
    Info,
    /// Something unexpected.
    Warn,
    /// Something is wrong.
    Error,
}

/// Writes a line for the tenant's eyes. Natively, for the test: see [`testing::lines`].
pub fn log(level: Level, text: &str) {
    #[cfg(target_arch = "wasm32")]
    {
        use bindings::node::pacificsoft::plugin::log as host;
        let level = match level {
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::log(level, text);
    }
    #[cfg(not(target_arch = "wasm32"))]
    testing::record(level, text);
}

/// Milliseconds since 1970-01-01 UTC.
pub fn now_ms() -> i64 {
    #[cfg(target_arch = "wasm32")]
    return bindings::node::pacificsoft::plugin::clock::now_ms();
    #[cfg(not(target_arch = "wasm32"))]
    testing::now_ms()
}
