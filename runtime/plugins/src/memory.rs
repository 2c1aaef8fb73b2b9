//! What a node keeps, as the node sees it: keys and values, and timers. Pure: time comes in, changes come out.
//!
//! Changes of a call are taken back when the call fails, and settled when it succeeds. Settled changes wait in here until the node's
//! actor takes them to the store. Knows no store.
//!
//! What is written belongs to the device whose message the node is deciding about; what a timer's call writes, to the device of the timer.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::{NodeState, NodeStateChange};
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

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
    entries: BTreeMap<Arc<str>, Entry>,
    timers: BTreeMap<Arc<str>, Timer>,
    bytes: usize,
    /// The device that the present call is about.
    device: Option<Uuid>,
    /// What was there before the present call changed it.
    entries_before: BTreeMap<Arc<str>, Option<Entry>>,
    timers_before: BTreeMap<Arc<str>, Option<Timer>>,
    settled: NodeStateChange,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Bytes,
    device: Option<Uuid>,
}

/// When something is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Milliseconds since 1970-01-01 UTC.
    pub due_ms: i64,
    /// The device that it belongs to; none: the node itself.
    pub device: Option<Uuid>,
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
            memory.add(stored);
        }
        memory
    }

    /// What is stored and not here comes in.
    fn add(&mut self, stored: NodeState) {
        for kept in stored.entries {
            let (value, device) = (kept.value, kept.device);
            self.entries.entry(kept.name).or_insert(Entry { value, device });
        }
        for kept in stored.timers {
            let (due_ms, device) = (kept.value, kept.device);
            self.timers.entry(kept.name).or_insert(Timer { due_ms, device });
        }
        self.bytes = self.entries.iter().map(|(key, entry)| key.len() + entry.value.len()).sum();
    }

    /// Devices have come from other servers, and others have gone there: what belongs to those goes, and what is stored comes. Where both
    /// have something, it is newer here: the store may be a moment behind.
    pub fn moved(&mut self, mut stored: NodeState, serves: impl Fn(Uuid) -> bool) {
        let here = |device: Option<Uuid>| device.is_none_or(&serves);
        self.entries.retain(|_, entry| here(entry.device));
        self.timers.retain(|_, timer| here(timer.device));
        if stored.schema != self.schema {
            return;
        }
        self.replaces = false;
        stored.entries.retain(|kept| here(kept.device));
        stored.timers.retain(|kept| here(kept.device));
        self.add(stored);
    }

    /// The next call is about a device, or about none.
    pub fn about(&mut self, device: Option<Uuid>) {
        self.device = device;
    }

    /// The form of what is kept.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.entries.get(key).map(|entry| &entry.value)
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
        let old = self.entries.get(key).map(|old| key.len() + old.value.len());
        if old.is_none() && self.entries.len() >= KEYS_MAX {
            return Err(format!("the node keeps {KEYS_MAX} keys already, which is all it may"));
        }
        let bytes = self.bytes - old.unwrap_or(0) + key.len() + value.len();
        if bytes > BYTES_MAX {
            return Err(format!("the node would keep {bytes} bytes, more than the {BYTES_MAX} allowed"));
        }
        let device = self.device;
        self.put(key.into(), Some(Entry { value, device }));
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
        let timer = Timer {
            due_ms: now_ms.saturating_add_unsigned(delay_ms),
            device: self.device,
        };
        self.put_timer(name.into(), Some(timer));
        Ok(())
    }

    /// The node begins to serve: a timer is due now if none is set.
    pub fn begin(&mut self, timer: &str, now_ms: i64) {
        self.device = None;
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

    /// A timer that is set.
    pub fn timer(&self, name: &str) -> Option<Timer> {
        self.timers.get(name).copied()
    }

    /// Timers that are not among those left out, the one that is due first in front.
    pub fn timers_without(&self, left_out: &std::collections::HashSet<Arc<str>>) -> Vec<(Timer, Arc<str>)> {
        let mut timers: Vec<_> = self
            .timers
            .iter()
            .filter(|(name, _)| !left_out.contains(*name))
            .map(|(name, timer)| (*timer, Arc::clone(name)))
            .collect();
        timers.sort_unstable_by_key(|(timer, _)| timer.due_ms);
        timers
    }

    /// The call has succeeded: its changes count.
    pub fn settle(&mut self) {
        for (key, _) in std::mem::take(&mut self.entries_before) {
            let value = self.entries.get(&key).map(|entry| entry.value.clone());
            self.settled.entries.push((key, value));
        }
        for (name, _) in std::mem::take(&mut self.timers_before) {
            let due_ms = self.timers.get(&name).map(|timer| timer.due_ms);
            self.settled.timers.push((name, due_ms));
        }
        self.settled.device = self.device;
        if self.replaces && !self.settled.is_empty() {
            self.replaces = false;
            self.settled.replaces = Some(Arc::clone(&self.schema));
        }
    }

    /// The call has failed: its changes never were.
    pub fn take_back(&mut self) {
        for (key, entry) in std::mem::take(&mut self.entries_before) {
            self.put(key, entry);
        }
        for (name, timer) in std::mem::take(&mut self.timers_before) {
            self.put_timer(name, timer);
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

    fn put(&mut self, key: Arc<str>, entry: Option<Entry>) {
        let len = key.len();
        self.bytes += entry.as_ref().map_or(0, |entry| len + entry.value.len());
        let before = match entry {
            Some(entry) => self.entries.insert(Arc::clone(&key), entry),
            None => self.entries.remove(&key),
        };
        self.bytes -= before.as_ref().map_or(0, |before| len + before.value.len());
        self.entries_before.entry(key).or_insert(before);
    }

    fn put_timer(&mut self, name: Arc<str>, timer: Option<Timer>) {
        let before = match timer {
            Some(timer) => self.timers.insert(Arc::clone(&name), timer),
            None => self.timers.remove(&name),
        };
        self.timers_before.entry(name).or_insert(before);
    }
}
