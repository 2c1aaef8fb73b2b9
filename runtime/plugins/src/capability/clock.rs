//! Interface `clock`.

use crate::bindings::clock::Host;
use crate::guest::Guest;

impl Host for Guest {
    fn now_ms(&mut self) -> wasmtime::Result<i64> {
        Ok(self.clock.now_ms())
    }
}
