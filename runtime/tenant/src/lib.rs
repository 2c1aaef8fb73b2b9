//! Tenants at work: the App actor supervises tenant actors, each of which owns its rule chains.
//!
//! 1. [`chains`] – the table of chain entrances that device actors read,
//! 2. [`tenant`] – the actor of a tenant: loads, replaces and drops chains,
//! 3. [`app`] – the actor that starts tenants at their first use,
//! 4. [`serving`] – switches a tenant's nodes to other versions of components; `swap` – what that takes, pure,
//! 5. [`devices`] – the port through which sessions and peers reach device actors; [`waking`] – wakes those that have something to do.

pub mod app;
pub mod chains;
pub mod devices;
pub mod error;
mod notice;
pub mod serving;
mod swap;
pub mod tenant;
pub mod waking;

pub use app::{App, AppConfig, AppState};
pub use chains::ChainTable;
pub use devices::LocalDevices;
pub use error::TenantError;
pub use serving::AppServing;
pub use tenant::TenantState;
pub use waking::wake_devices;
