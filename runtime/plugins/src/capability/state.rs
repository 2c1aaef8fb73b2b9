//! Interfaces `state` and `timers`: what the node keeps. Writes count when the call succeeds, see [`crate::memory`].

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::MutexGuard;

use crate::bindings::{state, timers};
use crate::guest::Guest;
use crate::memory::Memory;

impl Guest {
    /// Its memory, about to be changed.
    fn touched(&mut self) -> MutexGuard<'_, Memory> {
        self.memory_touched = true;
        let mut memory = self.memory.look();
        memory.about(self.about);
        memory
    }
}

impl state::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.memory.look().get(&key).map(|value| value.to_vec()))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        Ok(self.touched().set(&key, Bytes::from(value)))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.touched().delete(&key);
        Ok(())
    }

    fn keys(&mut self, prefix: String) -> wasmtime::Result<Vec<String>> {
        let keys: Vec<Arc<str>> = self.memory.look().keys(&prefix);
        Ok(keys.iter().map(|key| key.to_string()).collect())
    }
}

impl timers::Host for Guest {
    fn set(&mut self, name: String, delay_ms: u64) -> wasmtime::Result<Result<(), String>> {
        let now_ms = self.clock.now_ms();
        Ok(self.touched().set_timer(&name, delay_ms, now_ms))
    }

    fn cancel(&mut self, name: String) -> wasmtime::Result<()> {
        self.touched().cancel_timer(&name);
        Ok(())
    }
}
