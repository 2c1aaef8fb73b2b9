//! Interface `metrics`: figures of a node's own, see [`crate::figures`].

use crate::bindings::metrics::Host;
use crate::guest::Guest;

impl Host for Guest {
    fn add(&mut self, name: String, amount: u64) -> wasmtime::Result<()> {
        self.figures.add(&name, amount);
        Ok(())
    }

    fn set(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.figures.set(&name, value);
        Ok(())
    }
}
