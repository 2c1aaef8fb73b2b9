//! Compiling apart from running: native code of an upload is made by a process of its own, which may die of it, and kept for the host.
//!
//! That process needs no secret: the host authenticates what it keeps.

use wasmtime::Engine;

use crate::admission::Refusal;
use crate::engine::{Host, compiler_config};
use crate::error::LoadError;

/// Makes native code that a [`Host`] of this program can keep. Takes as much time and memory as the component's author likes.
///
/// # Errors
/// [`Refusal::Compile`] in the compiler's words.
pub fn precompile(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let refused = |error: wasmtime::Error| Refusal::Compile(format!("{error:#}"));
    let engine = Engine::new(&compiler_config()).map_err(refused)?;
    engine.precompile_component(bytes).map_err(refused)
}

impl Host {
    /// Whether native code is kept, and not only made anew each time.
    pub fn keeps_code(&self) -> bool {
        self.0.cache.is_some()
    }

    /// Whether the native code of these bytes is there.
    pub fn has_code(&self, bytes: &[u8]) -> bool {
        // Whoever carries an interpreter has more parts than the pool for small ones takes.
        let host = self.of_class(bytes);
        host.is_ok_and(|host| host.0.cache.as_ref().is_some_and(|cache| cache.contains(&host.0.engine, bytes)))
    }

    /// Keeps native code that [`precompile`] made of these bytes, in a process that this one has started.
    ///
    /// # Errors
    /// [`LoadError::Host`] when it cannot be written.
    pub fn keep_code(&self, bytes: &[u8], code: &[u8]) -> Result<(), LoadError> {
        match &self.0.cache {
            Some(cache) => cache
                .put(&self.0.engine, bytes, code)
                .map_err(|error| LoadError::Host(format!("compiled code cannot be kept: {error}"))),
            None => Ok(()),
        }
    }
}
