//! Components that tenants and system administrators upload: admitted, kept, activated while messages flow, stopped when they do harm.
//!
//! What runs for a tenant is what is shipped, what the system's administrators uploaded, and what the tenant uploaded. Reading order:
//!
//! 1. [`quota`], [`permission`], [`breaker`] – pure decisions: how much, what for, for how long,
//! 2. [`compile`] – native code, made by another process of the same binary; [`admit`] – from bytes to a version that can serve,
//! 3. [`tenants`] – what is at work for each tenant: its catalog of node types, its adapters,
//! 4. [`serving`] – the port to whatever runs nodes; [`watch`] – faults that nodes report,
//! 5. [`service`] – upload, activate, roll back, delete.
//!
//! This crate knows no rule chain at work and no request: chains are reached through the port [`Serving`].

pub mod admit;
pub mod breaker;
pub mod compile;
pub mod error;
pub mod facts;
pub mod permission;
pub mod quota;
pub mod service;
pub mod serving;
pub mod tenants;
pub mod watch;

pub use compile::{CompileLimits, Compiler, InProcess, Separate};
pub use error::ComponentError;
pub use facts::Facts;
pub use permission::Permission;
pub use quota::Quotas;
pub use service::{Change, Components, ComponentsConfig, Inspected, Owner, Upload};
pub use serving::{Misfit, Prepared, Serving};
pub use tenants::Active;
