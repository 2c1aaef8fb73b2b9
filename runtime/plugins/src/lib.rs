//! The component host: everything that knows wasmtime.
//!
//! A component is a package of rule-node types, a payload adapter, or a stream adapter. It is sandboxed: it reaches nothing but what the contract in
//! `wit/` offers, and its memory, time, stack and output have limits. What it answers is checked before anybody acts on it. Reading
//! order:
//!
//! 1. [`limits`] and [`engine`] – the one place that configures wasmtime; the guest clock, and the `budget` of processor time it guards,
//! 2. [`component`] and [`cache`] – from bytes to a component that can be instantiated; native code is kept on disk, authenticated,
//! 3. [`admission`] and [`compile`] – uploads: judged by their names, compiled by another process,
//! 4. [`catalog`] – node types by the ids that rule chains use; [`release`] – how an uploaded version fares; [`figures`] – what a node reports about itself,
//! 5. [`node`] – one instance for one node of a chain; [`outcome`] – what it decided, checked; [`memory`] – what it keeps between messages,
//! 6. [`adapter`] – instances that translate for devices,
//! 7. [`stream`] – instances that speak a whole protocol of their own,
//! 8. `capability` – what guests may ask the host, one file for each interface.
//!
//! This crate must not know stores, devices or protocols: reads reach the guest through the port [`readings`].

pub mod adapter;
pub mod admission;
mod bindings;
mod budget;
pub mod cache;
mod capability;
pub mod catalog;
pub mod compile;
pub mod component;
pub mod engine;
pub mod error;
pub mod figures;
pub mod guest;
pub mod limits;
pub mod memory;
pub mod node;
pub mod outcome;
pub mod readings;
pub mod release;
pub mod stream;

pub use adapter::{AdapterPool, Inbound, Outbound, Transport};
pub use admission::{Examined, Refusal, World};
pub use catalog::{Catalog, NodeType};
pub use component::{AdapterComponent, AdapterDescriptor, LoadedComponent, NodeDescriptor, RuleComponent};
pub use engine::{Host, HostConfig};
pub use error::{DecodeError, Fault, LoadError, OpenError, ProcessError};
pub use guest::{LogLevel, LogSink};
pub use limits::Limits;
pub use memory::{Memory, SharedMemory, Timer};
pub use node::{NodeContext, NodeInstance, timer_message};
pub use outcome::{
    Content, Effect, Emission, EntityRef, HttpRequest, Identity, Outcome, Piece, Propagation, Proxy, Publish, Relation, RelationChange,
    RequestBody, Retention, Tls, ai_model_secret,
};
pub use readings::{AwaitedReadings, NothingStored, Readings, RelatedBy, Source, Span};
pub use release::{Place, Places, Release, ReleaseId, ReleaseState, Watch};
pub use stream::{
    Carrier, Denial, Ending, StreamAction, StreamComponent, StreamContext, StreamError, StreamEvent, StreamInstance, ToldEvent,
};
