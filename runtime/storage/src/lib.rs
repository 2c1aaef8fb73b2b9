//! What the platform keeps, as domain traits: entities, credentials, logins, attributes, time series, alarms, events, components,
//! settings, what rule nodes keep, relations, requests to devices.
//!
//! The traits speak of devices and readings, not of keys and bytes, so that an embedded log-structured store and a wide-column
//! cluster both fit behind them. Reading order:
//!
//! 1. [`mutation`] – the changes that the hot path makes, in batches, and [`Commit`], the promise that they are durable,
//! 2. [`traits`] – the ports: [`Journal`] takes mutations; the other traits read, and change entities one at a time; [`tap`]: who is told of what has
//!    become durable,
//! 3. [`text`], [`lists`], [`value_codec`], [`json`] – what all back ends have in common,
//! 4. [`embedded`] – the default back end: one process, one folder, group commit,
//! 5. [`conformance`] – what every back end must do, as one suite. (The back end for clusters is a crate of its own.)
//!
//! A store must not know actors or protocols; what a component does is nothing to it.

pub mod conformance;
pub mod embedded;
pub mod error;
pub mod json;
pub mod lists;
pub mod mutation;
pub mod query;
pub mod row;
pub mod tap;
pub mod text;
pub mod traits;
pub mod value_codec;

pub use embedded::{EmbeddedConfig, EmbeddedStore};
pub use error::StorageError;
pub use mutation::{Commit, KeptIn, Mutation};
pub use query::{AlarmFilter, EntityFilter, EventFilter, RelationQuery, SeriesQuery};
pub use row::Row;
pub use tap::Tap;
pub use traits::{
    AlarmStore, AttributeStore, ComponentStore, CredentialStore, EntityStore, EventStore, Journal, Login, LoginStore, NodeStateStore,
    RelationStore, ReminderStore, RowStore, RpcStore, SettingStore, Store, TimeSeriesStore,
};
