//! Figures of the node's own, shown at `/metrics` and with the version of an uploaded component. 20 names of `a` to `z`, digits and `_`.
//! Natively they show up in [`crate::testing::figures`].

/// Adds to a counter.
pub fn add(name: &str, amount: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::node::pacificsoft::plugin::metrics::add(name, amount);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::figured(|figures| *figures.entry(name.to_owned()).or_default() += amount as f64);
}

/// Sets a gauge.
pub fn set(name: &str, value: f64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::node::pacificsoft::plugin::metrics::set(name, value);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::figured(|figures| figures.insert(name.to_owned(), value));
}
