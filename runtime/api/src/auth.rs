//! Logging in, and staying logged in.
//!
//! 1. [`token`] – what a client holds: signed, for one purpose, for a time,
//! 2. [`password`] – Argon2 on the blocking pool, a few at a time,
//! 3. [`pair`] – the two tokens that a login answers.
//!
//! Knows no routes.

pub mod pair;
pub mod password;
pub mod token;
