//! What a node remembers: values by key. For node types that declare a `state_schema`.
//!
//! A write is seen by the next read at once, and counts only if the call in which it is made succeeds. What counts is durable before the
//! message is acknowledged. Natively the values belong to the thread: see [`crate::testing::forget`].

/// The value of a key.
pub fn get(key: &str) -> Option<Vec<u8>> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::node::pacificsoft::plugin::state::get(key);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::kept(|state| state.get(key).cloned())
}

/// Sets a value.
///
/// # Errors
/// The limit it exceeds: 256 bytes for a key, 64 KiB for a value, 1 000 keys and 1 MiB for all of it.
pub fn set(key: &str, value: &[u8]) -> Result<(), String> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::node::pacificsoft::plugin::state::set(key, value);
    #[cfg(not(target_arch = "wasm32"))]
    {
        if key.is_empty() || key.len() > 256 || value.len() > 64 << 10 {
            return Err("the key or the value is too long".to_owned());
        }
        crate::testing::kept(|state| state.insert(key.to_owned(), value.to_vec()));
        Ok(())
    }
}

/// Removes a key.
pub fn delete(key: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::node::pacificsoft::plugin::state::delete(key);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::kept(|state| state.remove(key));
}

/// The keys that are set and start with a prefix, sorted.
pub fn keys(prefix: &str) -> Vec<String> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::node::pacificsoft::plugin::state::keys(prefix);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::kept(|state| state.keys().filter(|key| key.starts_with(prefix)).cloned().collect())
}
