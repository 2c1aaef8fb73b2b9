//! From sources to components, in three languages: for this repository's own guests and for `pacificsoft plugin build`.
//!
//! 1. [`rust`] – a toolchain that builds for `wasm32-unknown-unknown`; [`encode`] – its modules become components,
//! 2. [`javascript`] and [`python`] – tools from npm and PyPI, installed into a folder once, and the SDKs' own builders,
//! 3. [`packages`] – what npm and PyPI are asked for,
//! 4. [`program`] – running other programs.
//!
//! Must not know what a component does, or how it is run.

pub mod javascript;
pub mod packages;
pub mod program;
pub mod python;
pub mod rust;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Wraps a core module that `wit-bindgen` prepared into a component, and validates it.
///
/// # Errors
/// When it is no such module.
pub fn encode(module: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(module).with_context(|| format!("{} is not there", module.display()))?;
    wit_component::ComponentEncoder::default().validate(true).module(&bytes)?.encode()
}
