//! Interfaces `state` and `timers`: what the node keeps. Writes count when the call succeeds, see [`crate::memory`].

use std::sync::Arc;

use bytes::Bytes;

use crate::bindings::{state, timers};
use crate::guest::Guest;

impl state::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.memory.look().get(&key).map(|value| value.to_vec()))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        self.memory_touched = true;
        Ok(self.memory.look().set(&key, Bytes::from(value)))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.memory_touched = true;
        self.memory.look().delete(&key);
        Ok(())
    }

    fn keys(&mut self, prefix: String) -> wasmtime::Result<Vec<String>> {
        let keys: Vec<Arc<str>> = self.memory.look().keys(&prefix);
        Ok(keys.iter().map(|key| key.to_string()).collect())
    }
}

impl timers::Host for Guest {
    fn set(&mut self, name: String, delay_ms: u64) -> wasmtime::Result<Result<(), String>> {
        self.memory_touched = true;
        let now_ms = self.clock.now_ms();
        Ok(self.memory.look().set_timer(&name, delay_ms, now_ms))
    }

    fn cancel(&mut self, name: String) -> wasmtime::Result<()> {
        self.memory_touched = true;
        self.memory.look().cancel_timer(&name);
        Ok(())
    }
}
