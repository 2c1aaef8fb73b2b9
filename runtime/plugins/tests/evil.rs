//! Guests made by hand that misbehave where no SDK lets an author get at: in every export, in what they say of themselves, in what they
//! hand over. Each row of a table is one; each is loaded, opened and called, and a good guest works on beside all of them.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "evil/adapters.rs"]
mod adapters;
#[path = "evil/answers.rs"]
mod answers;
#[path = "evil/descriptions.rs"]
mod descriptions;
#[path = "evil/everywhere.rs"]
mod everywhere;
#[path = "evil/world.rs"]
mod world;
