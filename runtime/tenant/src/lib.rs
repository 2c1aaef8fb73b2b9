//! Tenants at work: the App actor supervises tenant actors, each of which owns its rule chains.
//!
//! 1. [`chains`] – the table of chain entrances that device actors read,
//! 2. [`tenant`] – the actor of a tenant: loads, replaces and drops chains,
//! 3. [`app`] – the actor that starts tenants at their first use,
//! 4. [`devices`] – the port through which sessions and peers reach device actors.

pub mod app;
pub mod chains;
pub mod devices;
pub mod error;
pub mod tenant;

pub use app::{App, AppConfig, AppState};
pub use chains::ChainTable;
pub use devices::LocalDevices;
pub use error::TenantError;
pub use tenant::TenantState;
