//! Performing what nodes ask for: nodes return effects as data, and here they happen.
//!
//! 1. [`plan`] – pure: which effects are plain writes that can join a batch, and what they write,
//! 2. [`alarm`] – pure: the life of an alarm; `propagation` – who shows it beside its originator,
//! 3. [`perform`] – the rest: effects that read first, or wait for a device; [`calls`] – who waits outside for a device; `news` – what devices are
//!    told without waiting for them; `entities` – those on entities and relations, with the port [`Keeper`] to who makes them.
//! 4. [`request`] – requests to servers outside: secrets put in, the answer made a message; [`publish`] – payloads for brokers outside;
//!    [`ask`] – questions to AI models, which are such requests; [`settings`] – services that the server's administrator has for all tenants; [`way`] – by which way all this goes.
//!
//! This crate knows no chain: it answers with the relation along which the message goes on.

pub mod alarm;
pub mod ask;
pub mod calls;
mod entities;
pub mod error;
pub mod keeper;
mod news;
pub mod perform;
pub mod plan;
mod propagation;
pub mod publish;
pub mod request;
mod rpc;
pub mod settings;
pub mod way;

pub use ask::provider::{Format, Question};
pub use ask::settings::AiModelSettings;
pub use ask::{AskLimits, Asked};
pub use calls::Calls;
pub use error::EffectError;
pub use keeper::Keeper;
pub use perform::{Effects, Performed};
pub use plan::{Planned, plan};
pub use request::Outside;
pub use settings::{Allowances, Kept, MailSettings, SmsSettings};
pub use way::server_proxy;
