//! The REST gateway, compatible with ThingsBoard's REST API: paths, field names, paging and error bodies.
//!
//! ```text
//! request → extract (who asks, which page, what body) → a handler of routes → record, access → the store's ports
//!                                                       └ changed chains and devices → App, Sessions
//! ```
//!
//! Reading order:
//!
//! 1. [`error`] – every refusal, and its one form,
//! 2. [`extract`] – what handlers take from a request; who may not is refused here,
//! 3. [`auth`] – tokens, passwords, failed logins,
//! 4. `access` – what a caller may see; ids from requests only ever meet the caller's own tenant,
//! 5. `record` – between entities and stored records,
//! 6. `routes` – one file for each resource; [`router()`] joins them,
//! 7. [`live`] – live values over WebSocket,
//! 8. [`listeners`] – the port to listeners of stream adapters,
//! 9. `provision` – devices that come to credentials by themselves,
//! 10. [`seed`] – what a server, a tenant or a device starts with; [`registrar`] – devices that others speak for; [`keeper`] – entities
//!     that rule nodes make.
//!
//! This crate knows no protocol of devices and no component: it validates chains through `rules` and lists node types through `plugins`.

mod access;
pub mod applier;
pub mod auth;
pub mod error;
pub mod extract;
pub mod keeper;
mod limited;
pub mod listeners;
pub mod live;
mod provision;
mod record;
pub mod registrar;
mod router;
mod routes;
pub mod seed;
mod state;
mod turns;

pub use applier::Applier;
pub use error::ApiError;
pub use keeper::Keeper;
pub use listeners::{ListenerError, ListenerStatus, Listeners, NoListeners};
pub use live::{Announcing, Live, LiveConfig};
pub use registrar::Registrar;
pub use router::router;
pub use state::{ApiConfig, ApiState};
