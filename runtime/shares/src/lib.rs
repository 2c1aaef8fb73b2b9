//! Shares of processor time: whose guests run when there is more to run than processors.
//!
//! A guest works in slices of a few milliseconds. For each slice its tenant takes a *turn*; what the slice used is charged to the tenant.
//! A tenant that uses little never waits. Tenants that use much, while others are there, share all processors but one, slice by slice and
//! tenant by tenant – however many nodes one of them has. Where there is one tenant alone, nobody waits. A tenant with an allowance waits
//! when it is spent, and its messages with it: that is the back-pressure its devices feel.
//!
//! Calls that last long are made in threads that take what is left of the processors ([`Turn::aside`]): whoever else has something to do is
//! first.
//!
//! Reading order: [`meter`] – what a tenant has used, pure; [`shares`] – turns; [`Caller`] – single calls in turns of their own. This crate
//! knows no guest and no rule.

mod aside;
mod caller;
pub mod meter;
mod pace;
pub mod shares;

pub use caller::Caller;
pub use meter::{Meter, Usage};
pub use pace::Pace;
pub use shares::{SLICE, Share, Shares, Turn, thread_time};
