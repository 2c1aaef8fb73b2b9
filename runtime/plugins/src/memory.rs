//! What a node keeps, as the node sees it: keys and values, and timers. Pure: time comes in, changes come out.
//!
//! Changes of a call are taken back when the call fails, and settled when it succeeds. Settled changes wait in here until the node's
//! actor takes them to the store. Knows no store.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::{NodeState, NodeStateChange};
use parking_lot::{Mutex, MutexGuard};

#[cfg(test)]
mod tests;

/// Bytes of a key or a timer's name at most.
pub const KEY_BYTES_MAX: usize = 256;
/// Bytes of a value at most.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Keys of a node at most.
pub const KEYS_MAX: usize = 1_000;
/// Bytes of keys and values of a node at most.
pub const BYTES_MAX: usize = 1 << 20;
/// Timers of a node at most.
pub const TIMERS_MAX: usize = 100;
/// Delay of a timer at most: 400 days.
pub const DELAY_MS_MAX: u64 = 400 * 86_400_000;

/// A node's memory, shared between its actor and its instance. Held for the moment of a look only.
#[derive(Clone, Debug, Default)]
pub struct SharedMemory(Arc<Mutex<Memory>>);

impl SharedMemory {
    /// Of what was stored, for a node type that declares a schema. What is stored under another one is not seen any more.
    pub fn restore(schema: &str, stored: Option<NodeState>) -> Self {
        SharedMemory(Arc::new(Mutex::new(Memory::restore(schema, stored))))
    }

    /// A look at it.
    pub fn look(&self) -> MutexGuard<'_, Memory> {
        self.0.lock()
    }
}

/// A node's memory. An empty schema keeps nothing.
#[derive(Debug, Default)]
pub struct Memory {
    schema: Arc<str>,
    /// The store still holds what another schema left.
    replaces: bool,
    entries: BTreeMap<Arc<str>, Bytes>,
    timers: BTreeMap<Arc<str>, i64>,
    bytes: usize,
    /// What was there before the present call changed it.
    entries_before: BTreeMap<Arc<str>, Option<Bytes>>,
    timers_before: BTreeMap<Arc<str>, Option<i64>>,
    settled: NodeStateChange,
}

impl Memory {
    fn restore(schema: &str, stored: Option<NodeState>) -> Self {
        let stored = stored.filter(|stored| *stored.schema == *schema);
        let mut memory = Memory {
            schema: schema.into(),
            replaces: stored.is_none(),
            ..Memory::default()
        };
        if let Some(stored) = stored {
            memory.bytes = stored.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
            memory.entries = stored.entries.into_iter().collect();
            memory.timers = stored.timers.into_iter().collect();
        }
        memory
    }

    /// The form of what is kept.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.entries.get(key)
    }

    /// Keys that start with a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<Arc<str>> {
        let from = self
            .entries
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Sets a value.
    ///
    /// # Errors
    /// The limit it exceeds.
    pub fn set(&mut self, key: &str, value: Bytes) -> Result<(), String> {
        self.check("key", key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(format!(
                "a value of {} bytes is larger than the {VALUE_BYTES_MAX} allowed",
                value.len()
            ));
        }
        let old = self.entries.get(key).map(|old| key.len() + old.len());
        if old.is_none() && self.entries.len() >= KEYS_MAX {
            return Err(format!("the node keeps {KEYS_MAX} keys already, which is all it may"));
        }
        let bytes = self.bytes - old.unwrap_or(0) + key.len() + value.len();
        if bytes > BYTES_MAX {
            return Err(format!("the node would keep {bytes} bytes, more than the {BYTES_MAX} allowed"));
        }
        self.put(key.into(), Some(value));
        Ok(())
    }

    /// Removes a key.
    pub fn delete(&mut self, key: &str) {
        if let Some((key, _)) = self.entries.get_key_value(key) {
            self.put(Arc::clone(key), None);
        }
    }

    /// Sets a timer.
    ///
    /// # Errors
    /// The limit it exceeds.
    pub fn set_timer(&mut self, name: &str, delay_ms: u64, now_ms: i64) -> Result<(), String> {
        self.check("timer's name", name)?;
        if delay_ms > DELAY_MS_MAX {
            return Err(format!("a delay of {delay_ms} ms is longer than the {DELAY_MS_MAX} allowed"));
        }
        if !self.timers.contains_key(name) && self.timers.len() >= TIMERS_MAX {
            return Err(format!("the node has {TIMERS_MAX} timers already, which is all it may"));
        }
        self.put_timer(name.into(), Some(now_ms.saturating_add_unsigned(delay_ms)));
        Ok(())
    }

    /// The node begins to serve: a timer is due now if none is set.
    pub fn begin(&mut self, timer: &str, now_ms: i64) {
        if self.timers.is_empty() && self.set_timer(timer, 0, now_ms).is_ok() {
            self.settle();
        }
    }

    /// Cancels a timer.
    pub fn cancel_timer(&mut self, name: &str) {
        if let Some((name, _)) = self.timers.get_key_value(name) {
            self.put_timer(Arc::clone(name), None);
        }
    }

    /// When a timer is due.
    pub fn timer(&self, name: &str) -> Option<i64> {
        self.timers.get(name).copied()
    }

    /// Timers that are not among those left out, the one that is due first in front.
    pub fn timers_without(&self, left_out: &std::collections::HashSet<Arc<str>>) -> Vec<(i64, Arc<str>)> {
        let mut timers: Vec<_> = self
            .timers
            .iter()
            .filter(|(name, _)| !left_out.contains(*name))
            .map(|(name, due_ms)| (*due_ms, Arc::clone(name)))
            .collect();
        timers.sort_unstable();
        timers
    }

    /// The call has succeeded: its changes count.
    pub fn settle(&mut self) {
        for (key, _) in std::mem::take(&mut self.entries_before) {
            let value = self.entries.get(&key).cloned();
            self.settled.entries.push((key, value));
        }
        for (name, _) in std::mem::take(&mut self.timers_before) {
            let due_ms = self.timers.get(&name).copied();
            self.settled.timers.push((name, due_ms));
        }
        if self.replaces && !self.settled.is_empty() {
            self.replaces = false;
            self.settled.replaces = Some(Arc::clone(&self.schema));
        }
    }

    /// The call has failed: its changes never were.
    pub fn take_back(&mut self) {
        for (key, value) in std::mem::take(&mut self.entries_before) {
            self.put(key, value);
        }
        for (name, due_ms) in std::mem::take(&mut self.timers_before) {
            self.put_timer(name, due_ms);
        }
        self.entries_before.clear();
        self.timers_before.clear();
    }

    /// Settled changes that were not taken yet, for the store.
    pub fn changes(&mut self) -> Option<NodeStateChange> {
        Some(std::mem::take(&mut self.settled)).filter(|change| !change.is_empty())
    }

    fn check(&self, what: &str, text: &str) -> Result<(), String> {
        if self.schema.is_empty() {
            return Err("the node type declares no state-schema, so it keeps nothing".to_owned());
        }
        if text.is_empty() || text.len() > KEY_BYTES_MAX {
            return Err(format!("a {what} of {} bytes is not between 1 and {KEY_BYTES_MAX}", text.len()));
        }
        Ok(())
    }

    fn put(&mut self, key: Arc<str>, value: Option<Bytes>) {
        let len = key.len();
        self.bytes += value.as_ref().map_or(0, |value| len + value.len());
        let before = match value {
            Some(value) => self.entries.insert(Arc::clone(&key), value),
            None => self.entries.remove(&key),
        };
        self.bytes -= before.as_ref().map_or(0, |before| len + before.len());
        self.entries_before.entry(key).or_insert(before);
    }

    fn put_timer(&mut self, name: Arc<str>, due_ms: Option<i64>) {
        let before = match due_ms {
            Some(due_ms) => self.timers.insert(Arc::clone(&name), due_ms),
            None => self.timers.remove(&name),
        };
        self.timers_before.entry(name).or_insert(before);
    }
}
