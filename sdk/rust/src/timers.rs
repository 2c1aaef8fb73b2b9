//! Timers: the host calls [`RuleNode::on_timer`](crate::RuleNode::on_timer) when one is due. They are kept with the node's state, see
//! [`crate::state`]. Natively they only show up in [`crate::testing::timers`]; a test calls `on_timer` itself.

/// Sets a timer, or sets it anew.
///
/// # Errors
/// The limit it exceeds: 256 bytes for a name, 400 days, 100 timers.
pub fn set(name: &str, delay_ms: u64) -> Result<(), String> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::node::pacificsoft::plugin::timers::set(name, delay_ms);
    #[cfg(not(target_arch = "wasm32"))]
    {
        crate::testing::timed(|timers| timers.insert(name.to_owned(), delay_ms));
        Ok(())
    }
}

/// Cancels a timer.
pub fn cancel(name: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::node::pacificsoft::plugin::timers::cancel(name);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::timed(|timers| timers.remove(name));
}
